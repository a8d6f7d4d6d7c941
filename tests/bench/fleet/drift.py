"""Drift that is seeded into hosts, each with the control that has to find it, and what must not be found beside it."""

import json
import struct

# The head of a program for x86-64 (elf(5)): what is no program is nothing of an app's, wherever it lies.
PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 62) + bytes(44)
POLICY = "/etc/chromium/policies/managed/proscribe.json"


def seed(fleet, number, control, plan):
    if control == "apps":
        services = plan["controls"]["apps"]["services"].values()
        paths = [p for s in services if s["mode"] == "enforce" for p in s["paths"] if p.startswith("/opt/")]
        fleet.put(number, min(paths), PROGRAM, 0o755)
    elif control == "browser":
        fleet.run(number, "rm", POLICY)
    elif control == "firewall":
        fleet.run(number, "nft", "flush", "table", "inet", "proscribe")
    else:
        fleet.put(number, "/etc/hosts", b"127.0.0.1\tlocalhost\n")


def wrong(reports, hosts, seeded):
    """Where the newest report is not what was seeded: every host evaluated, drift found, nothing else. [] if it is."""
    records = [json.loads(line) for line in (reports / "latest" / "hosts.jsonl").read_text().splitlines()]
    found = {record["host"]: record for record in records}
    mistakes = [] if len(found) == hosts else [f"{len(found)} of {hosts} hosts are in the report"]
    for number in range(hosts):
        record = found.get(f"host{number}", {"state": "missing", "rules": []})
        broken = (rule for rule in record["rules"] if rule["state"] not in ("not_applicable", "compliant"))
        controls = sorted({rule["rule"].partition("/")[0] for rule in broken})
        expected = ("repaired", [seeded[number]]) if number in seeded else ("compliant", [])
        if (record["state"], controls) != expected:
            mistakes.append(f"host{number}: {record['state']} {controls}, expected {expected}")
    return mistakes


def one_per_cent(hosts, controls):
    """One host in a hundred, at least one, spread over all; each with another control."""
    names = list(controls)
    count = max(1, hosts // 100)
    step = hosts // count
    return {index * step + step // 2: names[index % len(names)] for index in range(count)}
