"""Runs one after the other in a directory of reports, and all that stands there afterwards: for whole outputs."""

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Any

from fleets import WAIVERS, WECHAT, answer, clean_answer, run, wechat
from proscribe.base.duration import parse_moment
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.collection.lift_results import collect_lift_results
from proscribe.controller.report.run_end import unfinished_runs
from proscribe.controller.report.run_end.lift_publication import publish_lift
from proscribe.controller.report.run_end.verdict_and_report import EndedRun, end_run
from proscribe.controller.report.storage import lift_file
from proscribe.controller.report.storage.journal import FILE, RunJournal
from proscribe.controller.report.storage.report_directory import ReportDirectory
from proscribe.controller.report.terminal import lift_summary
from proscribe.model.finding import RuleVerdict
from proscribe.model.removal_record import RemovedPackage
from recording import outline, read_value
from rich_runs import POLICIES
from watched_hosts import REQUEST, asking

HOSTS = ("web01", "web02", "web03", "web04")
BAD = answer(wechat(WECHAT), evaluated=["apps/line", "dns/line"])
GOOD = answer(evaluated=["apps/wechat", "browser/gmail", "firewall/telegram", "dns/line"])
EVENTS = {"journald": False, "syslog": False, "facility": "daemon", "send": "all", "limit": 12}
WHOLE = (".txt", "lift.json")  # files below a run's directory that are shown whole
REMOVED = [
    RemovedPackage("dpkg", "wechat", "4.0", "system", "wechat", "apt-get"),
    RemovedPackage("dpkg", "libwechat", "4.0", "system", "libwechat:i386", "apt-get", mark="auto"),
    RemovedPackage(
        "flatpak", "com.tencent.WeChat", "4", "system", "app/com.tencent.WeChat/x86_64/stable", source="flathub"
    ),
    RemovedPackage("pipx", "zoom-cli", "1.2", "user:alice", "zoom-cli", "", "/usr/bin/pipx", "/home/alice/p"),
    RemovedPackage("pip", "x-cli", "1.2", "user:alice", "X_cli", "user", "/usr/bin/python3"),
    RemovedPackage("deb", "line", "7", "system", "line"),
]


class Ends:
    """Runs that end a day apart."""

    def __init__(self, reports):
        self.reports = reports
        self.broken = []
        self.day = 0

    def run(self, hosts=HOSTS, mode="audit", **changes):
        self.day += 1
        date = f"2026-11-{self.day:02}"
        facts = {
            "id": f"{date.replace('-', '')}T003000Z-{mode}-1a2b", "started": f"{date}T00:30:00Z",
            "gate": dict.fromkeys(hosts, "incomplete"), "policies": POLICIES,
            "stale_after": {"usual": 3 * 86400, "hosts": {"web01": 60}}, "exports": ["prometheus"], "history": "sqlite",
            "waivers": WAIVERS, "left_out": [], "reports_keep": 6 * 86400, **changes,
        }  # fmt: skip
        return Collector(run(hosts, mode, **facts))

    def at(self, item):
        return {**item, "checked_at": f"2026-11-{self.day:02}T00:30:30Z"}

    def end(self, collector, failed=False):
        directory = ReportDirectory(self.reports / f"{collector.run['id']}.partial")
        return end_run(collector, directory, f"2026-11-{self.day:02}T00:31:00Z", failed, self.broken.append)

    def answered(self, collector, **answers):
        for host, item in answers.items():
            collector.answered(host, self.at(item))
        return collector


def story(reports):
    ends = Ends(reports)
    unseen = answer(RuleVerdict("apps/wechat", "unknown", reason="needs root"), evaluated=["dns/line"])
    twice = asking(REQUEST, {**REQUEST, "id": "fedcba9876543210", "user": "bob", "service": "line"})
    first = ends.answered(ends.run(), web01=BAD, web02=twice, web03=GOOD, web04=unseen)
    done = ends.end(first)
    yield from said(done)
    events = {**EVENTS, "file": str(reports / "events.log")}
    second = ends.run(baseline=done.directory, events=events, exports_fed=[], warnings=["old"])
    yield from said(ends.end(ends.answered(second, web01=BAD, web02=asking(REQUEST), web03=BAD), failed=True))
    part = ends.run(("web03",), limit="web03", left_out=["web01", "web02", "web04"], controls=["apps"])
    yield from said(ends.end(ends.answered(part, web03=clean_answer())))
    yield from said(ends.end(corrected(ends)))
    again = ends.answered(ends.run(), **dict.fromkeys(HOSTS[:3], GOOD), web04=unseen)
    yield from said(ends.end(again))
    yield from said(ends.end(ends.answered(ends.run(("other1", "web01"), inventory=["other"]), other1=BAD)))
    for mode in ("enforce", "audit"):
        killed(ends, mode)
    yield from map(
        str, (item.text for item in unfinished_runs.close_unfinished_runs(reports, "by-this-run", ends.broken.append))
    )
    yield from said(ends.end(ends.answered(ends.run(("web01", "web02")), web01=GOOD, web02=BAD)))
    yield lifted(ends)
    yield lifted_on_many()
    yield "\n".join(ends.broken)
    yield from files(reports)


def corrected(ends):
    collector = ends.answered(ends.run(mode="enforce"), **dict.fromkeys(HOSTS, BAD))
    collector.decided(
        {"hosts": list(HOSTS[:3]), "batches": [1, 2], "allow": {"apps": 3}, "set_aside": {"web04": "late"}}
    )
    for host in HOSTS[:2]:
        collector.began(host, "apps")
        collector.changed(host, "apps", {"actions": ["remove wechat 4.0"], "refused": []})
    collector.answered("web01", ends.at(clean_answer()))
    collector.unreachable("web02", "the cable is cut")
    collector.stopped("web02 cannot be reached")
    return collector


def killed(ends, mode):
    collector = ends.run(mode=mode)
    directory = ReportDirectory(ends.reports / f"{collector.run['id']}.partial")
    journal = RunJournal(directory.partial, collector.run)
    collector.store_event = journal.write_event
    ends.answered(collector, web01=BAD, web02=BAD, web03=clean_answer())
    collector.began("web01", "apps")
    if mode == "enforce":
        collector.changed("web01", "apps", {"actions": ["remove wechat 4.0"], "refused": []})
    collector.began("web02", "apps")
    journal.close()
    when = parse_moment(f"2026-11-{ends.day:02}T00:30:50Z").timestamp()
    os.utime(directory.partial / FILE, (when, when))


def lifted(ends: Ends):
    collector = ends.run(HOSTS[:3], mode="lift", directory=str(ends.reports / "lift.partial"))
    for host in HOSTS[:2]:
        collector.began(host, "apps")
        removed = [item._asdict() for item in (REMOVED if host == "web01" else REMOVED[:1])]
        collector.changed(host, "apps", {"actions": ["restore /opt/wechat"], "refused": [], "removed": removed})
    collector.failed("web02", "apps", "it is locked")
    collector.unreachable("web03", "no route")
    expected, heard = collector.expected, collector.host_states
    lift_file.write_lift(ends.reports, collector.run, heard, lift_summary.list_lifted_hosts(expected, heard))
    results = collect_lift_results(collector.run, expected, heard)
    ends.broken += publish_lift(collector.run, "2026-11-10T00:31:00Z", results)
    facts: Any = {
        "restore_command": "./proscribe enforce", "unserved_hosts": {"sw1": "is a network device"},
        "difference_file": "lift.json",
    }  # fmt: skip
    real, checked = (
        lift_summary.render_lifting(expected, heard, is_check=check, width=100, **facts) for check in (False, True)
    )
    return "\n".join([real, *(line for line in checked.splitlines() if line not in real)])


def lifted_on_many():
    """Return what a lift says of more hosts of each kind than it lists."""
    names = [f"{kind}{number:02}" for kind in ("far", "near") for number in range(11)]
    collector = Collector(run(names, "lift"))
    for host in names[11:]:
        package = {**REMOVED[0]._asdict(), "id": host, "name": host}
        refused = [{"rule": "dns/x", "subject": "a line", "reason": f"{host} has it"}]
        collector.changed(host, "dns", {"actions": ["delete block"], "removed": [package], "refused": refused})
    apart = {f"switch{number:02}": "is a switch" for number in range(11)}
    facts = {"is_check": False, "width": 100, "unserved_hosts": apart, "controls": ["dns"]}
    text = lift_summary.render_lifting(collector.expected, collector.host_states, **facts)
    return "\n".join(line for line in text.splitlines() if not re.search(r"\d[2-8]\b", line))


def said(done: EndedRun):
    """Return how a run ended and the files beside its report."""
    where = Path(done.directory)
    beside = [path.name for path in sorted(where.parent.glob("*.json*"))]
    gate = [*done.report["run"]["verdict"].values()][:3]
    yield f"{where.name} {tuple(done.verdict)} {done.report['warnings']} {gate} {beside}"


def files(reports):
    """List a directory with the modes of its files, and with the texts of those that are not a run's."""
    shown: dict = {}
    for path in sorted(reports.rglob("*")):
        name, mode = path.relative_to(reports), stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            yield f"{name} -> {path.readlink()}"
        elif path.is_dir():
            modes = (f"{item.name} {item.lstat().st_mode & 0o7777:o}" for item in sorted(path.iterdir()))
            yield f"{name} {mode:o}: {', '.join(modes)}"
        elif path.suffix == ".db":
            yield f"{name} {mode:o}"
        elif path.suffix != ".lock" and (path.parent == reports or path.name.endswith(WHOLE)):
            text = path.read_text(encoding="utf-8")
            values = [text] if path.suffix == ".json" else text.splitlines()
            yield f"{name} {mode:o}\n{outline([read_value(value) for value in values], shown)}"


def texts():
    umask = os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory() as reports:
            text = "\n".join(story(Path(reports))).replace(reports, "REPORTS")
    finally:
        os.umask(umask)
    return {"ends": text}
