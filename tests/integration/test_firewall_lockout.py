"""New firewall rules that cut the controller off undo themselves: on real hosts, over real SSH."""

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from machines import PROJECT, played
from made_plans import make_plan
from patience import BUSY, LONGEST, until
from proscribe.host.controls.firewall import boot_units, program

pytestmark = pytest.mark.whole_hosts
HOSTS = 3  # side by side
WITHIN = 60  # seconds, the default of proscribe_firewall_confirm_within: a busy controller confirms in less
# The mistake in the policy.
PARROT = """\
{{id: parrot, name: Parrot, category: instant_messaging, vendor: Example, audience: consumer, enforce: true,
 networks: [{subnet}], sources: [a test]}}
"""
# The mistake that gets the same past the host, made in a copy of the checkout: nothing passes before the refusals.
MISTAKE = """

_careful = render_ruleset


def render_ruleset(*arguments, **options):
    lines = _careful(*arguments, **options).splitlines(keepends=True)
    return "".join(line for line in lines if not line.endswith(" accept\\n") or "lo" in line)
"""


def plan(*networks):
    settings = {"dns_over_tls": "unmanaged", "management": [], "confirm_within": WITHIN}
    return make_plan("firewall", {"telegram": list(networks)}, settings=settings)


GOOD, OTHER = plan("203.0.113.0/24"), plan("198.51.100.0/24")


@contextlib.contextmanager
def checkout_with_the_mistake():
    with tempfile.TemporaryDirectory(prefix="proscribe-mistaken-") as directory:
        copy = Path(directory)
        for part in ("library", "module_utils", "action_plugins", "doc_fragments"):
            shutil.copytree(PROJECT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        with (copy / "module_utils/proscribe/host/controls/firewall/ruleset.py").open("a") as ruleset:
            ruleset.write(MISTAKE)
        yield copy


def lift(host):
    answer = host.call("host_firewall", {"plan": GOOD, "state": "absent"})
    assert not answer["failed"], answer
    assert host.run("find", "/etc", "/run", "/usr/libexec", "/var/lib", "-path", "*proscribe*") == ""
    assert host.run("nft", "list", "tables") == ""
    assert host.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "proscribe*") == ""


def table(host):
    return host.run("nft", "-s", "list", "table", "inet", "proscribe", check=False)


def boot_rule(host, of, checkout=PROJECT):
    """What an audit says of the rule firewall/boot."""
    record = host.call("compliance_state", {"plan": of}, checkout)["record"]
    return [f["detail"] for rule in record["rules"] if rule["rule"] == "firewall/boot" for f in rule["findings"]]


def rules_stay_once_a_new_connection_confirmed_them(host):
    answer = host.call("host_firewall", {"plan": GOOD})
    assert (answer["failed"], answer["changed"], "pending" in answer) == (False, True, False)
    assert "203.0.113.0/24" in table(host) and "203.0.113.0/24" in host.run("cat", boot_units.BOOT_FILE_PATH)
    for unit in (boot_units.LOAD_UNIT, boot_units.WATCH_UNIT):
        assert host.run("systemctl", "is-active", unit).strip() == "active"
        assert host.run("systemctl", "is-enabled", unit).strip() == "enabled"
    assert not host.there(program.CHANGE_DIRECTORY)
    assert "proscribe-rollback" not in host.run("systemctl", "list-timers", "--all")
    assert host.call("host_firewall", {"plan": GOOD})["changed"] is False and boot_rule(host, GOOD) == []
    assert (
        host.run("systemd-analyze", "verify", "--man=no", boot_units.LOAD_UNIT_PATH, boot_units.WATCH_UNIT_PATH) == ""
    )


def rules_that_cut_the_controller_off_take_themselves_back(host):
    host.call("host_firewall", {"plan": GOOD})
    before = host.run("nft", "list", "table", "inet", "proscribe")
    with checkout_with_the_mistake() as mistaken:
        controller = host.controller("host_firewall", {"plan": plan(host.subnet)}, mistaken)
        until(lambda: host.subnet in table(host))
        assert not host.answers(1)
        seconds = until(lambda: host.subnet not in table(host))
        print(f"taken back after {seconds:.1f} s")
        assert seconds < WITHIN + BUSY
        until(host.answers)
        answer = controller.answer()
        assert answer["failed"], answer
        assert "taken back at" in answer["msg"]
        assert host.run("nft", "list", "table", "inet", "proscribe") == before
        assert "203.0.113.0/24" in host.run("cat", boot_units.BOOT_FILE_PATH)
        details = boot_rule(host, plan(host.subnet), mistaken)
        assert [detail for detail in details if detail.startswith("the last change was taken back at")], details
    # What is in force is what this plan calls for, so nothing is wrong with it.
    assert boot_rule(host, GOOD) == []


def a_controller_that_dies_leaves_nothing_loaded(host):
    controller = host.controller("host_firewall", {"plan": GOOD})
    waiting = f"until ls {program.CHANGE_DIRECTORY}/pending-* >/dev/null 2>&1; do sleep 0.02; done"
    host.run("timeout", str(LONGEST), "sh", "-c", waiting)
    controller.kill()
    until(lambda: "203.0.113.0/24" in table(host))
    assert (
        not host.there(boot_units.BOOT_FILE_PATH)
        and "waits until its controller confirms it" in boot_rule(host, GOOD)[0]
    )
    seconds = until(lambda: table(host) == "")
    assert seconds < WITHIN + BUSY
    answer = host.call("host_firewall", {"plan": GOOD})
    assert [refusal["reason"] for refusal in answer["refused"] if "tried again" in refusal["reason"]]
    assert (answer["failed"], "203.0.113.0/24" in table(host)) == (False, True)
    assert not host.there(program.REVERT_LOG_PATH)


def a_reboot_before_the_confirmation_brings_back_what_was_confirmed(host):
    host.call("host_firewall", {"plan": GOOD})
    with tempfile.TemporaryDirectory() as checkout:
        for part in ("library", "module_utils", "doc_fragments"):  # and no action plugin, so that nobody confirms
            Path(checkout, part).symlink_to(PROJECT / part)
        answer = host.call("host_firewall", {"plan": OTHER}, Path(checkout))
    assert answer["pending"]["within"] == WITHIN
    until(lambda: "198.51.100.0/24" in table(host))
    host.reboot()
    assert "203.0.113.0/24" in table(host) and "198.51.100.0/24" not in table(host)
    assert host.run("systemctl", "is-active", boot_units.WATCH_UNIT).strip() == "active"
    until(host.answers)
    assert boot_rule(host, GOOD) == []


def a_policy_that_blocks_the_controllers_network_is_refused_before_the_host_is_touched(host):
    folder = host.directory / "policy"
    (folder / "catalog/instant_messaging").mkdir(parents=True)
    (folder / "catalog/instant_messaging/parrot.yml").write_text(PARROT.format(subnet=host.subnet))
    variables = {"proscribe_catalog_dirs": [str(folder / "catalog")], "ansible_become": False}
    done = host.playbook("enforce", variables, reports=folder / "reports")
    assert done.returncode != 0
    assert f"found '{host.subnet}', expected no network that contains {host.subnet.removesuffix('0/24')}" in done.stdout
    assert re.search(r"the address of host proscribe-lockout|this controller's own address", done.stdout)
    assert (table(host), host.there("/etc/proscribe"), host.there(program.PROGRAM_PATH)) == ("", False, False)


# The longest first: what is over sooner fills up the time.
STORIES = (
    rules_that_cut_the_controller_off_take_themselves_back,
    a_controller_that_dies_leaves_nothing_loaded,
    a_reboot_before_the_confirmation_brings_back_what_was_confirmed,
    rules_stay_once_a_new_connection_confirmed_them,
    a_policy_that_blocks_the_controllers_network_is_refused_before_the_host_is_touched,
)


@pytest.fixture(scope="module")
def futures(request):
    with played(request, "lockout", HOSTS, afterwards=lift) as stories:
        yield stories


@pytest.mark.parametrize("story", STORIES)
def test_no_change_of_the_firewall_locks_anybody_out(futures, story):
    futures[story].result()
