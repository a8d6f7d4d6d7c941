"""What follows from a plan is cached with it: an observation from the cache says the same as one that works it out."""

from __future__ import annotations

import copy
import datetime
import marshal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import browser, dns
from proscribe.host.run import observe
from proscribe.host.system import Host, Result
from proscribe.model import plan as plans

PROJECT = Path(__file__).resolve().parents[3]
TODAY = datetime.date(2026, 11, 25)
CLOCKS = ("checked_at", "duration_ms", "full_scan")


def made(catalogue: Catalogue, **restrictions: Any) -> dict[str, Any]:
    read = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return compile_plan(catalogue, read, [], TODAY)


def bare(host: Host, plan: dict[str, Any]) -> None:
    """Nothing is as it should be."""


def mixed(host: Host, plan: dict[str, Any]) -> None:
    """Browsers and hosts file are in line; something is installed, and lies about."""
    for action in (*browser.enforce(host, plan).actions, *dns.enforce(host, plan).actions):
        if action.verb == "write":
            action.apply()
    (Path(host.root) / "home/alice/Downloads").mkdir(parents=True)
    (Path(host.root) / "home/alice/Downloads/Telegram").write_bytes(b"\x7fELF")


def spoilt(host: Host, plan: dict[str, Any]) -> None:
    """What was in line has been tampered with."""
    mixed(host, plan)
    for path in ("etc/firefox/policies/policies.json", "etc/chromium/policies/managed/other.json"):
        (Path(host.root) / path).write_text('{"URLAllowlist": ["mail.google.com"], "policies": {}}')
    hosts = Path(host.root) / "etc/hosts"
    hosts.write_bytes(hosts.read_bytes()[300:] + b"192.0.2.7 web.whatsapp.com\n")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for directory in ("etc", "proc", "home/alice", "var/lib/dpkg", "usr/bin", "opt"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "var/lib/dpkg/status").touch()
    (tmp_path / "usr/bin/dpkg-query").touch(0o755)
    return Host(str(tmp_path), lambda argv, **_: Result(0, "ii \tmegasync\tmegasync\t5.0\n", ""))


def result_of(host: Host, plan: Any) -> dict[str, Any]:
    host.record_fields, host.state_savers = {}, []
    record, drifted = observe(host, plan)
    return {**{key: value for key, value in record.items() if key not in CLOCKS}, "drifted": drifted}


@pytest.mark.parametrize("observed", [bare, mixed, spoilt])
@pytest.mark.parametrize(
    "restrictions",
    [{}, {"tenants": {"google": ["example.org"], "microsoft": []}, "unmanaged_browsers": "audit"}],
    ids=["usual", "more"],
)
def test_what_is_kept_says_what_is_worked_out(
    host: Host,
    own_catalogue: Catalogue,
    observed: Callable[[Host, dict[str, Any]], None],
    restrictions: dict[str, Any],
) -> None:
    plan = made(own_catalogue, **restrictions)
    observed(host, plan)
    plainly = result_of(host, plan)
    follows: dict[str, Any] = {}
    assert result_of(host, plans.known(plan, follows)) == plainly
    assert follows
    stored = marshal.loads(marshal.dumps(follows))
    before = copy.deepcopy(stored)
    assert result_of(host, plans.known(plan, stored)) == plainly
    assert stored == before, "what is kept was changed, or something of it was worked out again under another name"


def test_a_plan_that_is_not_known_keeps_nothing_and_one_that_was_tampered_with_is_refused(
    host: Host, own_catalogue: Catalogue
) -> None:
    plan = made(own_catalogue)
    count = [0]

    def work_out() -> int:
        count[0] += 1
        return count[0]

    assert [plans.once(plan, "x", work_out), plans.once(plan, "x", work_out)] == [1, 2]
    known = plans.known(plan, {})
    section = known["controls"]["apps"]
    assert [plans.once(one, "x", work_out) for one in (known, section, plans.part_of(section, {}))] == [3, 3, 3]
    assert plans.canonical(known) == plans.canonical(plan)
    with pytest.raises(ValueError, match="digest"):
        observe(host, plans.known({**plan, "contact": "somebody else"}, {}))
