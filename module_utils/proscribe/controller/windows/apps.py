"""The rules of `apps` on a Windows host: what is registered as installed, which app packages there are, what runs, and
what users have started.

A program that runs is known by its image's name: `tasklist` prints no path, `tasklist /v` would print titles of users'
windows, and `wmic` is gone. A program that somebody has started may still be there, or not. Then a rule is unknown, and
names it. So is a rule of which the catalogue lacks what to look for.
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
)
from ...model.types.plan import PlanEntry, PlanSection
from .answer import Answer
from .catalogued import BY_IMAGE, Catalogued, folder_of
from .installed import Installed, Seen, below_volume
from .packages import MANAGER

NO_IMAGE = "the catalogue has no image name of it, so nobody knows whether it runs"
NO_INSTALLER = "the catalogue does not have what its installer registers"
STORE = "the catalogue has no package name of its app of the Microsoft Store"
NO_TASKS = "the programs that run cannot be listed there"
NO_SCRIPTS = "names in other scripts do not come through that host's code page"
WAS_STARTED = "a user has started it"
STARTED = "whether a program that a user has started is still there is not known"
CALLED = "the catalogue has no app package of it"
CALLED_SO = "whether an app package that is called as it is one of its own is not known"


class Evidence(NamedTuple):
    """What was found of a service: what is there, and what may be."""

    found: list[Finding]
    doubtful: list[Finding]
    folders: list[str]  # of what is there

    def add(self, one: Installed, doubt: str, *, started: bool = False) -> None:
        """Add a program, unless it lies in the folder of one that is there anyway."""
        if one.program and any(below_volume(one.program).startswith(folder) for folder in self.folders):
            return
        if started:
            self.doubtful.append(one.finding(", ".join(filter(None, (WAS_STARTED, doubt))), "file"))
            return
        self.found.append(one.finding(doubt))
        self.folders.extend(filter(None, [folder_of(one)]))


def observe(section: PlanSection, answer: Answer, seen: Seen) -> list[RuleVerdict]:
    """A verdict for every service of the plan."""
    services = section["services"]
    catalogued = Catalogued(services)
    evidence: defaultdict[str, Evidence] = defaultdict(lambda: Evidence([], [], []))
    for one in (*seen.programs, *seen.paths):
        for service, doubt in catalogued.services_of(one).items():
            evidence[service].add(one, doubt)
    for app in seen.packages.apps:
        for service in dict.fromkeys(catalogued.services_of_app(app)):
            evidence[service].found.append(app.finding())
        for service in catalogued.services_called_as(app):
            evidence[service].doubtful.append(app.finding(CALLED))
    for image, pids in _running(answer).items():
        more = f" and {len(pids) - 1} more" if len(pids) > 1 else ""
        finding = Finding("process", escape_text(image), MANAGER, detail=f"pid {pids[0]}{more}, {BY_IMAGE}")
        for service in catalogued.images.get(image.casefold(), ()):
            evidence[service].found.append(finding)
    for one in seen.started:
        for service, doubt in catalogued.services_of(one).items():
            evidence[service].add(one, doubt, started=True)
    return [_verdict(f"apps/{id_}", entry, evidence[id_], answer, seen) for id_, entry in services.items()]


def _running(answer: Answer) -> dict[str, list[int]]:
    """The programs that run, by image, each with its processes."""
    running: dict[str, list[int]] = {}
    for task in answer.tasks or ():
        running.setdefault(task.image, []).append(task.pid)
    return running


def lacking(entry: PlanEntry) -> list[str] | None:
    """What the catalogue lacks of a service to say that a host does not have it; None where it has nothing of it."""
    packages = entry.get("windows_packages", {})
    images, apps = entry.get("windows_processes"), packages.get("appx")
    installers = entry.get("windows") or entry.get("windows_registered") or apps
    in_store = not apps and any(one.startswith("msstore:") for one in packages.get("winget", ()))
    if not (images or installers or in_store):
        return None
    lacks = {NO_IMAGE: not images, NO_INSTALLER: not installers and not in_store, STORE: in_store}
    return [why for why, lacked in lacks.items() if lacked]


def _verdict(rule: str, entry: PlanEntry, evidence: Evidence, answer: Answer, seen: Seen) -> RuleVerdict:
    lacks = lacking(entry)
    if lacks is None and not evidence.found and not evidence.doubtful:
        verdict = judge_rule(rule, entry, ())
        why = f"{NO_IDENTIFIERS_REASON}: the catalogue has no Windows program of it"
        return RuleVerdict(rule, NOT_APPLICABLE, reason=why) if verdict.state == COMPLIANT else verdict
    named = any(not name.isascii() for name in entry.get("names", ()))
    unseen = [
        *seen.unseen,
        *([seen.packages.unseen] if seen.packages.unseen and entry.get("windows_packages", {}).get("appx") else []),
        *(lacks or ()),
        *([NO_TASKS] if answer.tasks is None else []),
        *([NO_SCRIPTS] if named and not answer.exact else []),
    ]
    return _in_doubt(rule, entry, evidence, "; ".join(unseen))


def _in_doubt(rule: str, entry: PlanEntry, evidence: Evidence, unseen: str) -> RuleVerdict:
    """The verdict by what is there. What only may be there makes it unknown, where no waiver covers that."""
    verdict, doubt = judge_rule(rule, entry, evidence.found, unseen), judge_rule(rule, entry, evidence.doubtful)
    if doubt.state != NONCOMPLIANT:
        return judge_rule(rule, entry, [*evidence.found, *evidence.doubtful], unseen)
    if verdict.state == NONCOMPLIANT:
        return verdict._replace(findings=(*verdict.findings, *doubt.findings))
    reasons = {STARTED: "file", CALLED_SO: "package"}
    why = [reason for reason, kind in reasons.items() if any(one.kind == kind for one in doubt.findings)]
    return RuleVerdict(rule, UNKNOWN, doubt.findings, reason="; ".join(filter(None, (*why, verdict.reason))))
