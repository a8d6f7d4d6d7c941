"""What the backends with a real filter share: a resolver that has read our file, seen from both ends.

A backend describes itself as a `Filter`: the files, what makes the resolver read them, and where it answers then.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, AbstractSet, Callable, Mapping, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import Finding, RuleVerdict, judge_rule
from ...system import Host, ObservationError
from ...system.units import UNIT_DIRECTORY, find_foreign_files, is_suspended, read_unit_text
from . import rendering
from .desired import Desired, covering, service_verdicts
from .effect import WITNESS, Tried, of_filter
from .observed import RESOLV_CONF, STUBS, content, loopback, nameservers, queried_besides
from .question import GAVE_UP, TXT, WAITS, ask
from .rendering import Language

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection

Command = Sequence[str]


class Stage(NamedTuple):
    """Files that take effect together, and the commands about them."""

    files: Mapping[str, str]  # path -> text
    start: Sequence[Command]  # once they are written: the service reads them
    answers: Sequence[tuple[str, int]]  # addresses and ports that answer with the filter's digest then
    leave: Sequence[Command] = ()  # before they are deleted
    left: Sequence[Command] = ()  # and after
    exists: Sequence[str] = ()  # paths that `start` makes and that have to be there: links of enabled units


def restarting(unit: str, verb: str = "restart") -> list[Command]:
    """Have a unit start again, also one that was started often of late: systemd stops it, and then refuses to start it
    (StartLimitBurst=, systemd.unit(5)), which would leave the host without names.
    """
    return [("systemctl", "reset-failed", unit), ("systemctl", verb, unit)]


class Filter(NamedTuple):
    """A resolver of this host, as a filter."""

    manager: str  # of its findings: dnsmasq, unbound, ...
    file: str  # the path of the file with the names
    language: Language  # of that file
    stages: Callable[[str], Sequence[Stage]]  # all that has to be there for that text to be in effect
    # Has a tool read a candidate: the command, which gets the path as its last word, or what makes it of a path. ()
    # where no tool reads a file without using it.
    check: Command | Callable[[str], Command]
    units: Sequence[str]  # that its resolvers run in
    logs: str = ""  # the unit in whose journal it logs hits; "" if it logs none
    bypasses: Sequence[Finding] = ()  # bypasses that enforcing does not close
    routed: Sequence[tuple[str, str]] = ()  # (link, domain): what systemd-resolved asks a link's own servers
    # (link, domain): for these the filter itself asks a link's own servers, whatever its file has for wider names.
    lent: Sequence[tuple[str, str]] = ()
    # A link's own servers are asked for every name too, and the first answer counts. A foreign answer of a stub shows
    # nothing then, and a restart corrects nothing.
    is_raced: bool = False
    unseen: str = ""  # why that is not known
    openers: Sequence[tuple[str, str, str]] = ()  # lines of the organisation's own: (path, line, the name it opens)
    more: str = ""  # further lines of the file

    def render(self, desired: Desired) -> str:
        """The text of the file. Raises ControlError for a name that is none."""
        return rendering.text(self.language, desired) + self.more

    def checking(self, path: str) -> Command:
        """The command that has a tool read a candidate at a path; () for none."""
        if callable(self.check):
            return self.check(path)
        return (*self.check, path) if self.check else ()


def observe(
    host: Host, section: PlanSection, desired: Desired, filter_: Filter, leftovers: Sequence[Finding]
) -> list[RuleVerdict]:
    """Whether the filter is there, runs with this very file, and is what programs query. `leftovers` of other backends
    are reported with it. Raises ControlError, Unseen.
    """
    pattern = Finding("name", "", manager=filter_.manager, path=filter_.file)
    text = filter_.render(desired)
    current = host.read_text(filter_.file) or ""
    stages = filter_.stages(text)
    wrong = [finding for stage in stages for finding in amiss(host, filter_, stage)]
    names = desired.names
    idle, unseen = _idle(host, filter_, stages, text) if current == text else ("", "")
    if idle:
        wrong.append(Finding("resolver", filter_.manager, manager=filter_.manager, detail=idle))
    served = current == text and not idle and not unseen
    is_stub = any(address in STUBS for stage in stages for address, _ in stage.answers)
    effect = of_filter(host, desired, partial(_gives_up, host, stages), not is_stub) if served else Tried()
    blocked = (names if current == text else set(filter_.language.blocked.findall(current))) - {effect.opened}
    unseen = unseen or effect.unseen or filter_.unseen
    verdicts = service_verdicts(section, desired, blocked, pattern, idle or effect.idle, unseen)
    if served:  # a restart corrects nothing of what is wrong all the same
        verdicts = [verdict._replace(drifted=False) for verdict in verdicts]
    if filter_.logs and not idle:
        from . import hits  # a host without a filter has no use for it

        of = {f"dns/{id_}": set(names) - set(desired.left) for id_, names in desired.services.items()}
        counts = hits.count(host, filter_.logs, filter_.language.hit, of)
        verdicts = [verdict._replace(attempts=counts.get(verdict.rule, 0)) for verdict in verdicts]
    past = [*filter_.bypasses, *_routed(filter_, names), *_without_effect(filter_, effect), *_beside(host, text)]
    whole = judge_rule("dns/resolver", {"mode": section["mode"]}, [*wrong, *leftovers, *past], unseen)
    whole = whole._replace(drifted=whole.drifted and bool(wrong or leftovers))
    return [*(_with_openers(verdict, section, desired, filter_) for verdict in verdicts), whole]


def amiss(host: Host, filter_: Filter, stage: Stage) -> list[Finding]:
    """What of a stage is not on the disk as it should be."""
    found = []
    for path, text in stage.files.items():
        there = read_unit_text(host, path)
        if there != text:
            detail = "missing" if there is None else "changed"
            found.append(Finding("file", path, manager=filter_.manager, path=path, detail=detail))
    found += [
        Finding("unit", unit, manager="systemd", path=path, detail=f"overridden by {path}")
        for unit, path in overriding(host, stage)
    ]
    found += [
        Finding("unit", path.rpartition("/")[2], manager="systemd", path=path, detail="not enabled")
        for path in stage.exists
        if host.find_entry(path) is None
    ]
    return found


def overriding(host: Host, stage: Stage) -> list[tuple[str, str]]:
    """The files that somebody put before or beside the units of a stage, each with the unit."""
    units = [path.rpartition("/")[2] for path in stage.files if path.startswith(f"{UNIT_DIRECTORY}/")]
    return [(unit, path) for unit, paths in find_foreign_files(host, units).items() for path in paths] if units else []


def is_held(host: Host, filter_: Filter) -> bool:
    """Whether a process of a resolver that is silent is stopped. No busy host is so."""
    return any(is_suspended(host, unit) for unit in filter_.units)


def serves(host: Host, address: str, port: int, text: str, waits: Sequence[float] = WAITS) -> bool:
    """Whether the resolver there answers out of this very file. Raises Unseen if it is silent, each of `waits` long.

    systemd-resolved gives up on every question while no link is up, and then no name resolves at all: that is as good.
    """
    answer = ask(host, address, port, WITNESS, TXT, waits)
    if answer is None:
        return False
    return rendering.digest_in(text) in answer.texts or (answer.rcode in GAVE_UP and address in STUBS)


def serves_now(host: Host, address: str, port: int, text: str) -> bool:
    """The same, without patience: who is silent now may answer later."""
    try:
        return serves(host, address, port, text, WAITS[:1])
    except ObservationError:
        return False


def _idle(host: Host, filter_: Filter, stages: Sequence[Stage], text: str) -> tuple[str, str]:
    """Why the file has no effect, and why that is unknown; "" if it has, and if it is known."""
    for address, port in (where for stage in stages for where in stage.answers):
        try:
            if not serves(host, address, port, text):
                return f"{address} port {port} does not answer with what the file says", ""
        except ObservationError as silent:
            return (f"{silent} (stopped by a signal, or frozen)", "") if is_held(host, filter_) else ("", str(silent))
    return "", ""


def _gives_up(host: Host, stages: Sequence[Stage]) -> bool:
    """Whether systemd-resolved answers no question now."""
    queried = [where for stage in stages for where in stage.answers if where[0] in STUBS]
    answers = (ask(host, *where, WITNESS, TXT) for where in queried)
    return any(answer is not None and answer.rcode in GAVE_UP for answer in answers)


def _routed(filter_: Filter, names: AbstractSet[str]) -> list[Finding]:
    """Links whose own name servers are asked for a blocked name."""
    return [
        Finding("link", link, manager=filter_.manager, detail=f"its own name servers are asked for {domain}")
        for link, domain in filter_.routed
        if covering(domain, names) or any(name.endswith(f".{domain}") for name in names)
    ]


def _without_effect(filter_: Filter, effect: Tried) -> list[Finding]:
    finding = Finding("resolver", filter_.manager, manager=filter_.manager, detail=effect.idle)
    if effect.opened:
        finding = finding._replace(id=effect.opened, detail=f"the C library says {effect.leads} all the same")
    return [finding] if finding.detail else []


def _beside(host: Host, text: str) -> list[Finding]:
    """Resolvers of this host that programs ask besides the first one, and that do not answer out of the file."""
    servers = nameservers(content(host, RESOLV_CONF))[1:]
    others = [server for server in servers if loopback(server) and server not in STUBS]
    return [queried_besides(server) for server in others if not serves_now(host, server, 53, text)]


def _with_openers(verdict: RuleVerdict, section: PlanSection, desired: Desired, filter_: Filter) -> RuleVerdict:
    """The verdict, with the organisation's own lines that open what the service's rule blocks, and links that do."""
    id_ = verdict.rule.partition("/")[2]
    names = set(desired.services.get(id_, ())) - set(desired.left)
    found = [
        Finding(
            "line", name, manager=filter_.manager, path=path, detail=f"the organisation's own line opens it: {line}"
        )
        for path, line, name in filter_.openers
        if covering(name, names) and not covering(name, desired.through)
    ]
    found += [
        Finding("link", link, manager=filter_.manager, detail=f"its own name servers are asked for {domain}")
        for link, domain in filter_.lent
        if covering(domain, names | desired.through) in names
    ]
    if not found:
        return verdict
    judged = judge_rule(verdict.rule, section["services"][id_], [*verdict.findings, *found])
    return judged._replace(drifted=verdict.drifted)  # that line is theirs to take out
