"""Observation of `apps` on a Windows host: installed, running and started programs, and app packages.

A running program is known by its image name (the file name of the program). `tasklist` prints no path, `tasklist /v`
would print the titles of users' windows, and `wmic` no longer exists. If programs of others have the image name, too,
the host's other notes of such a program decide. A program that a user has started before may be gone by now. Then the
service's rule is unknown, with the program as a finding. The rule is not observable if the catalogue lacks identifiers
to search for.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from ...host.system.types import escape_text
from ...model.finding import (
    COMPLIANT,
    NO_IDENTIFIERS_REASON,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    UNKNOWN,
    Finding,
    RuleVerdict,
    judge_rule,
    limit_to_observable,
)
from ...model.types.plan import PlanEntry, PlanSection
from .answer_reader import WindowsAnswer
from .installed_programs import InstalledProgram, WindowsSoftware, extract_program_path, strip_volume
from .store_packages import WINDOWS_MANAGER
from .windows_catalogue import (
    BY_IMAGE_DETAIL,
    SHARED_IMAGE_REASON,
    ServiceMatch,
    WindowsCatalogue,
    find_program_folder,
)

NO_IMAGE_REASON = "the catalogue has no image name of it, so nobody knows whether it runs"
NO_INSTALLER_REASON = "the catalogue does not have what its installer registers"
NO_STORE_APP_REASON = "the catalogue has no package name of its app of the Microsoft Store"
NO_TASKS_REASON = "the programs that run cannot be listed there"
NO_SCRIPTS_REASON = "names of programs have letters that do not come through that host's code page"
STARTED_DETAIL = "a user has started it"
STARTED_REASON = "whether a program that a user has started is still there is not known"
SAME_NAME_DETAIL = "the catalogue has no app package of it"
SAME_NAME_REASON = "whether an app package that is called as it is one of its own is not known"


class ServiceEvidence(NamedTuple):
    """The evidence of a service on a host.

    A doubtful finding is a trace or a similar name, which proves nothing. It has the reason of the doubt.
    """

    findings: list[Finding]
    doubtful_findings: list[tuple[Finding, str]]
    folders: list[str]  # folders of the programs in `findings`

    def add_program(self, program: InstalledProgram, match: ServiceMatch, *, is_trace: bool = False) -> None:
        """Add a finding for a program, unless it lies in the folder of a program that is already a finding.

        With `is_trace`, the host only has a note that a user started the program before. Then the finding is doubtful,
        because the program may be gone.
        """
        if program.program and any(strip_volume(program.program).startswith(folder) for folder in self.folders):
            return
        detail = ", ".join(filter(None, (STARTED_DETAIL if is_trace else "", match.detail)))
        finding = program.make_finding(detail, "file" if is_trace else "package")
        if is_trace or match.doubt:
            self.doubtful_findings.append((finding, STARTED_REASON if is_trace else match.doubt))
            return
        self.findings.append(finding)
        self.folders.extend(filter(None, [find_program_folder(program)]))


def observe_apps(section: PlanSection, answer: WindowsAnswer, software: WindowsSoftware) -> list[RuleVerdict]:
    """Return a verdict for every service of the plan, from the software of the host and its running programs."""
    services = section["services"]
    catalogue = WindowsCatalogue(services)
    evidence: defaultdict[str, ServiceEvidence] = defaultdict(lambda: ServiceEvidence([], [], []))
    installed_folders = [(folder, program) for program in software.programs if (folder := find_program_folder(program))]
    for program in software.programs:
        for service_id, match in catalogue.find_services(program).items():
            evidence[service_id].add_program(program, match)
    # Programs of which only the path is known, with True for a mere trace.
    path_programs = [*((program, False) for program in software.path_programs)]
    path_programs += [(program, True) for program in software.started_programs]
    # Key: an image name that programs of others have, too. Value: the services of programs with a known path.
    services_by_known_image: defaultdict[str, set[str]] = defaultdict(set)
    for program, is_trace in path_programs:
        program = _add_names_of_installation(program, installed_folders)
        matches = catalogue.find_services(program)
        for service_id, match in matches.items():
            evidence[service_id].add_program(program, match, is_trace=is_trace)
        services_by_known_image[extract_program_path(program.program).rpartition("\\")[2]].update(matches)
    for program in software.programs:
        image = extract_program_path(program.icon).rpartition("\\")[2]
        services_by_known_image[image].update(catalogue.find_services(program))
    for app in software.packages.apps:
        for service_id in dict.fromkeys(catalogue.list_services_of_app(app)):
            evidence[service_id].findings.append(app.make_finding())
        for service_id in catalogue.list_services_named_as(app):
            evidence[service_id].doubtful_findings.append((app.make_finding(SAME_NAME_DETAIL), SAME_NAME_REASON))
    # `image` is the file name of a running program.
    for image, pids in _group_running_tasks(answer).items():
        count_note = f" and {len(pids) - 1} more" if len(pids) > 1 else ""
        finding = Finding(
            "process", escape_text(image), WINDOWS_MANAGER, detail=f"pid {pids[0]}{count_note}, {BY_IMAGE_DETAIL}"
        )
        for service_id in catalogue.services_by_image.get(image.casefold(), ()):
            evidence[service_id].findings.append(finding)
        for service_id in catalogue.services_by_shared_image.get(image.casefold(), ()):
            # The host knows where programs of this name are, and none of them is this service.
            is_other = service_id not in services_by_known_image.get(image.casefold(), {service_id})
            if not is_other:
                evidence[service_id].doubtful_findings.append((finding, SHARED_IMAGE_REASON))
    return [
        _judge_service(f"apps/{service_id}", entry, evidence[service_id], answer, software)
        for service_id, entry in services.items()
    ]


def _add_names_of_installation(
    program: InstalledProgram, installed_folders: list[tuple[str, InstalledProgram]]
) -> InstalledProgram:
    """Return a program with the name and publisher of the installation in whose folder it lies.

    A program that has a publisher, or lies in no such folder, is returned as it is.
    """
    path = strip_volume(program.program)
    if program.publisher:
        return program
    return next(
        (
            program._replace(name=program.name or installation.name, publisher=installation.publisher)
            for folder, installation in installed_folders
            if path.startswith(folder)
        ),
        program,
    )


def _group_running_tasks(answer: WindowsAnswer) -> dict[str, list[int]]:
    """Return the process ids of the running programs, by image name."""
    pids_by_image: dict[str, list[int]] = {}
    for task in answer.tasks or ():
        pids_by_image.setdefault(task.image, []).append(task.pid)
    return pids_by_image


def find_catalogue_gaps(entry: PlanEntry) -> list[str] | None:
    """Return the kinds of identifiers without which a part of a service is not observable on Windows, as reasons.

    Returns [] if nothing is missing, and None if the catalogue has no Windows identifier of the service at all.
    """
    packages = entry.get("windows_packages", {})
    images, apps = entry.get("windows_processes") or entry.get("windows_shared_processes"), packages.get("appx")
    installers = entry.get("windows") or entry.get("windows_registered") or apps
    is_in_store = not apps and any(package.startswith("msstore:") for package in packages.get("winget", ()))
    if not (images or installers or is_in_store):
        return None
    # Key: the reason. Value: True if the reason applies.
    gaps = {
        NO_IMAGE_REASON: not images,
        NO_INSTALLER_REASON: not installers and not is_in_store,
        NO_STORE_APP_REASON: is_in_store,
    }
    return [reason for reason, is_lacking in gaps.items() if is_lacking]


def _judge_service(
    rule: str, entry: PlanEntry, evidence: ServiceEvidence, answer: WindowsAnswer, software: WindowsSoftware
) -> RuleVerdict:
    """Return the verdict on a service.

    Without findings, the rule is compliant only if nothing relevant was unseen. If the catalogue has no Windows program
    of the service and there is no finding, the rule does not apply.
    """
    gaps = find_catalogue_gaps(entry)
    if gaps is None and not evidence.findings and not evidence.doubtful_findings:
        # Other verdicts than compliant, such as `upcoming`, come from the plan alone and stay.
        verdict = judge_rule(rule, entry, ())
        reason = f"{NO_IDENTIFIERS_REASON}: the catalogue has no Windows program of it"
        return RuleVerdict(rule, NOT_APPLICABLE, reason=reason) if verdict.state == COMPLIANT else verdict
    registered_names = entry.get("windows_registered", {}).get("names", ())
    has_foreign_names = any(not name.isascii() for name in (*entry.get("names", ()), *registered_names))
    unseen_reasons = [
        *software.unseen_reasons,
        *(
            [software.packages.unseen_reason]
            if software.packages.unseen_reason and entry.get("windows_packages", {}).get("appx")
            else []
        ),
        *([NO_TASKS_REASON] if answer.tasks is None else []),
        *([NO_SCRIPTS_REASON] if has_foreign_names and software.lossy_keys else []),
    ]
    verdict = _judge_doubtful(rule, entry, evidence, "; ".join(unseen_reasons))
    return limit_to_observable(verdict, "; ".join(gaps or ()))


def _judge_doubtful(rule: str, entry: PlanEntry, evidence: ServiceEvidence, unseen_reason: str) -> RuleVerdict:
    """Return the verdict on the certain and the doubtful findings of a service.

    Doubtful findings alone make the rule unknown, unless a waiver covers them. `unseen_reason` is "" if nothing was
    unseen.
    """
    doubtful_findings = [finding for finding, _ in evidence.doubtful_findings]
    verdict, doubtful_verdict = (
        judge_rule(rule, entry, evidence.findings, unseen_reason),
        judge_rule(rule, entry, doubtful_findings),
    )
    # No doubtful finding counts: there is none, a waiver covers all, or the plan does not restrict the service now.
    if doubtful_verdict.state != NONCOMPLIANT:
        return judge_rule(rule, entry, [*evidence.findings, *doubtful_findings], unseen_reason)
    if verdict.state == NONCOMPLIANT:
        return verdict._replace(findings=(*verdict.findings, *doubtful_verdict.findings))
    doubt_reasons = dict.fromkeys(
        reason for finding, reason in evidence.doubtful_findings if finding in doubtful_verdict.findings
    )
    return RuleVerdict(
        rule, UNKNOWN, doubtful_verdict.findings, reason="; ".join(filter(None, (*doubt_reasons, verdict.reason)))
    )
