"""Hosts in hostile hands, for the bench: what each answers, whatever it is asked for."""

from collections import Counter

HEAD = """\
#!/usr/bin/python3
import base64, json, marshal, os, sys, time
def plan():
    sent = sys.stdin.buffer.read().splitlines()
    return "sha256:" + marshal.loads(base64.b64decode(sent[1]))[1]["plan"]
def say(text):
    sys.stdout.write("\\nproscribe-answer:" + text + "\\n")
    sys.stdout.flush()
def answer(rules, **more):
    record = {"schema": "proscribe/host/1", "state": "noncompliant", "plan": plan(),
              "checked_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "platform": {}, "rules_evaluated": 9000,
              "rules_not_applicable": 0, "attempts": {}, "errors": [], "duration_ms": 1, "rules": rules, **more}
    say(json.dumps({"changed": False, "record": record, "drifted": ["apps"], "privileged": True}))
def rule(number, findings):
    return {"rule": f"apps/x{number}", "state": "noncompliant", "waiver": None, "reason": None, "findings": findings}
FOUND = {"kind": "package", "id": "p", "scope": "system"}
"""
LIES = "compliant, in the name of another host"  # which the report takes for its own answer, since none can tell
# What it does, by a word for the table.
ATTACKS = {
    "ten thousand rules with fifty findings of nothing": "answer([rule(n, 50 * [{}]) for n in range(10000)])",
    "half a million findings": "answer([rule(n, 500 * [FOUND]) for n in range(1000)])",
    "as much evidence as it may have": "answer([rule(n, 4 * [{**FOUND, 'detail': 200 * 'x'}]) for n in range(1000)])",
    "lists in lists": "say('[' + ','.join(4000000 * ['[]']) + ']')",
    "a million levels": "say(1000000 * '[')",
    "a flood without an end": "while True: sys.stdout.write(1048576 * 'x')",
    "line feeds": "for _ in range(250): sys.stdout.write(1024 * '\\n'); sys.stdout.flush()",
    "characters that steer a terminal": "answer([rule(1, [{**FOUND, 'detail': chr(27) + '[2J' + chr(0x202e)}])])",
    "nothing, and an end at once": "os._exit(255)",
    LIES: "answer([], state='compliant', host='host1', hostname='host1')",
}


def take_over(fleet, hosts, every=20):
    """Have one host in so many answer with one of these attacks, in turn; which ones they are."""
    attacks = list(ATTACKS.values())
    taken = list(range(every // 2, hosts, every))
    for place, number in enumerate(taken):
        program = fleet.directory / "hosts" / str(number) / "hostile"
        program.write_text(f"{HEAD}{attacks[place % len(attacks)]}\n")
        program.chmod(0o755)
    return taken


def give_back(fleet, taken):
    for number in taken:
        (fleet.directory / "hosts" / str(number) / "hostile").unlink()


def mistakes_in(records, taken):
    """What is wrong with the records of such a run. Each host has one. Those of honest hosts are compliant; those of
    hostile ones are not, unless they lie.
    """
    attacks = list(ATTACKS)
    does = {f"host{number}": attacks[place % len(attacks)] for place, number in enumerate(taken)}
    hosts = [(str(record["host"]), str(record["state"])) for record in records]
    mistakes = [
        f"{host} is {state}" for host, state in hosts if (state == "compliant") != (does.get(host, LIES) == LIES)
    ]
    missing = sorted(does.keys() - dict(hosts).keys())
    twice = sorted(host for host, count in Counter(host for host, _ in hosts).items() if count > 1)
    return [*mistakes, *(f"{name} has no record" for name in missing), *(f"{name} has two" for name in twice)]
