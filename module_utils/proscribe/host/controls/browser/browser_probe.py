"""Probe of the effect, on request only: the browsers of this host try to open a name that they have to refuse.

Each browser is started without a window, as a transient user (system/transient_user.py), with a new profile. It
opens the refused name and a control name, which shows that the browser works at all. Both names lead to a listener on
this host, so no connection leaves the host. This is the only observation that writes: it makes the home of that user,
and removes the home afterwards.
"""

from __future__ import annotations

import json
import stat
import time
from typing import TYPE_CHECKING, Callable, Iterator, Sequence

from ....base.named_tuple import NamedTuple
from ....model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict, judge_rule
from ...system import ControlError, Host, ObservationError
from ...system.listener import Listener
from ...system.transient_user import TransientUser, make_transient_user
from . import browser_forks
from .browser_forks import PROGRAM_DIRECTORIES
from .chromium_folder import ChromiumPolicyFolder
from .host_controls import make_desired
from .policy_places import PolicyPlace, list_places
from .site_rules import NO_RULES, SiteName

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

RULE_NAME = "browser/probe"
CONTROL_NAME = SiteName("control.invalid")  # nobody can register this name (RFC 2606), and no list has it
START_TIMEOUT_SECONDS = 40  # for one start; a browser takes 1 to 4 seconds, but far more on a busy host
SETTLE_SECONDS = 2.0  # time for Firefox's first page, after the second page (requested later) has connected
# A browser that does not report its end gets this multiple of the control name's time for the refused name.
TIME_FACTOR = 4
# With this lock of the developer tools, Chromium (156) never prints a page, and reports no error.
TOOLS_POLICY, TOOLS_BLOCKLIST_POLICY, TOOLS_LOCKED = (
    "DeveloperToolsAvailability",
    "DeveloperToolsAvailabilityBlocklist",
    2,
)
# Chromium's message for each of its internal connections that the listener does not answer.
EXPECTED_NOISE = "handshake failed"
# Only the package system can start these programs.
PACKAGED_PREFIXES = ("/snap/", "/var/lib/flatpak/", "/var/lib/snapd/")


class ProbeCandidate(NamedTuple):
    """Installed browser to probe."""

    place: PolicyPlace
    binary: str  # path of the program, or the folder of its flatpak or snap


class ProbeOutcome(NamedTuple):
    """Outcome of one start of a browser."""

    state: str  # COMPLIANT, NONCOMPLIANT or UNKNOWN
    detail: str


def probe_browsers(host: Host, plan: Plan) -> RuleVerdict:
    """Start every installed browser, and judge whether it refuses a name that the plan blocks.

    The verdict has a finding for each browser, whatever the outcome. A browser takes some seconds.
    """
    section = plan["controls"]["browser"]
    refused_name = next(iter(make_desired(host, plan).rules.blocked_names), None)
    if refused_name is None:
        return RuleVerdict(RULE_NAME, NOT_APPLICABLE, reason="no site is blocked")
    if not host.privileged:
        return RuleVerdict(RULE_NAME, UNKNOWN, reason="only root can start a browser as somebody else")
    outcomes = [(candidate, start_browser(host, candidate, refused_name)) for candidate in list_candidates(host, plan)]
    outcomes += [
        (candidate, ProbeOutcome(UNKNOWN, "only its own package system can start it"))
        for candidate in list_packaged_browsers(host, plan)
    ]
    if not outcomes:
        return RuleVerdict(RULE_NAME, NOT_APPLICABLE, reason="no browser is installed")
    return judge_outcomes(section, outcomes)


def list_candidates(host: Host, plan: Plan) -> Iterator[ProbeCandidate]:
    """Yield the installed browsers of the plan's places, and the forks that the catalogue does not have, each once."""
    known_places = list_places(host, plan)
    programs = [(place, _find_program(host, path)) for place in known_places if place.has_sites for path in place.paths]
    # A program in a directory of commands mostly starts another of these programs, by its name or from its folder. So
    # such programs come last, and are left out if the program that they start is already a candidate.
    programs.sort(key=lambda place_program: place_program[1].rpartition("/")[0] in PROGRAM_DIRECTORIES)
    # names and folders of the programs of earlier candidates, and the policy files of these candidates
    started_names: set[str] = set()
    for place, binary in programs:
        folder, _, name = binary.rpartition("/")
        if binary and started_names.isdisjoint((name, folder, place.path if folder in PROGRAM_DIRECTORIES else folder)):
            started_names |= {name, folder, place.path} - set(PROGRAM_DIRECTORIES)
            yield ProbeCandidate(place, binary)
    for fork in browser_forks.find_forks(host, known_places).forks:
        if fork.policy_folder and _find_program(host, fork.binary):
            yield ProbeCandidate(fork.place, fork.binary)


def list_packaged_browsers(host: Host, plan: Plan) -> Iterator[ProbeCandidate]:
    """Yield the flatpaks and snaps of the plan's places that are installed for all users."""
    for place in list_places(host, plan):
        if place.has_sites:
            yield from (ProbeCandidate(place, directory) for directory in place.find_packages(host))


def _find_program(host: Host, path: str) -> str:
    """Return the file behind a path if it is a program that only root can change; "" if not.

    Programs of flatpaks and snaps give "", because only the package system can start them.
    """
    try:
        target = host.resolve_link(path)
        status = host.find_entry(target)
    except (ObservationError, ControlError):
        return ""
    if (
        status is None
        or not stat.S_ISREG(status.st_mode)
        or not status.st_mode & 0o001  # users may not execute it
        or target.startswith(PACKAGED_PREFIXES)
    ):
        return ""
    return "" if host.describe_write_access(target, status) else target


def start_browser(host: Host, candidate: ProbeCandidate, refused_name: SiteName) -> ProbeOutcome:
    """Start a browser as a transient user, and judge which of the two names it opens.

    If the start fails, the outcome is UNKNOWN with the reason.
    """
    try:
        visit_names = _choose_visit(host, candidate.place)
        with Listener() as listener, make_transient_user(host) as transient_account:
            complaint = visit_names(transient_account, candidate.binary, listener, refused_name)
            return judge_connections(
                refused_name, listener.count_hits(refused_name.host), listener.count_hits(CONTROL_NAME.host), complaint
            )
    except (ControlError, ObservationError) as error:
        return ProbeOutcome(UNKNOWN, str(error))


def _choose_visit(host: Host, place: PolicyPlace) -> Callable[[TransientUser, str, Listener, SiteName], str]:
    """Return the function that opens the two names in the browsers of a place, and returns the last error message.

    A Chromium whose developer tools are locked by a policy gets another function, because it cannot print a page.
    """
    if place.family != "chromium":
        return _open_in_firefox
    folder = ChromiumPolicyFolder(host, place, NO_RULES)
    is_locked = folder.find_source(TOOLS_POLICY)[1] == TOOLS_LOCKED or folder.list_effective_texts(
        TOOLS_BLOCKLIST_POLICY
    )
    return _open_in_chromium_by_time if is_locked else _open_in_chromium


def judge_connections(refused_name: SiteName, hits: int, control_hits: int, complaint: str) -> ProbeOutcome:
    """Return the outcome from the numbers of connections to the refused name (`hits`) and to the control name.

    If the browser opened neither name, it may not work at all: then the outcome is UNKNOWN. `complaint` is the
    browser's last error message; "" for none.
    """
    if hits:
        return ProbeOutcome(NONCOMPLIANT, f"{refused_name} was opened")
    if control_hits:
        return ProbeOutcome(COMPLIANT, f"{refused_name} was refused, another name was opened")
    message = "nothing was opened, not even a name that no list has"
    return ProbeOutcome(UNKNOWN, f"{message}: {complaint}" if complaint else message)


def judge_outcomes(section: PlanSection, outcomes: Sequence[tuple[ProbeCandidate, ProbeOutcome]]) -> RuleVerdict:
    """Return the verdict on all starts, with a finding for each browser."""
    findings = [
        Finding(
            "browser",
            candidate.binary.rpartition("/")[2],
            manager=candidate.place.id,
            path=candidate.binary,
            detail=candidate_outcome.detail,
        )
        for candidate, candidate_outcome in outcomes
    ]
    open_findings = [
        finding
        for finding, (_, candidate_outcome) in zip(findings, outcomes)
        if candidate_outcome.state == NONCOMPLIANT
    ]
    silent_reasons = [
        f"{candidate.binary}: {candidate_outcome.detail}"
        for candidate, candidate_outcome in outcomes
        if candidate_outcome.state == UNKNOWN
    ]
    # No drift, because enforcement corrects only files, and other rules judge the faults of files.
    return judge_rule(RULE_NAME, {"mode": section["mode"]}, open_findings, "; ".join(silent_reasons))._replace(
        findings=tuple(findings), drifted=False
    )


def _open_in_chromium(transient_account: TransientUser, binary: str, listener: Listener, refused_name: SiteName) -> str:
    """Open the names in Chromium one after the other, and return its last error message.

    Without a window, Chromium opens one name, prints the page and ends.
    """
    argv = [*_make_chromium_command(transient_account, binary, listener), "--dump-dom"]
    for name in (refused_name, CONTROL_NAME):
        with transient_account.run_program([*argv, _format_url(name)], START_TIMEOUT_SECONDS, {}) as process:
            process.wait()
    return transient_account.read_last_error(EXPECTED_NOISE)


def _open_in_chromium_by_time(
    transient_account: TransientUser, binary: str, listener: Listener, refused_name: SiteName
) -> str:
    """Open the names in a Chromium that cannot print a page, and return its last error message.

    Such a Chromium does not end after a page. So a name counts as refused if no connection comes in time. The refused
    name gets far more time than the control name needed. The time of the control name includes the creation of the
    profile.
    """
    argv = _make_chromium_command(transient_account, binary, listener)
    control_seconds = _measure_connection(
        transient_account, [*argv, _format_url(CONTROL_NAME)], listener, CONTROL_NAME, START_TIMEOUT_SECONDS
    )
    if listener.count_hits(CONTROL_NAME.host):
        _measure_connection(
            transient_account,
            [*argv, _format_url(refused_name)],
            listener,
            refused_name,
            min(SETTLE_SECONDS + TIME_FACTOR * control_seconds, START_TIMEOUT_SECONDS),
        )
    return transient_account.read_last_error(EXPECTED_NOISE)


def _measure_connection(
    transient_account: TransientUser, argv: Sequence[str], listener: Listener, name: SiteName, max_seconds: float
) -> float:
    """Run a browser until it connects for a name, ends, or `max_seconds` pass, and return the seconds that passed."""
    start_time = time.monotonic()
    with transient_account.run_program(argv, START_TIMEOUT_SECONDS, {}) as process:
        while (
            process.poll() is None
            and not listener.count_hits(name.host)
            and time.monotonic() - start_time < max_seconds
        ):
            time.sleep(0.1)
    return time.monotonic() - start_time


def _make_chromium_command(transient_account: TransientUser, binary: str, listener: Listener) -> list[str]:
    """Return the command that starts Chromium without a window, so that every name leads to the listener."""
    switches = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    switches += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    switches += [f"--user-data-dir={transient_account.home}/profile"]
    switches += [f"--host-resolver-rules=MAP * {listener.address}:{listener.port}"]
    return [binary, *switches]


def _open_in_firefox(transient_account: TransientUser, binary: str, listener: Listener, refused_name: SiteName) -> str:
    """Open both names in tabs of Firefox, and return its last error message.

    The wait ends some time after the connection for the control name, which is the second tab.
    """
    # The preferences prevent connections of Firefox itself, and make the listener the address and port of every name.
    preferences = {
        "app.normandy.enabled": False,
        "app.update.enabled": False,
        "browser.aboutwelcome.enabled": False,
        "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "network.dns.forceResolve": listener.address,
        "network.proxy.type": 0,
        "network.socket.forcePort": f"443={listener.port};80={listener.port}",
        "toolkit.telemetry.enabled": False,
    }
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(setting)});\n" for key, setting in preferences.items()]
    transient_account.write_file("profile/user.js", "".join(lines))
    argv = [
        binary,
        "--headless",
        "--no-remote",
        "--profile",
        f"{transient_account.home}/profile",
        _format_url(refused_name),
        _format_url(CONTROL_NAME),
    ]
    with transient_account.run_program(argv, START_TIMEOUT_SECONDS, {"MOZ_CRASHREPORTER_DISABLE": "1"}) as process:
        while process.poll() is None and not listener.count_hits(CONTROL_NAME.host):
            time.sleep(0.1)
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and not listener.count_hits(refused_name.host):
            time.sleep(0.1)
    return transient_account.read_last_error()


def _format_url(name: SiteName) -> str:
    return f"https://{name.host}{name.path or '/'}"
