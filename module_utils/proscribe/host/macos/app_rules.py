"""Rules of `apps` on a Mac: applications by bundle identifier, packages of Homebrew, and running programs.

A running program that matches a service only by its file name is marked in the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Mapping, Sequence

from ...base.lazy_patterns import compile_pattern
from ...base.named_tuple import NamedTuple
from ...model.finding import COMPLIANT, NO_IDENTIFIERS_REASON, NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ..controls.apps.systems.brew import PACKAGE_DIRECTORIES
from ..system import ControlError, Host, ObservationError, escape_text
from .applications import HOMEBREW_PREFIXES, ApplicationScan, MacApplication, find_homebrew_packages, read_application

if TYPE_CHECKING:
    from ...model.types.plan import PlanEntry, PlanSection

NAME_ONLY_DOUBT = "known by its name alone"
MAX_READ_BUNDLES = 2000  # most applications of which an identifier is held in memory
_PS_COMMAND = ("/bin/ps", "-axo", "pid=,uid=,comm=")
MAX_PROGRAMS = 50_000
_MAX_PATH_CHARACTERS = 4096  # longer paths are left out
_LINE_PATTERN = compile_pattern(r" *([0-9]{1,9}) +(-?[0-9]{1,10}) +(/.*)")


class _MacProgram(NamedTuple):
    """Running process of a Mac, with the path of its executable."""

    pid: int
    uid: int
    path: str

    @property
    def bundle(self) -> str:
        """The outermost application that contains the program; "" for none."""
        start, separator, _ = self.path.partition(".app/")
        return f"{start}.app" if separator else ""


def judge_apps(host: Host, section: PlanSection, scan: ApplicationScan) -> list[RuleVerdict]:
    """Return a verdict of `apps` on every service, from installed and running programs of the Mac.

    `section` is the plan's section for the control. `scan` has the Mac's applications. Homebrew packages and running
    programs are listed here.
    """
    services = section["services"]
    services_by_bundle_id = _index_services(
        services, lambda entry: [bundle.casefold() for bundle in entry.get("bundle_ids", ())]
    )
    services_by_program = _index_services(services, lambda entry: entry["processes"])
    packages = {
        kind: _index_services(services, lambda entry: entry["packages"].get(kind, ()))  # noqa: B023
        for kind in PACKAGE_DIRECTORIES
    }
    findings_by_service: dict[str, list[Finding]] = {service_id: [] for service_id in services}
    unseen_reasons = list(scan.unseen_reasons)
    for bundle in scan.applications:
        for service in services_by_bundle_id.get(bundle.bundle_id.casefold(), ()):
            findings_by_service[service].append(bundle.make_finding())
    homebrew_findings, homebrew_failures = find_homebrew_packages(host, packages)
    for service, finding in homebrew_findings:
        findings_by_service[service].append(finding)
    unseen_reasons += homebrew_failures
    try:
        running = list_programs(host)
    except (ControlError, ObservationError) as error:
        running = []
        unseen_reasons.append(str(error))
    for service, finding in _find_running(
        host, running, scan.applications, services_by_bundle_id, services_by_program, packages
    ):
        findings_by_service[service].append(finding)
    unseen_reason = "; ".join(dict.fromkeys(unseen_reasons))
    return [
        _judge_service(service_id, entry, findings_by_service[service_id], unseen_reason)
        for service_id, entry in services.items()
    ]


def _index_services(
    services: Mapping[str, PlanEntry], list_identifiers: Callable[[PlanEntry], Iterable[str]]
) -> dict[str, list[str]]:
    """Return the ids of the services that have an identifier, by identifier.

    `list_identifiers` returns the identifiers in a service's entry, such as the names of its packages.
    """
    index: dict[str, list[str]] = {}
    for service_id, entry in services.items():
        for name in list_identifiers(entry):
            index.setdefault(name, []).append(service_id)
    return index


def _find_running(
    host: Host,
    programs: Iterable[_MacProgram],
    applications: Sequence[MacApplication],
    services_by_bundle_id: Mapping[str, list[str]],
    services_by_program: Mapping[str, list[str]],
    packages: Mapping[str, Mapping[str, list[str]]],
) -> list[tuple[str, Finding]]:
    """Return the running programs of restricted services as pairs (service id, finding).

    Several processes of one user from the same application give one finding. A program that only its file name
    identifies gets that doubt as detail. `packages` has service ids by kind and name of a Homebrew package.
    """
    bundle_ids = {mac_application.path: mac_application.bundle_id for mac_application in applications}
    # key: (service id, user id, path of the application, or of a program outside of applications)
    programs_by_key: dict[tuple[str, int, str], list[_MacProgram]] = {}
    doubts: dict[tuple[str, int, str], str] = {}
    for program in programs:
        services, doubt = _find_services(host, program, bundle_ids, services_by_bundle_id, packages), ""
        if not services:
            services, doubt = services_by_program.get(program.path.rpartition("/")[2], []), NAME_ONLY_DOUBT
        for service in services:
            key = (service, program.uid, program.bundle or program.path)
            programs_by_key.setdefault(key, []).append(program)
            doubts[key] = doubt
    findings = []
    for (service, uid, path), members in sorted(programs_by_key.items()):
        more_text = f" and {len(members) - 1} more" if len(members) > 1 else ""
        detail = ", ".join(filter(None, (f"pid {members[0].pid}{more_text}", doubts[service, uid, path])))
        name = escape_text(members[0].path.rpartition("/")[2])
        scope = f"user:{host.find_account(uid).name}"
        findings.append((service, Finding("process", name, "macos", "", scope, escape_text(path), detail)))
    return findings


def _find_services(
    host: Host,
    program: _MacProgram,
    bundle_ids: dict[str, str],
    services_by_bundle_id: Mapping[str, list[str]],
    packages: Mapping[str, Mapping[str, list[str]]],
) -> list[str]:
    """Return the ids of the services whose application or Homebrew package contains this running program.

    `bundle_ids` has the identifiers of applications by path; this function adds those that it reads, so each is read
    once.
    """
    if bundle := program.bundle:
        if bundle not in bundle_ids and len(bundle_ids) < MAX_READ_BUNDLES:
            bundle_ids[bundle] = _read_bundle_id(host, bundle)
        if services := services_by_bundle_id.get(bundle_ids.get(bundle, "").casefold()):
            return services
    for prefix in HOMEBREW_PREFIXES:
        for kind, kind_directory in PACKAGE_DIRECTORIES.items():
            path_prefix = f"{prefix}/{kind_directory}/"
            if program.path.startswith(path_prefix):
                return packages[kind].get(program.path[len(path_prefix) :].partition("/")[0], [])
    return []


def _read_bundle_id(host: Host, bundle: str) -> str:
    """Return the identifier of the application at the path `bundle`; "" if it has none or is unreadable."""
    try:
        mac_application = read_application(host, bundle)
    except (ControlError, ObservationError):  # the bundle may be in a place that only its user can read
        return ""
    return mac_application.bundle_id if mac_application else ""


def _judge_service(service_id: str, entry: PlanEntry, findings: Sequence[Finding], unseen_reason: str) -> RuleVerdict:
    """Judge one service.

    A Mac is never corrected, so the verdict does not count as drift. A service without any identifier for macOS is not
    applicable, unless it has findings. `unseen_reason` says why findings may be missing; "" if all was observed.
    """
    rule = f"apps/{service_id}"
    is_on_macos = entry.get("bundle_ids") or any(entry["packages"].get(kind) for kind in PACKAGE_DIRECTORIES)
    verdict = judge_rule(rule, entry, findings, unseen_reason if is_on_macos else "")
    if verdict.state == COMPLIANT and not is_on_macos:
        return RuleVerdict(
            rule, NOT_APPLICABLE, reason=f"{NO_IDENTIFIERS_REASON}: the catalogue has no application of it on macOS"
        )
    return verdict._replace(drifted=False)


def list_programs(host: Host) -> list[_MacProgram]:
    """Return the running programs as `ps` lists them. Raises ControlError if they cannot be listed."""
    programs = []
    for line in host.read_command_output(_PS_COMMAND, timeout=30).splitlines():
        parts = _LINE_PATTERN.fullmatch(line)
        if parts and len(parts[3]) <= _MAX_PATH_CHARACTERS:
            programs.append(_MacProgram(int(parts[1]), int(parts[2]), parts[3].rstrip()))
        if len(programs) > MAX_PROGRAMS:
            raise ControlError(f"more than {MAX_PROGRAMS:,} programs run")
    if not programs:
        raise ControlError("ps lists no program")  # ps itself runs, so an empty list is an error
    return programs
