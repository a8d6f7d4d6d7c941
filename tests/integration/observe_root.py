"""Observe the apps of a made host once, as a host does it, and print the result and its cost.

    observe_root.py MODULES ROOT PLAN [--keep] [--hurry]

MODULES is where `proscribe` is, PLAN a file with a compiled plan. `--keep`: as a run does that begins and may write;
`--hurry`: what does not answer is given 3 s, and not 20.
Prints JSON: `rules` ({rule: [state, reason, number of findings]}), `findings`, `errors`, the whole `record`, `seconds`,
`processor` (CPU seconds of all that it started), and in megabytes `own` and `child`: the most memory that this
process, and any that it started, held beyond what it began with.
"""

import json
import os
import resource
import sys
import time


def own_peak():
    """Return the peak memory of this program alone; getrusage(2) begins with that of the process that started it."""
    with open("/proc/self/status", encoding="ascii") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmHWM")) / 1024


def main():
    modules, root, path = sys.argv[1:4]
    sys.path.insert(0, modules)
    from proscribe.host import host_operations
    from proscribe.host.system import Host

    with open(path, encoding="utf-8") as stream:
        plan = json.load(stream)
    if "--hurry" in sys.argv:
        from proscribe.host.system import forked_work

        forked_work.DEFAULT_LIMITS = forked_work.DEFAULT_LIMITS._replace(seconds=3.0)
    began, started = own_peak(), time.monotonic()
    host = Host(root)
    record, _ = host_operations.observe(host, plan, ["apps"])
    seconds = time.monotonic() - started
    if host.privileged and "--keep" in sys.argv:
        for keep in host.state_savers:
            keep(True)
    rules = {rule["rule"]: [rule["state"], rule["reason"] or "", len(rule["findings"])] for rule in record["rules"]}
    findings = [f"{finding['scope']} {finding['id']}" for rule in record["rules"] for finding in rule["findings"]]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = {"seconds": seconds, "processor": children.ru_utime + children.ru_stime}
    cost |= {"own": own_peak() - began, "child": children.ru_maxrss / 1024 - began}
    report = {"rules": rules, "findings": findings, "errors": record["errors"], "record": record, **cost}
    print(json.dumps(report), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
