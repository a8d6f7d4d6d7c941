"""New firewall rules that cut the controller off undo themselves: on a real host, over real SSH."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import require_root, require_tool
from machines import PROJECT, TOOLS, Machine, machine, until
from proscribe.controls.firewall import boot, program
from proscribe.plan import SCHEMA, sealed

pytestmark = pytest.mark.integration

NETWORK = "10.87.213"  # of the containers; the controller is in it
WITHIN = 10  # seconds, so that the tests need not wait for a minute

# The mistake, made in a copy of the checkout: nothing is let pass before the refusals.
MISTAKE = """

_careful = render


def render(*arguments, **options):
    lines = _careful(*arguments, **options).splitlines(keepends=True)
    return "".join(line for line in lines if not line.endswith(" accept\\n") or "lo" in line)
"""


def plan(*networks: str) -> dict[str, Any]:
    entry = {"name": "Telegram", "mode": "enforce", "networks": list(networks), "ports": []}
    settings = {"dns_over_tls": "unmanaged", "management": [], "confirm_within": WITHIN}
    section = {"mode": "enforce", "services": {"telegram": entry}, "settings": settings}
    return sealed({"schema": SCHEMA, "contact": "", "controls": {"firewall": section}})


GOOD, OTHER, MISTAKEN = plan("203.0.113.0/24"), plan("198.51.100.0/24"), plan(f"{NETWORK}.0/24")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    require_root()
    for tool in TOOLS:
        require_tool(tool)
    with machine("proscribe-lockout", NETWORK, tmp_path_factory.mktemp("lockout")) as made:
        yield made


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the mistake in it."""
    copy = tmp_path_factory.mktemp("mistaken")
    for part in ("library", "module_utils", "action_plugins", "doc_fragments"):
        shutil.copytree(PROJECT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "module_utils/proscribe/controls/firewall/ruleset.py").open("a") as ruleset:
        ruleset.write(MISTAKE)
    return copy


@pytest.fixture
def lifted(host: Machine) -> Iterator[Machine]:
    """The host, as if Proscribe had never been there, before and after."""
    yield host
    answer = host.call("host_firewall", {"plan": GOOD, "state": "absent"})
    assert not answer["failed"], answer
    left = host.run("find", "/etc", "/run", "/usr/libexec", "/var/lib", "-path", "*proscribe*")
    assert left == ""
    assert host.run("nft", "list", "tables") == ""
    assert host.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "proscribe*") == ""


def table(host: Machine) -> str:
    return host.run("nft", "-s", "list", "table", "inet", "proscribe", check=False)


def boot_rule(host: Machine, wanted: dict[str, Any], checkout: Path = PROJECT) -> list[str]:
    """What an audit says of the rule firewall/boot."""
    record = host.call("compliance_state", {"plan": wanted}, checkout)["record"]
    return [f["detail"] for rule in record["rules"] if rule["rule"] == "firewall/boot" for f in rule["findings"]]


def test_rules_are_kept_once_a_new_connection_confirmed_them(lifted: Machine) -> None:
    host = lifted
    answer = host.call("host_firewall", {"plan": GOOD})
    assert (answer["failed"], answer["changed"], "pending" in answer) == (False, True, False)
    assert "203.0.113.0/24" in table(host)
    assert "203.0.113.0/24" in host.run("cat", boot.FILE)
    for unit in (boot.UNIT_NAME, boot.WATCH_NAME):
        assert host.run("systemctl", "is-active", unit).strip() == "active"
        assert host.run("systemctl", "is-enabled", unit).strip() == "enabled"
    assert not host.there(program.RUN)
    assert "proscribe-rollback" not in host.run("systemctl", "list-timers", "--all")
    assert host.call("host_firewall", {"plan": GOOD})["changed"] is False
    assert boot_rule(host, GOOD) == []
    verify = host.run("systemd-analyze", "verify", "--man=no", boot.UNIT_FILE, boot.WATCH_FILE)
    assert verify == ""


def test_the_program_that_stays_on_a_host_is_sound_sh(tmp_path: Path) -> None:
    (tmp_path / "firewall").write_text(boot.program_text())
    done = subprocess.run([require_tool("shellcheck"), tmp_path / "firewall"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_check_mode_arms_nothing(lifted: Machine) -> None:
    host = lifted
    answer = host.controller("host_firewall", {"plan": GOOD}, PROJECT, "--check", "--diff").answer()
    assert (answer["failed"], answer["changed"]) == (False, True)
    assert f"write {boot.FILE}" in answer["actions"]
    assert (table(host), host.there(program.PATH), host.there(program.RUN)) == ("", False, False)


def test_rules_that_cut_the_controller_off_take_themselves_back(lifted: Machine, mistaken: Path) -> None:
    host = lifted
    host.call("host_firewall", {"plan": GOOD})
    before = host.run("nft", "list", "table", "inet", "proscribe")
    started = time.monotonic()
    controller = host.controller("host_firewall", {"plan": MISTAKEN}, mistaken)
    until(lambda: f"{NETWORK}.0/24" in table(host), 20)
    assert not host.answers(1)
    answer = controller.answer()
    assert answer["failed"], answer
    assert "taken back at" in answer["msg"]
    assert time.monotonic() - started < 60
    assert host.answers()
    assert host.run("nft", "list", "table", "inet", "proscribe") == before
    assert "203.0.113.0/24" in host.run("cat", boot.FILE)
    details = boot_rule(host, MISTAKEN, mistaken)
    assert [detail for detail in details if detail.startswith("the last change was taken back at")], details
    # What is in force is what this plan calls for, so nothing is wrong with it.
    assert boot_rule(host, GOOD) == []


def test_rules_that_cut_the_host_off_from_its_resolver_are_taken_back_at_once(lifted: Machine, mistaken: Path) -> None:
    host = lifted
    for command in (
        "link add made type veth peer name other",
        "link set made up",
        "link set other up",
        "addr add 198.51.100.1/24 dev made",
    ):
        host.run("ip", *command.split(" "))
    host.run("tee", "/etc/resolv.conf", stdin="nameserver 198.51.100.53\n")
    answer = host.call("host_firewall", {"plan": OTHER}, mistaken)
    host.run("ip", "link", "del", "made")
    assert (answer["failed"], "off from 198.51.100.53 port 53" in answer["msg"]) == (True, True), answer
    assert (table(host), host.there(boot.FILE)) == ("", False)


def test_a_controller_that_dies_leaves_nothing_loaded(lifted: Machine) -> None:
    host = lifted
    controller = host.controller("host_firewall", {"plan": GOOD})
    waiting = f"until ls {program.RUN}/pending-* >/dev/null 2>&1; do sleep 0.02; done"
    host.run("timeout", "30", "sh", "-c", waiting)
    controller.kill()
    until(lambda: "203.0.113.0/24" in table(host), 10)
    assert not host.there(boot.FILE)
    assert "waits until its controller confirms it" in boot_rule(host, GOOD)[0]
    seconds = until(lambda: table(host) == "", WITHIN + 5)
    assert seconds < WITHIN + 2
    answer = host.call("host_firewall", {"plan": GOOD})
    assert [refusal["reason"] for refusal in answer["refused"] if "tried again" in refusal["reason"]]
    assert (answer["failed"], "203.0.113.0/24" in table(host)) == (False, True)
    assert not host.there(program.TRACE)


def test_a_reboot_before_the_confirmation_brings_back_what_was_confirmed(lifted: Machine, tmp_path: Path) -> None:
    host = lifted
    host.call("host_firewall", {"plan": GOOD})
    for part in ("library", "module_utils", "doc_fragments"):  # and no action plugin, so that nobody confirms
        (tmp_path / part).symlink_to(PROJECT / part)
    answer = host.call("host_firewall", {"plan": OTHER}, tmp_path)
    assert answer["pending"]["within"] == WITHIN
    until(lambda: "198.51.100.0/24" in table(host), 10)
    host.reboot()
    assert "203.0.113.0/24" in table(host)
    assert "198.51.100.0/24" not in table(host)
    assert host.run("systemctl", "is-active", boot.WATCH_NAME).strip() == "active"
    until(host.answers, 10)
    assert boot_rule(host, GOOD) == []


def test_two_controllers_at_once_take_turns(lifted: Machine) -> None:
    host = lifted
    controllers = [host.controller("host_firewall", {"plan": wanted}) for wanted in (GOOD, OTHER)]
    answers = [controller.answer() for controller in controllers]
    assert [(answer["failed"], answer["changed"]) for answer in answers] == [(False, True)] * 2, answers
    last = [network for network in ("203.0.113.0/24", "198.51.100.0/24") if network in table(host)]
    assert len(last) == 1
    assert last[0] in host.run("cat", boot.FILE)
    assert not host.there(program.RUN)
