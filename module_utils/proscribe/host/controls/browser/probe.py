"""A probe of the effect itself, on request only: does a browser of this host open a name that it has to refuse?

Each browser is started without a window, as a transient user (system/make_transient_user.py), with a profile of its own. All
names lead to a listener on this host, so that nothing leaves it: neither the refused name, nor the one beside it, which
shows whether the browser works at all. This is the one observation that writes: the home of that user, which is gone
afterwards.
"""

from __future__ import annotations

import json
import stat
import time
from typing import TYPE_CHECKING, Callable, Iterator, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict, judge_rule
from ...system import ControlError, Host, ObservationError
from ...system.listener import Listener
from ...system.transient_user import TransientUser, make_transient_user
from . import forks
from .chromium_folder import Folder
from .forks import PATH
from .other_controls import make_desired
from .places import Place, places
from .rendering import NOTHING, Name

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

RULE = "browser/probe"
CONTROL = Name("control.invalid")  # a name that nobody can have (RFC 2606), and no list names
LIMIT = 40  # seconds for one start; a browser takes 1 to 4, but far more on a busy host
SETTLE = 2.0  # seconds that Firefox's first page gets beyond the second one, which was requested after it
TIMES = 4  # as long as the other name took, the refused one gets where the browser does not say that it is done.
# The developer tools' own lock, with which Chromium (156) never comes to print a page, and does not say so.
TOOLS, TOOLS_BY_SITE, LOCKED = "DeveloperToolsAvailability", "DeveloperToolsAvailabilityBlocklist", 2
# What Chromium says of every connection for its own purposes that the listener does not answer.
NOISE = "handshake failed"
PACKED = ("/snap/", "/var/lib/flatpak/", "/var/lib/snapd/")  # what only its own package system can start


class Candidate(NamedTuple):
    """A browser that is installed."""

    place: Place
    binary: str  # or the folder of its flatpak or snap


class Outcome(NamedTuple):
    """What came of a start."""

    state: str  # COMPLIANT, NONCOMPLIANT or UNKNOWN
    detail: str


def check_by_probe(host: Host, plan: Plan) -> RuleVerdict:
    """Start every browser that is installed, and say whether it refuses what the plan blocks.

    The verdict has a finding for each browser, whatever came of it. It takes some seconds a browser.
    """
    section = plan["controls"]["browser"]
    refused = next(iter(make_desired(host, plan).rules.block), None)
    if refused is None:
        return RuleVerdict(RULE, NOT_APPLICABLE, reason="no site is blocked")
    if not host.privileged:
        return RuleVerdict(RULE, UNKNOWN, reason="only root can start a browser as somebody else")
    outcomes = [(one, start(host, one, refused)) for one in candidates(host, plan)]
    outcomes += [(one, Outcome(UNKNOWN, "only its own package system can start it")) for one in packed(host, plan)]
    if not outcomes:
        return RuleVerdict(RULE, NOT_APPLICABLE, reason="no browser is installed")
    return verdict(section, outcomes)


def candidates(host: Host, plan: Plan) -> Iterator[Candidate]:
    """The browsers of the plan's places, and their relatives (forks), that are installed; each once."""
    known = places(host, plan)
    found = [(place, _program(host, path)) for place in known if place.sites for path in place.paths]
    # What stands where every command does mostly starts another one of them, by its name or from its place.
    found.sort(key=lambda one: one[1].rpartition("/")[0] in PATH)
    started: set[str] = set()
    for place, binary in found:
        folder, _, name = binary.rpartition("/")
        if binary and started.isdisjoint((name, folder, place.path if folder in PATH else folder)):
            started |= {name, folder, place.path} - set(PATH)
            yield Candidate(place, binary)
    for fork in forks.find_forks(host, known).forks:
        if fork.policies and _program(host, fork.binary):
            yield Candidate(fork.place, fork.binary)


def packed(host: Host, plan: Plan) -> Iterator[Candidate]:
    """The flatpaks and snaps of the plan's places that are installed for all users."""
    for place in places(host, plan):
        if place.sites:
            rooms = [f"/var/lib/flatpak/app/{id_}" for id_ in place.flatpaks] + [f"/snap/{id_}" for id_ in place.snaps]
            yield from (Candidate(place, room) for room in rooms if host.find_entry(room) is not None)


def _program(host: Host, path: str) -> str:
    """The file that a path leads to, if it is a program that only root can change; "" if not."""
    try:
        target = host.resolve_link(path)
        seen = host.find_entry(target)
    except (ObservationError, ControlError):
        return ""
    if seen is None or not stat.S_ISREG(seen.st_mode) or not seen.st_mode & 0o001 or target.startswith(PACKED):
        return ""
    return "" if host.describe_write_access(target, seen) else target


def start(host: Host, candidate: Candidate, refused: Name) -> Outcome:
    """Start one browser, and see what it opens."""
    try:
        visit = _redirect(host, candidate.place)
        with Listener() as listener, make_transient_user(host) as somebody:
            complaint = visit(somebody, candidate.binary, listener, refused)
            return outcome(refused, listener.count_hits(refused.host), listener.count_hits(CONTROL.host), complaint)
    except (ControlError, ObservationError) as error:
        return Outcome(UNKNOWN, str(error))


def _redirect(host: Host, place: Place) -> Callable[[TransientUser, str, Listener, Name], str]:
    """How the browsers of a place are sent to a name."""
    if place.family != "chromium":
        return _firefox
    folder = Folder(host, place, NOTHING)
    locked = folder.source(TOOLS)[1] == LOCKED or folder.effective(TOOLS_BY_SITE)
    return _chromium_by_time if locked else _chromium


def outcome(refused: Name, hits: int, control: int, complaint: str) -> Outcome:
    """What the connections for the two names mean; `complaint` is what the browser said."""
    if hits:
        return Outcome(NONCOMPLIANT, f"{refused} was opened")
    if control:
        return Outcome(COMPLIANT, f"{refused} was refused, another name was opened")
    words = "nothing was opened, not even a name that no list has"
    return Outcome(UNKNOWN, f"{words}: {complaint}" if complaint else words)


def verdict(section: PlanSection, outcomes: Sequence[tuple[Candidate, Outcome]]) -> RuleVerdict:
    """The verdict of all starts, with a finding for each browser."""
    findings = [
        Finding("browser", one.binary.rpartition("/")[2], manager=one.place.id, path=one.binary, detail=came.detail)
        for one, came in outcomes
    ]
    opened = [finding for finding, (_, came) in zip(findings, outcomes) if came.state == NONCOMPLIANT]
    silent = [f"{one.binary}: {came.detail}" for one, came in outcomes if came.state == UNKNOWN]
    # Enforcing corrects files, and what is wrong with those has rules of its own.
    return judge_rule(RULE, {"mode": section["mode"]}, opened, "; ".join(silent))._replace(
        findings=tuple(findings), drifted=False
    )


def _chromium(somebody: TransientUser, binary: str, listener: Listener, refused: Name) -> str:
    """Open one name after the other: without a window Chromium takes one, and ends when it has printed the page."""
    argv = [*_chromium_argv(somebody, binary, listener), "--dump-dom"]
    for name in (refused, CONTROL):
        with somebody.run_program([*argv, _url(name)], LIMIT, {}) as process:
            process.wait()
    return somebody.read_last_error(NOISE)


def _chromium_by_time(somebody: TransientUser, binary: str, listener: Listener, refused: Name) -> str:
    """The same where it cannot print a page, and so does not end: the refused name gets far longer than the other one,
    for which the browser has to make its profile first.
    """
    argv = _chromium_argv(somebody, binary, listener)
    took = _opened(somebody, [*argv, _url(CONTROL)], listener, CONTROL, LIMIT)
    if listener.count_hits(CONTROL.host):
        _opened(somebody, [*argv, _url(refused)], listener, refused, min(SETTLE + TIMES * took, LIMIT))
    return somebody.read_last_error(NOISE)


def _opened(somebody: TransientUser, argv: Sequence[str], listener: Listener, name: Name, seconds: float) -> float:
    """Run a browser until it has connected for a name, for some seconds at most; how many it took."""
    began = time.monotonic()
    with somebody.run_program(argv, LIMIT, {}) as process:
        while process.poll() is None and not listener.count_hits(name.host) and time.monotonic() - began < seconds:
            time.sleep(0.1)
    return time.monotonic() - began


def _chromium_argv(somebody: TransientUser, binary: str, listener: Listener) -> list[str]:
    switches = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    switches += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    switches += [f"--user-data-dir={somebody.home}/profile"]
    switches += [f"--host-resolver-rules=MAP * {listener.address}:{listener.port}"]
    return [binary, *switches]


def _firefox(somebody: TransientUser, binary: str, listener: Listener, refused: Name) -> str:
    """Open both names in tabs, and wait for the second one."""
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
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in preferences.items()]
    somebody.write_file("profile/user.js", "".join(lines))
    argv = [binary, "--headless", "--no-remote", "--profile", f"{somebody.home}/profile", _url(refused), _url(CONTROL)]
    with somebody.run_program(argv, LIMIT, {"MOZ_CRASHREPORTER_DISABLE": "1"}) as process:
        while process.poll() is None and not listener.count_hits(CONTROL.host):
            time.sleep(0.1)
        end = time.monotonic() + SETTLE
        while time.monotonic() < end and not listener.count_hits(refused.host):
            time.sleep(0.1)
    return somebody.read_last_error()


def _url(name: Name) -> str:
    return f"https://{name.host}{name.path or '/'}"
