"""What an audit does on a real host that is as an enforcing run left it."""

import json

import pytest
from proscribe.host.cache import CACHE_DIRECTORY
from proscribe.host.controls.apps.portable.scan_cache import MEMORY_DIRECTORY, MEMORY_PATH
from proscribe.wire.loader import MARK
from proscribe.wire.stream import BOOTSTRAP, REPLYING_PROGRAM, StreamPart, make_payload
from scheduled_machine import scheduled_machine
from streams import with_program
from unchanged_audit import NOT_LOADED

pytestmark = pytest.mark.whole_hosts

CALL = {"controls": [], "gate": "never", "will_correct": False, "watch": None}
LISTING = BOOTSTRAP.replace(" os._exit(0)", " print(*sys.modules, flush=True)\n os._exit(0)")


@pytest.fixture(scope="module")
def machine():
    with scheduled_machine("unchanged") as booted:
        booted.write(f"{MEMORY_DIRECTORY}/walk.json", "what an earlier release remembered")
        booted.proscribe("enforce")
        booted.proscribe("enforce")  # what the first one has done is seen, and cached
        yield booted


def audited(machine):
    """The record of an audit that only names code and plan, and the modules that it loaded."""
    code, _, plan = max(machine.run("ls", CACHE_DIRECTORY).split(), key=len).replace("-", " ", 1).rpartition("-")
    named = make_payload(StreamPart(code.split()[0], bytes), StreamPart(plan, bytes), CALL, with_content=False)
    stream = with_program(named, LISTING).decode("ascii")
    said = machine.run("python3", "-I", "-S", "-c", REPLYING_PROGRAM, stdin=stream).partition(MARK)[2].splitlines()
    return json.loads(said[0])["record"], {name.partition(".")[0] for name in said[1].split()}


def test_unchanged_host_is_compliant_and_loads_no_needless_module(machine):
    assert not machine.there(f"{MEMORY_DIRECTORY}/walk.json") and machine.there(MEMORY_PATH)
    record, loaded = audited(machine)
    assert (record["state"], record["errors"]) == ("compliant", []) and record["rules_evaluated"] > 100
    assert "proscribe" in loaded and loaded & NOT_LOADED.keys() == set()


def test_unchanged_audit_needs_no_answer_of_systemd(machine):
    """The host runs a resolver of its own and our units, of which systemd's notes say enough."""
    machine.run("mount", "--bind", "/bin/false", "/usr/bin/systemctl")
    try:
        assert audited(machine)[0]["state"] == "compliant"
    finally:
        machine.run("umount", "/usr/bin/systemctl")


def test_a_resolver_that_was_stopped_is_seen_all_the_same(machine):
    machine.run("systemctl", "stop", "dnsmasq")
    try:
        record = audited(machine)[0]
        wrong = [rule["rule"] for rule in record["rules"] if rule["state"] not in ("compliant", "not_applicable")]
        assert record["state"] != "compliant" and any(rule.startswith("dns/") for rule in wrong)
    finally:
        machine.run("systemctl", "start", "dnsmasq")
    assert audited(machine)[0]["state"] == "compliant"
