"""Execution control by fapolicyd: rules that deny what the catalogue restricts, in front of the host's own rules.

Only where `proscribe_exec_control` asks for it, and only rules: the daemon is neither installed nor started here. First
match wins, so that the file sorts before the distribution's own (20-...). What is denied is denied by its path; a copy
elsewhere runs until the file scan finds it. Sources: fapolicyd.rules(5), fagenrules(8), and the packages 1.3.4 of
Debian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator

from .....base.patterns import MULTILINE, compile_pattern
from .....model.finding import Finding, RuleVerdict, judge_rule
from ....system import WRITTEN_BY, ControlError, Host, ObservationError
from ..desired import Desired

if TYPE_CHECKING:
    from .....model.types.plan import PartialWaiver, Plan, PlanSection

RULE = "apps/execution-control"
FOLDER = "/etc/fapolicyd/rules.d"
RULES = FOLDER + "/15-proscribe.rules"
REST = FOLDER + "/99-proscribe.rules"  # lets all else pass; only where the host has no rules of its own
OLD = "/etc/fapolicyd/fapolicyd.rules"  # fagenrules does nothing while this file exists
COMPILED = "/etc/fapolicyd/compiled.rules"
_PERMISSIVE = compile_pattern(r"^\s*permissive\s*=\s*1", MULTILINE)
PLAIN = compile_pattern(r"/[A-Za-z0-9._+@,:/-]+")  # fapolicyd before 2.0 cannot express a space


def observe(host: Host, plan: Plan, desired: Desired) -> list[RuleVerdict]:
    """The verdict; none where nothing is required and nothing of ours is left."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    try:
        found, correctable = _wrong(host, section, desired)
    except ObservationError as unseen:
        return [judge_rule(RULE, {"mode": section["mode"]}, [], str(unseen))]
    if not found and not requested(section):
        return []
    verdict = judge_rule(
        RULE,
        {"mode": section["mode"]},
        [Finding("rules", "fapolicyd", path=path, detail=wrong) for path, wrong in found],
    )
    return [verdict._replace(drifted=verdict.drifted and correctable)]


def requested(section: PlanSection) -> bool:
    """Whether a plan's section asks for execution control."""
    return bool(section["settings"].get("exec_control") == "fapolicyd")


def _wrong(host: Host, section: PlanSection, desired: Desired) -> tuple[list[tuple[str, str]], bool]:
    """What is wrong, by path, and whether enforcing would correct any of it."""
    present = host.find_entry(FOLDER) is not None and host.find_tool("fagenrules") is not None
    if requested(section) and not present:
        return [(FOLDER, "fapolicyd is not installed on this host")], False
    differing = [
        (path, said)
        for path, said in ((path, differs(host, path, text)) for path, text in files(host, section, desired))
        if said
    ]
    if not requested(section):
        return differing, True
    others = []
    if host.find_entry(OLD):
        others.append((OLD, "an old rules file is beside rules.d, so fagenrules does nothing"))
    if not runs(host):
        others.append((RULES, "fapolicyd does not run, so that nothing is denied"))
    elif _PERMISSIVE.search(host.read_text("/etc/fapolicyd/fapolicyd.conf") or ""):
        others.append(("/etc/fapolicyd/fapolicyd.conf", "fapolicyd only watches (permissive = 1)"))
    elif not differing and not in_force(host):
        differing = [(COMPILED, "was compiled without these rules")]
    elif not differing and (earlier := _lets_all_pass(host)):
        others.append((COMPILED, f"an earlier rule lets everything start: {earlier}"))
    return [*differing, *others], bool(differing)


def runs(host: Host) -> bool:
    """Whether there is a fapolicyd that decides what may start."""
    return any(process.exe.endswith("/fapolicyd") for process in host.list_processes()[0])


def files(host: Host, section: PlanSection, desired: Desired) -> list[tuple[str, str]]:
    """Each file of ours and what it has to say, "" for not being there."""
    lines = list(rules(host, desired)) if requested(section) else []
    lines = lines if any(not line.startswith("#") for line in lines) else []
    foreign = [
        name
        for name in host.list_directory(FOLDER)
        if name.endswith(".rules") and f"{FOLDER}/{name}" not in (RULES, REST)
    ]
    head = f"# {WRITTEN_BY}\n"
    return [
        (RULES, head + "".join(f"{line}\n" for line in lines) if lines else ""),
        (REST, head + "allow perm=any all : all\n" if lines and not foreign else ""),
    ]


def rules(host: Host, desired: Desired) -> Iterator[str]:
    """The rules: what waivers let through, then what is denied. A path may be a program's or a folder's; it is both."""
    from .. import protected  # only a host that needs rules pays for it

    homes = sorted(user.home for user in host.list_users())
    allowed: dict[str, None] = {}
    denied: list[str] = []
    for place in sorted(desired.paths):
        services = desired.enforced(desired.paths[place])
        exceptions = [e for service in services for e in desired.services[service].get("exceptions", ())]
        for path in [home + place[1:] for home in homes] if place.startswith("~/") else [place]:
            if not services or protected.path(path, homes):
                continue
            if not PLAIN.fullmatch(path):
                yield f"# cannot be written as a rule: {path!a}"
            elif versions := [e["waiver"] for e in exceptions if "versions" in e]:
                yield f"# not denied, since waiver {versions[0]} permits a version: {path}"
            else:
                for exception in exceptions:
                    allowed.update(dict.fromkeys(_let_through(host, exception, path)))
                denied += [
                    f"deny_syslog perm=execute {who} : {what}"
                    for who in _denied_to(host, desired, services)
                    for what in _objects(path)
                ]
    yield from allowed
    yield from denied


def _denied_to(host: Host, desired: Desired, services: list[str]) -> list[str]:
    """Whom some services are denied to: all, or the users for whom alone they are restricted."""
    if desired.for_everybody(services):
        return ["all"]
    return _numbered(host, {name for service in services for name in desired.services[service]["only"]["users"]})


def _numbered(host: Host, names: Iterable[str]) -> list[str]:
    """Some users, as subjects of rules."""
    numbers = {number for name in names if (number := host.find_user_id(name)) is not None}
    return [f"uid={number}" for number in sorted(numbers)]


def _let_through(host: Host, exception: PartialWaiver, path: str) -> Iterator[str]:
    """What a waiver lets through of a path: for its users, or for all; the whole, or the paths that it names."""
    subjects = _numbered(host, exception["users"]) if "users" in exception else ["all"]
    for place in filter(PLAIN.fullmatch, exception.get("paths", [path])):
        yield from (f"allow perm=execute {who} : {what}" for who in subjects for what in _objects(place))


def _objects(path: str) -> tuple[str, str]:
    return f"path={path}", f"dir={path}/"


def differs(host: Host, path: str, text: str) -> str:
    """What is wrong with one of our files, in a few words; "" if nothing is."""
    if not text:
        return "left over: there is nothing to deny any more" if host.has_traces(path) else ""
    try:
        now = host.read_text(path)
    except ControlError as error:
        return str(error)
    return "missing" if now is None else "" if now == text else "does not say what this plan calls for"


def _lets_all_pass(host: Host) -> str:
    """The rule before all of ours that lets everybody start everything; "" for none. The first one that fits counts."""
    ours = {line for line in (host.read_text(RULES) or "").splitlines() if line and not line.startswith("#")}
    for line in (host.read_text(COMPILED) or "").splitlines():
        words = line.split()
        if line in ours:
            break
        if words and words[0].startswith("allow") and words[-3:] == ["all", ":", "all"] and "perm=open" not in words:
            return line
    return ""


def in_force(host: Host) -> bool:
    """Whether the rules that fapolicyd reads have all of ours, as fagenrules would put them there."""
    compiled = set((host.read_text(COMPILED) or "").splitlines())
    ours = (host.read_text(RULES) or "").splitlines()
    return all(line in compiled for line in ours if line and not line.startswith("#"))
