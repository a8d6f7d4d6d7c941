"""Execution control by fapolicyd: rules that deny the catalogue's paths, before the host's other rules.

fapolicyd is a daemon: it answers the kernel whether a program may start. The inventory must require it
(`proscribe_exec_control`). Proscribe writes only rules, and neither installs nor starts the daemon. The program
fagenrules compiles all rule files into one. The first matching rule counts. So the name of Proscribe's file sorts
before those of the distribution's files (20-...). A program is denied by its path. A copy of the program at another
path can start until the file scan finds it.

Sources: fapolicyd.rules(5), fagenrules(8), and the packages 1.3.4 of Debian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator

from .....base.lazy_patterns import MULTILINE, compile_pattern
from .....model.finding import Finding, RuleVerdict, judge_rule
from ....system import WRITTEN_BY, ControlError, Host, ObservationError
from ..desired_apps import DesiredApps

if TYPE_CHECKING:
    from .....model.types.plan import PartialWaiver, Plan, PlanSection

EXECUTION_CONTROL_RULE = "apps/execution-control"
RULES_DIRECTORY = "/etc/fapolicyd/rules.d"
RULES_PATH = RULES_DIRECTORY + "/15-proscribe.rules"
# A rule that permits everything else. It is written only if the host has no other rule files.
FALLBACK_RULES_PATH = RULES_DIRECTORY + "/99-proscribe.rules"
OLD_RULES_PATH = "/etc/fapolicyd/fapolicyd.rules"  # fagenrules does nothing while this file exists
COMPILED_RULES_PATH = "/etc/fapolicyd/compiled.rules"
_PERMISSIVE_PATTERN = compile_pattern(r"^\s*permissive\s*=\s*1", MULTILINE)
PLAIN_PATH_PATTERN = compile_pattern(r"/[A-Za-z0-9._+@,:/-]+")  # fapolicyd before 2.0 cannot express a space


def observe(host: Host, plan: Plan, desired: DesiredApps) -> list[RuleVerdict]:
    """Return the verdict on execution control.

    Return [] if `apps` is not enforced. Return [] too if execution control is not required and no file of Proscribe is
    left.
    """
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    try:
        problems, is_correctable = _find_problems(host, section, desired)
    except ObservationError as unseen:
        return [judge_rule(EXECUTION_CONTROL_RULE, {"mode": section["mode"]}, [], str(unseen))]
    if not problems and not is_requested(section):
        return []
    verdict = judge_rule(
        EXECUTION_CONTROL_RULE,
        {"mode": section["mode"]},
        [Finding("rules", "fapolicyd", path=path, detail=problem) for path, problem in problems],
    )
    return [verdict._replace(drifted=verdict.drifted and is_correctable)]


def is_requested(section: PlanSection) -> bool:
    """Return whether the section of a plan requires execution control."""
    return bool(section["settings"].get("exec_control") == "fapolicyd")


def _find_problems(host: Host, section: PlanSection, desired: DesiredApps) -> tuple[list[tuple[str, str]], bool]:
    """Return the problems as (path, problem), and whether enforcement would correct any of them.

    Enforcement corrects only Proscribe's rule files and the compiled rules. Other problems need an administrator.
    """
    is_installed = host.find_entry(RULES_DIRECTORY) is not None and host.find_tool("fagenrules") is not None
    if is_requested(section) and not is_installed:
        return [(RULES_DIRECTORY, "fapolicyd is not installed on this host")], False
    differing_files = [
        (path, problem)
        for path, problem in (
            (path, find_file_problem(host, path, text)) for path, text in list_rule_files(host, section, desired)
        )
        if problem
    ]
    if not is_requested(section):
        return differing_files, True
    other_problems = []
    if host.find_entry(OLD_RULES_PATH):
        other_problems.append((OLD_RULES_PATH, "an old rules file is beside rules.d, so fagenrules does nothing"))
    if not is_daemon_running(host):
        other_problems.append((RULES_PATH, "fapolicyd does not run, so that nothing is denied"))
    elif _PERMISSIVE_PATTERN.search(host.read_text("/etc/fapolicyd/fapolicyd.conf") or ""):
        other_problems.append(("/etc/fapolicyd/fapolicyd.conf", "fapolicyd only watches (permissive = 1)"))
    elif not differing_files and not is_in_force(host):
        differing_files = [(COMPILED_RULES_PATH, "was compiled without these rules")]
    elif not differing_files and (earlier_rule := _find_open_rule(host)):
        other_problems.append((COMPILED_RULES_PATH, f"an earlier rule lets everything start: {earlier_rule}"))
    return [*differing_files, *other_problems], bool(differing_files)


def is_daemon_running(host: Host) -> bool:
    """Return whether the daemon fapolicyd runs. Without it, no rule has an effect."""
    return any(process.exe.endswith("/fapolicyd") for process in host.list_processes()[0])


def list_rule_files(host: Host, section: PlanSection, desired: DesiredApps) -> list[tuple[str, str]]:
    """Return Proscribe's rule files as (path, required text). The text is "" if the file must be absent."""
    lines = list(make_rules(host, desired)) if is_requested(section) else []
    # a file that only has comments is not written
    lines = lines if any(not line.startswith("#") for line in lines) else []
    foreign_files = [
        name
        for name in host.list_directory(RULES_DIRECTORY)
        if name.endswith(".rules") and f"{RULES_DIRECTORY}/{name}" not in (RULES_PATH, FALLBACK_RULES_PATH)
    ]
    header = f"# {WRITTEN_BY}\n"
    return [
        (RULES_PATH, header + "".join(f"{line}\n" for line in lines) if lines else ""),
        (FALLBACK_RULES_PATH, header + "allow perm=any all : all\n" if lines and not foreign_files else ""),
    ]


def make_rules(host: Host, desired: DesiredApps) -> Iterator[str]:
    """Yield the lines of Proscribe's rules: comments, rules that allow what waivers permit, rules that deny paths.

    The first matching rule counts, so allow rules come before deny rules. A path may be a program or a directory, so
    each path gets a rule for both. A comment replaces the rules for a path that cannot be denied.
    """
    from .. import protection  # loaded on demand: only hosts with rules need it

    homes = sorted(user.home for user in host.list_users())
    allow_rules: dict[str, None] = {}
    deny_rules: list[str] = []
    for named_path in sorted(desired.paths):
        services = desired.choose_enforced_services(desired.paths[named_path])
        exceptions = [
            exception for service in services for exception in desired.services[service].get("exceptions", ())
        ]
        for path in [home + named_path[1:] for home in homes] if named_path.startswith("~/") else [named_path]:
            if not services or protection.explain_path_protection(path, homes):
                continue
            if not PLAIN_PATH_PATTERN.fullmatch(path):
                yield f"# cannot be written as a rule: {path!a}"
            # fapolicyd denies paths, whatever version is there
            elif version_waivers := [exception["waiver"] for exception in exceptions if "versions" in exception]:
                yield f"# not denied, since waiver {version_waivers[0]} permits a version: {path}"
            else:
                for exception in exceptions:
                    allow_rules.update(dict.fromkeys(_make_allow_rules(host, exception, path)))
                deny_rules += [
                    f"deny_syslog perm=execute {subject} : {rule_object}"
                    for subject in _list_denied_subjects(host, desired, services)
                    for rule_object in _make_rule_objects(path)
                ]
    yield from allow_rules
    yield from deny_rules


def _list_denied_subjects(host: Host, desired: DesiredApps, services: list[str]) -> list[str]:
    """Return the subjects (users) of deny rules: `all`, or those for whom alone `services` are restricted.

    Return [] if none of these users has an account on this host.
    """
    if desired.choose_unlimited_services(services):
        return ["all"]
    return _make_user_subjects(
        host, {name for service in services for name in desired.services[service]["only"]["users"]}
    )


def _make_user_subjects(host: Host, names: Iterable[str]) -> list[str]:
    """Return users as subjects of rules (`uid=1000`). Users without an account on this host are left out."""
    uids = {uid for name in names if (uid := host.find_user_id(name)) is not None}
    return [f"uid={uid}" for uid in sorted(uids)]


def _make_allow_rules(host: Host, exception: PartialWaiver, path: str) -> Iterator[str]:
    """Yield the allow rules for an exception of a waiver at a denied path.

    The rules are for the exception's users; without users in the exception, they are for everybody. They allow the
    exception's paths, or the whole denied path if the exception has no paths.
    """
    subjects = _make_user_subjects(host, exception["users"]) if "users" in exception else ["all"]
    for allowed_path in filter(PLAIN_PATH_PATTERN.fullmatch, exception.get("paths", [path])):
        yield from (
            f"allow perm=execute {subject} : {rule_object}"
            for subject in subjects
            for rule_object in _make_rule_objects(allowed_path)
        )


def _make_rule_objects(path: str) -> tuple[str, str]:
    """Return the objects of rules for a path: the path as a program, and as a directory with everything below."""
    return f"path={path}", f"dir={path}/"


def find_file_problem(host: Host, path: str, text: str) -> str:
    """Describe the problem of a rule file of Proscribe in a few words, or return "".

    `text` is the required text; "" if the file must be absent.
    """
    if not text:
        return "left over: there is nothing to deny any more" if host.has_traces(path) else ""
    try:
        current_text = host.read_text(path)
    except ControlError as error:
        return str(error)
    return (
        "missing" if current_text is None else "" if current_text == text else "does not say what this plan calls for"
    )


def _find_open_rule(host: Host) -> str:
    """Return a rule that lets everybody start everything and is compiled before Proscribe's rules, or "".

    Such a rule makes Proscribe's rules ineffective, because the first matching rule counts.
    """
    own_lines = {line for line in (host.read_text(RULES_PATH) or "").splitlines() if line and not line.startswith("#")}
    for line in (host.read_text(COMPILED_RULES_PATH) or "").splitlines():
        words = line.split()
        if line in own_lines:
            break
        # `perm=open` is about reading a file, not about starting it
        if words and words[0].startswith("allow") and words[-3:] == ["all", ":", "all"] and "perm=open" not in words:
            return line
    return ""


def is_in_force(host: Host) -> bool:
    """Return whether the compiled rules, which fapolicyd uses, have all lines of Proscribe's rule file."""
    compiled_lines = set((host.read_text(COMPILED_RULES_PATH) or "").splitlines())
    own_lines = (host.read_text(RULES_PATH) or "").splitlines()
    return all(line in compiled_lines for line in own_lines if line and not line.startswith("#"))
