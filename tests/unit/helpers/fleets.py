"""Made runs, host records and fleets for the tests of the report."""

from proscribe.controller.report.text.shell_commands import RunCall
from proscribe.model.finding import Finding, RuleVerdict, judge_rule, make_host_record

DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64
PLATFORM = {"os": "debian", "version": "13", "kernel": "6.12.0", "architecture": "x86_64", "python": "3.13.5"}
ENFORCED = {"mode": "enforce"}
WECHAT = Finding("package", "wechat", manager="dpkg", version="4.0", scope="system")
PROCESS = Finding("process", "wechat", scope="pid:311 user:alice", path="/opt/wechat/wechat")
SERVICES = [f"service{number:03}" for number in range(118)]
WAIVERS = [
    {"id": "press-office", "status": "active", "expires": "2027-03-31T10:00:00Z", "hosts": ["web02"],
     "services": ["wechat"], "controls": ["apps"], "approved_by": "mei.chan",
     "reason": "answers readers of the ministry"},
    {"id": "old-project", "status": "expired", "expires": "2026-01-31T10:00:00Z", "hosts": ["web01"],
     "services": ["dropbox"], "controls": ["browser"], "approved_by": "bo.li", "reason": "hand-over of files"},
]  # fmt: skip


def run(hosts=("web01", "web02"), mode="audit", **changes):
    """What `compile_plans` says of a run over those hosts."""
    return {
        "id": f"20261125T003000Z-{mode}-1a2b", "playbook": (playbook := "enforce" if mode == "check" else mode),
        "command": RunCall(("./proscribe",), playbook, options=("-i", "inventory/prod")).make_document(), "mode": mode,
        "started": "2026-11-25T00:30:00Z", "catalog_version": "2026.11.1", "inventory": ["inventory/prod"], "limit": "",
        "gate": {}, "hosts": dict.fromkeys(hosts, DIGEST), "upcoming": [], "waivers": [], "warnings": [],
        "controls": ["apps", "browser", "firewall", "dns"], **changes,
    }  # fmt: skip


def answer(*verdicts, evaluated=(), digest=DIGEST, checked_at="2026-11-25T00:30:05Z", errors=(), **more):
    """What a host answers: these verdicts, and so many services more (by rule) that hold."""
    return make_host_record(
        plan_digest=digest, checked_at=checked_at, platform=PLATFORM,
        verdicts=[*verdicts, *(RuleVerdict(rule, "compliant") for rule in evaluated)], errors=errors, duration_ms=120,
        **more,
    )  # fmt: skip


def clean_answer(**changes):
    return answer(evaluated=["apps/wechat", "browser/gmail", "firewall/telegram"], **changes)


def wechat(*findings, entry=ENFORCED):
    return judge_rule("apps/wechat", entry, findings)


def no_policy(browsers=("chromium", "firefox"), services=SERVICES):
    """Return verdicts of a host without browser policies: each rule fails for one cause."""
    return [
        judge_rule(f"browser/{service}", ENFORCED, [
            Finding("policy", f"www.{service}.example", browser, path=f"/etc/{browser}/policies/managed/proscribe.json",
                    detail=f"and {index + 1} more: the file is not there") for browser in browsers
        ])
        for index, service in enumerate(services)
    ]  # fmt: skip
