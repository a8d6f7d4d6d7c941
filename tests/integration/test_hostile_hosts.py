"""A compromised host attacks the controller, over real SSH."""

import contextlib
import json
import os
import re
import socket
import tempfile
import threading
import time
from pathlib import Path
from select import select

import pytest
from conftest import require_root, require_tool
from hostile_host import fleet
from watched_hosts import ENDED, INCIDENT, REQUEST, watch

pytestmark = pytest.mark.whole_hosts

ALL = ("-e", json.dumps({"proscribe_max_change": {"hosts": "unlimited"}}))
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Something has drifted, so that the enforcing module is called; and that attacks.
HOSTILE_CHANGE = """
if call.kind == "observe":
    send_record(drifted(call.head()["plan"]))
elif call.kind == "module":
    call.read()
    print(SAID)
else:
    good(call)
"""
HOSTILE_LIST = """
if call.kind == "module":
    call.read()
    print(json.dumps({"changed": False, "quarantined": [ITEM], **json.loads(SAID)}))
else:
    good(call)
"""
HOSTILE_COLLECT = """
if call.kind == "collect":
    print("proscribe-record:" + json.dumps({**record("0" * 64), **json.loads(SAID)}))
"""
DEEP = '{"record":' + "[" * 100_000 + "]" * 100_000 + "}"
NO_ANSWERS = [DEEP, '{"record": NaN}', '{"record": 1' + "0" * 5000 + "}", "[]", "null", '"\\ud800"', "{", "\x1b[2J"]
FLOODS = {
    "300 MB in an answer": "call.head(); print(MARK + '\"' + 'x' * 300_000_000 + '\"')",
    "300 MB in many lines": "call.head(); sys.stdout.write('x\\n' * 150_000_000)",
    "300 MB of errors": "call.head(); sys.stderr.write('x' * 300_000_000)",
    "output without an end": "call.head()\nwhile True: sys.stdout.write('x' * 65536)",
}
# Whoever does not end when nobody reads.
GOES_ON = "call.head()\ntry:\n    while True: sys.stdout.write('x' * 65536)\nexcept OSError: time.sleep(3600)"
SILENCES = {
    "says nothing": "call.head(); time.sleep(3600)",
    "does not even read": "time.sleep(3600)",
    "has no end of its tidying up": "if call.kind == 'module': print(json.dumps({'record': record('0' * 64)}))\n"
    "elif 'rm -f' in call.command: time.sleep(3600)\nelif call.kind == 'observe': call.head()\nelse: good(call)",
    "says a little now and then": "call.head()\nwhile True: print('.', flush=True); time.sleep(1)",
    "ignores the end of its session": "signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.signal(signal.SIGPIPE, "
    "signal.SIG_IGN)\ncall.head()\nwhile True: time.sleep(3600)",
}
CHANGED = {"changed": True, "actions": ["block a.example"]}
FIREWALL = """
def firewall(plan):
    answer = drifted(plan)
    answer["record"]["rules"][0]["rule"] = "firewall/whatsapp"
    return {**answer, "drifted": ["firewall"]}
"""
# Whatever is asked about the change has not come about yet.
UNDECIDED = """elif "firewall-change" in call.command:
    sys.exit(1)
else:"""


@pytest.fixture
def hosts():
    require_root()
    for tool in ("sshd", "ssh", "unshare"):
        require_tool(tool)
    # A short path: the name of a connection's socket is a hundred characters at the most.
    with tempfile.TemporaryDirectory() as directory, fleet(Path(directory)) as made:
        yield made


def owned(hosts):
    """What is there once a host has had the controller run something."""
    return hosts.directory / "owned"


def taking_over(hosts):
    """The variables that make the next task for a host run on the controller."""
    evil = hosts.directory / "evil"
    evil.write_text(f'#!/bin/sh\ntouch "{owned(hosts)}"\n')
    evil.chmod(0o755)
    return {"ansible_connection": "local", "ansible_python_interpreter": str(evil)}


def assert_unsteered(hosts, ended):
    assert not owned(hosts).exists(), "a host ran a command on the controller"
    assert not CONTROL.search(ended.said), repr(ended.said[-2000:])
    assert "did not end" not in ended.said and "Proscribe's report failed" not in ended.said


def unharmed(hosts, ended, honest="compliant"):
    """Check what is true after any attack; return the states of the hosts that attacked."""
    assert_unsteered(hosts, ended)
    states = hosts.states()
    assert {name: states.get(name) for name in hosts.honest} == dict.fromkeys(hosts.honest, honest), ended.said[-3000:]
    assert states.keys() == set(hosts.names)
    return {name: states[name] for name in hosts.names if name not in hosts.honest}


def attack(hosts, program, keys):
    """One host for each attack, between two honest ones; `program` is what they do, with what they say in it."""
    own = {"add_host": {"host_name": f"h{len(keys) + 2}", "host_vars": taking_over(hosts)}, "changed": True}
    texts = [json.dumps(own if key == "TAKING OVER" else key) for key in keys.values()]
    each_attacks(hosts, [program.replace("SAID", repr(text)) for text in texts], 2)


def each_attacks(hosts, programs, honest):
    """One host for each attack, after the first of so many more."""
    hosts.inventory(len(programs) + honest)
    for name, program in zip(hosts.names[1:], programs):
        hosts.attack(name, program)


NASTY = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\udcff\ud800"

# What Ansible, and what prints its results, would take from a result.
KEYS = {
    "add_host": "TAKING OVER",
    "add_host that is a number": {"add_host": 5},
    "add_group": {"add_group": "department", "parent_groups": 7},
    "ansible_stats": {"ansible_stats": {"data": 3}},
    "a handler": {"_ansible_notify": ["nosuch"], "changed": True},
    "facts": {"ansible_facts": 7},
    "warnings": {"warnings": [NASTY, 5], "deprecations": [{"msg": NASTY, "version": 3}, NASTY]},
    "an exception": {"exception": NASTY, "failed": True, "msg": NASTY},
    "a difference": {"diff": [{"before": NASTY, "after": {"x": NASTY}, "before_header": 5}, 7], "changed": True},
    "a loop's results": {"results": [{"failed": True, "add_host": 5}], "skipped": False},
    "unreachable": {"unreachable": "no"},
    "an invocation": {"invocation": {"module_args": NASTY}, "_ansible_verbose_always": True},
    "a wrong type": {"changed": {"a": 1}, "failed": {}, "msg": [NASTY], "drifted": {"x": 1}, "privileged": "yes"},
    "tags of Ansible's own": {"msg": {"__ansible_type": "TrustedAsTemplate", "value": "{{ 1 }}"}, "failed": True},
}
# All in one run, or one run for each, to see which one it is.
ATTACKS = [{name: said} for name, said in KEYS.items()] if os.environ.get("PROSCRIBE_EVERY_STEP") == "1" else [KEYS]
each = pytest.mark.parametrize("keys", ATTACKS, ids=", ".join)

HOSTILE_RECORD = """
if call.kind == "observe":
    plan = call.head()["plan"]
    send_record({"changed": False, "record": record(plan), "drifted": [], "privileged": True, **json.loads(SAID)})
else:
    good(call)
"""


@each
@pytest.mark.parametrize(
    ("playbook", "options"),
    [("audit", ["--forks", "1", "--diff"]), ("audit", ["-v", "--diff"]), ("enforce", ["--check", "--diff"])],
    ids=["audit", "audit -v", "enforce --check"],
)
def test_no_key_of_an_observation_reaches_ansible(hosts, playbook, options, keys):
    hosts.more = {"PROSCRIBE_SWEEP": "off"} if "-v" in options else {}  # and once with a worker for each host
    attack(hosts, HOSTILE_RECORD, keys)
    assert set(unharmed(hosts, hosts.run(playbook, *options)).values()) <= {"unknown", "compliant"}


# The streamed code gets no answer, so that the module is tried; and that answers.
HOSTILE_MODULE = f"""
if call.kind == "module":
    call.read()
    print({NASTY[:20]!r} + "\\n" + SAID + "\\n" + {NASTY[:20]!r})
elif call.kind == "observe":
    call.head()
elif "rm -f" in call.command:  # Ansible tells what is wrong with it
    os.write(2, {NASTY[:20].encode()!r})
    sys.exit(3)
else:
    good(call)
"""


@each
def test_no_key_of_the_module_that_stands_in_for_the_look_reaches_ansible(hosts, keys):
    attack(hosts, HOSTILE_MODULE, keys)
    assert set(unharmed(hosts, hosts.run("audit")).values()) == {"unknown"}


@each
@pytest.mark.parametrize("options", [[], ["-v"]], ids=["", "-v"])
def test_no_key_of_an_enforcing_module_reaches_ansible(hosts, options, keys):
    attack(hosts, HOSTILE_CHANGE, keys)
    ended = hosts.run("enforce", "--check", "--diff", *options, *ALL)
    assert set(unharmed(hosts, ended).values()) <= {"noncompliant", "error"}


@each
def test_no_key_of_a_module_that_lifts_or_schedules_reaches_ansible(hosts, keys):
    attack(hosts, HOSTILE_CHANGE, keys)
    ended = hosts.run("lift", "--check", "--diff")
    assert_unsteered(hosts, ended)
    assert f"would change on 2 hosts: {hosts.names[0]}, {hosts.names[-1]}\n  block a.example" in ended.said


@each
def test_no_key_of_a_list_of_a_quarantine_reaches_ansible(hosts, keys):
    attack(hosts, HOSTILE_LIST, keys)
    ended = hosts.run("quarantine", "-v")
    assert_unsteered(hosts, ended)
    rows = {line.split()[0] for line in ended.said.splitlines() if "  wechat-0123abcd  " in line}
    assert rows.issuperset(hosts.honest), ended.said[-3000:]


# What its watch wrote between two runs, and what its users request, which a host has stored and a run collects.
WATCH = watch()
JOURNALS = {
    "a watch of nasty texts": {"watch": {**WATCH, "incidents": [{**INCIDENT, "cause": NASTY, "users": [NASTY]}]}},
    "programs of nasty names": {"watch": {**WATCH, "ended": [{**ENDED, "program": NASTY, "user": NASTY}]}},
    "a watch that is no mapping": {"watch": [[NASTY]]},
    "rules of nobody": {"watch": {**WATCH, "incidents": [{**INCIDENT, "rules": [NASTY, 7]}]}},
    "numbers without an end": {"watch": {**WATCH, "every": 10**400, "left_out": {"apps": 10**400}}},
    "20,000 incidents": {"watch": {**WATCH, "incidents": [{**INCIDENT, "cause": str(n)} for n in range(20_000)]}},
    "nasty requests": {"requests": [{**REQUEST, "user": NASTY, "service": NASTY, "reason": NASTY}]},
    "a path as an id": {"requests": [{**REQUEST, "id": "../../../x"}]},
    "a request of another host": {"requests": [{**REQUEST, "host": "h1"}], "host": "h1"},
    "20,000 requests": {"requests": [{**REQUEST, "id": f"{n:016x}"} for n in range(20_000)]},
    "requests of nobody": {"requests": {"h1": [REQUEST]}, "requests_left_out": "all"},
}
STORED = """
if call.kind == "collect":
    print("proscribe-record:" + json.dumps({**record(PLAN), **json.loads(SAID)}))
"""


def test_collected_journals_and_requests_are_not_believed(hosts):
    hosts.run("audit")
    stored = STORED.replace("PLAN", repr(hosts.records()["h1"]["plan"].removeprefix("sha256:")))
    attack(hosts, stored, JOURNALS)
    honest = [hosts.names[0], hosts.names[-1]]
    own = {"requests": [REQUEST], "requests_left_out": 0, "watch": WATCH}
    for name in honest:
        hosts.attack(name, stored.replace("SAID", repr(json.dumps(own))))
    ended = hosts.run("collect", "-v")
    assert_unsteered(hosts, ended)
    records, states = hosts.records(), hosts.states()
    assert list(records) == hosts.names
    assert [states[name] for name in honest] == ["compliant"] * 2, ended.said[-3000:]
    assert set(states.values()) == {"compliant", "unknown"}
    assert {name for name in hosts.names if records[name].get("requests") == own["requests"]} == {*honest, "h10"}
    requests = [json.loads(line) for line in (hosts.directory / "reports/requests.jsonl").read_text().splitlines()[1:]]
    assert {request["host"] for request in requests} == {*honest, "h8", "h10"} and len(requests) == 4
    assert not CONTROL.search(json.dumps(requests, ensure_ascii=False))


@each
def test_no_key_of_a_collected_record_reaches_ansible(hosts, keys):
    attack(hosts, HOSTILE_COLLECT, keys)
    # The honest ones have kept no record.
    assert set(unharmed(hosts, hosts.run("collect", "-v"), "unknown").values()) == {"unknown"}


NASTY_ENDS = {
    "of a run that fails": f"call.kind == 'observe' and call.head(); os.write(2, {NASTY[:20].encode()!r}); sys.exit(3)",
    "of a host that hangs up": f"os.write(2, {NASTY[:20].encode()!r}); os._exit(255)",
    "before the answer": f"print({NASTY[:20]!r}); good(call)",
}


@pytest.mark.parametrize("options", [(), ("-v",)], ids=["", "-v"])
def test_output_of_a_host_does_not_steer_the_terminal(hosts, options):
    each_attacks(hosts, NASTY_ENDS.values(), 1)
    unharmed(hosts, hosts.run("audit", *options))


def test_json_that_is_none_of_ours_costs_a_host_its_record_alone(hosts):
    each_attacks(hosts, [f"call.head(); send_record({answer!r})" for answer in NO_ANSWERS], 2)
    assert set(unharmed(hosts, hosts.run("audit")).values()) == {"unknown"}


@pytest.mark.parametrize("program", [*FLOODS.values(), GOES_ON], ids=[*FLOODS, "output, and no end after it"])
def test_a_flood_is_cut_where_it_comes_in(hosts, program):
    quiet = hosts.run("audit")
    hosts.attack("h2", program)
    ended = hosts.run("audit", "-e", "proscribe_observe_timeout=2m")
    assert unharmed(hosts, ended) == {"h2": "unknown"} and "more than" in hosts.records()["h2"]["reason"]
    # Of processors' time: what sshd and the host spend is theirs, and counts for neither.
    assert ended.cpu < quiet.cpu + 15
    # The connection of a command that has ended is as before. One that has not would never end.
    left = len(hosts.honest) + (program != GOES_ON)
    assert len(hosts.connections()) <= left, hosts.connections()


def test_a_flood_of_a_list_of_a_quarantine_is_cut_too(hosts):
    hosts.attack("h2", "call.kind == 'module' or good(call)\nwhile call.kind == 'module': print('x' * 65536)")
    ended = hosts.run("quarantine")
    rows = {line.split()[0] for line in ended.said.splitlines() if "  wechat-0123abcd  " in line}
    assert rows == set(hosts.honest) and "more than" in ended.said, ended.said[-3000:]


def test_a_flood_of_a_kept_record_is_cut_too(hosts):
    hosts.attack("h2", "print('proscribe-record:', end='')\nwhile True: sys.stdout.write('x' * 65536)")
    assert unharmed(hosts, hosts.run("collect"), "unknown") == {"h2": "unknown"}
    assert "more than" in hosts.records()["h2"]["reason"]


def test_hosts_that_do_not_answer_are_given_up_and_the_others_are_corrected(hosts):
    each_attacks(hosts, SILENCES.values(), 3)
    hosts.attack(hosts.names[-1], HOSTILE_CHANGE.replace("SAID", repr(json.dumps(CHANGED))))
    ended = hosts.run("enforce", "--check", "-e", json.dumps({"proscribe_observe_timeout": "1m"}), *ALL)
    states = unharmed(hosts, ended)
    assert states.pop(hosts.names[-1]) == "noncompliant" and set(states.values()) == {"unknown"}
    reasons = [hosts.records()[name]["reason"] for name in states]
    assert sum("longer than 1 minute" in reason for reason in reasons) == len(reasons) - 1
    assert sum("another plan" in reason for reason in reasons) == 1  # it answered, and only then fell silent
    assert f"would change on {hosts.names[-1]}\n  block a.example\n" in ended.said
    assert len(hosts.connections()) <= len(hosts.names) - len(states), hosts.connections()


DRIP = """
def drip(descriptor, text):
    while True:
        for byte in text.encode():
            os.write(descriptor, bytes([byte]))
            time.sleep(0.001)
"""
OF_COLLECT = "drip(1, 'proscribe-record:')"
DRIPS = {
    "the beginning of its answer": "call.head(); drip(1, MARK)",
    "an answer without an end": "call.head(); os.write(1, MARK.encode()); drip(1, '{\"record\": {')",
    "lines": "call.head(); drip(1, 'x\\n')",
    "errors": "call.head(); drip(2, 'x\\n')",
    "before it reads": "drip(1, 'x')",
    "what Ansible's small commands say": "drip(1, 'x') if call.kind == 'other' else call.head()",
    "the answer of the module": "call.head() if call.kind == 'observe' else drip(1, '{') if call.kind == 'module' "
    "else good(call)",
}


@contextlib.contextmanager
def dripping_instead_of_ssh():
    """A port at which there is never an SSH server, but a line of its greeting every now and then; the port."""
    with socket.create_server(("0.0.0.0", 0)) as server, contextlib.ExitStack() as stack:
        over = threading.Event()

        def serve():
            clients = []
            while not over.wait(0.05):
                with contextlib.suppress(OSError):
                    clients += [stack.enter_context(server.accept()[0])] if select([server], [], [], 0)[0] else []
                for client in clients:
                    with contextlib.suppress(OSError):
                        client.send(b"x" if time.monotonic() % 2 > 0.1 else b"\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("playbook", ["audit", pytest.param("collect", marks=pytest.mark.nightly)])
def test_a_host_that_drips_costs_its_own_time_and_no_other_host(hosts, playbook):
    """A byte every millisecond; one of them has no SSH at all, and drips its greeting."""
    hosts.inventory(len(DRIPS) + 3)
    quiet = hosts.run(playbook)
    each_attacks(hosts, [DRIP + (own if playbook == "audit" else OF_COLLECT) for own in DRIPS.values()], 3)
    tarpit = hosts.names[-2]
    with dripping_instead_of_ssh() as port:
        hosts.attack(tarpit, "")  # it is no honest one
        (hosts.directory / "fleet/host_vars").mkdir()
        (hosts.directory / f"fleet/host_vars/{tarpit}.yml").write_text(f"ansible_port: {port}\n")
        ended = hosts.run(playbook, "-e", "proscribe_observe_timeout=1m")
    states = unharmed(hosts, ended, "compliant" if playbook == "audit" else "unknown")
    assert set(states.values()) == {"unknown"}
    reasons = {name: hosts.records()[name]["reason"] for name in states}
    assert all("longer than 1 minute" in reason for reason in reasons.values()), reasons
    assert ended.cpu < quiet.cpu + 30  # of processors' time, for 60,000 pieces of each of eight hosts
    assert len(hosts.connections()) <= len(hosts.honest), hosts.connections()


def test_a_confirmation_is_awaited_no_longer_than_the_plan_says_and_for_no_other_token(hosts):
    """A host could otherwise have its controller wait for years, or bring words of its own into a command."""
    controls = {"apps": "off", "browser": "off", "firewall": "enforce", "dns": "off"}
    hosts.inventory(proscribe_controls=controls, proscribe_firewall_confirm_within=10)
    waits = HOSTILE_CHANGE.replace("drifted(", "firewall(").replace("else:", UNDECIDED, 1)
    for name, token in (("h2", "a" * 12), ("h3", "'; touch /tmp/x; '")):
        pending = {**CHANGED, "pending": {"token": token, "within": 10**9}}
        hosts.attack(name, FIREWALL + waits.replace("SAID", repr(json.dumps(pending))))
    assert unharmed(hosts, hosts.run("enforce", *ALL)) == {"h2": "noncompliant", "h3": "error"}
    assert "token" in json.dumps(hosts.records()["h3"]["errors"])


AS_ANOTHER = """
mine = {"host": "h1", "inventory_hostname": "h1", "ansible_host": "127.0.9.1", "hostname": "h1"}
mine["_ansible_delegated_vars"] = dict(mine)

def bad(plan):
    own = drifted(plan)
    own["record"].update(mine, platform={"os": "h1", "hostname": "h1"}, logged_in=["h1"])
    own["record"]["requests"] = [{**REQUEST, **mine}]
    return {**own, **mine}

if call.kind == "observe":
    send_record(bad(call.head()["plan"]))
elif call.kind == "collect":
    print("proscribe-record:" + json.dumps(bad(PLAN)["record"]))
elif call.kind == "module":
    call.read()
    print(json.dumps({"changed": False, "quarantined": [{**ITEM, **mine, "id": "another-0123abcd"}], **mine}))
else:
    good(call)
"""


def test_a_host_that_says_it_is_another_one_speaks_for_itself_alone(hosts):
    hosts.run("audit")
    names = {"PLAN": repr(hosts.records()["h2"]["plan"].removeprefix("sha256:")), "REQUEST": repr(REQUEST)}
    hosts.attack("h2", re.sub("PLAN|REQUEST", lambda match: names[match[0]], AS_ANOTHER))
    for playbook, honest in (("audit", "compliant"), ("collect", "unknown")):  # the honest ones have stored no record
        assert unharmed(hosts, hosts.run(playbook, "-v"), honest) == {"h2": "noncompliant"}
        assert list(hosts.records()) == hosts.names
        first, *requests = (hosts.directory / "reports/requests.jsonl").read_text().splitlines()
        assert [json.loads(line)["host"] for line in requests] == ["h2"]
    listed = hosts.run("quarantine", "-v").said
    rows = {(line.split()[0], line.split()[1]) for line in listed.splitlines() if "-0123abcd  " in line}
    assert rows == {("h2", "another-0123abcd"), *((name, "wechat-0123abcd") for name in hosts.honest)}, listed
