"""Runs what runs on managed hosts on each of the Pythons named: every module of it is imported, and this host observed.

    host_code.py PYTHON...

As on a host: isolated, without site-packages, from source alone.
"""

import subprocess
import sys
from pathlib import Path

MODULE_UTILS = Path(__file__).resolve().parent.parent / "module_utils"
sys.path.insert(0, str(MODULE_UTILS))

from proscribe.model.plan import PLAN_SCHEMA, add_digest, format_canonical
from proscribe.wire import stream
from proscribe.wire.plan_store import PlanStore
from proscribe.wire.stream import REPLYING_PROGRAM, make_payload, parse_answer

ON_THE_HOST = """
import importlib, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from proscribe.host import host_operations
from proscribe.model import plan
from proscribe.host.system import Host

for name in sys.argv[2:]:
    importlib.import_module(name)

service = {"name": "Made", "mode": "enforce"}
identifiers = {
    "apps": {"packages": {"apt": ["made-for-a-test"], "flatpak": ["org.example.Made"]}, "processes": ["made"],
             "paths": ["/opt/made/made"]},
    "browser": {"domains": ["made.example"], "urls": [], "allow": []},
    "firewall": {"networks": ["203.0.113.0/24"], "ports": []},
    "dns": {"domains": ["made.example"], "allow": []},
}
settings = {
    "browser": {"browsers": {"dns_over_https": "blocked", "extensions": "blocked"}},
    "firewall": {"dns_over_tls": "blocked", "management": []},
}
controls = {name: {"mode": "audit", "services": {"made": {**service, **part}}, "settings": settings.get(name, {})}
            for name, part in identifiers.items()}
paths = {"chromium": "/etc/chromium/policies/managed/proscribe.json", "firefox": "/etc/firefox/policies/policies.json"}
browsers = [{"id": id_, "family": id_, "path": path, "browsers": [id_]} for id_, path in paths.items()]
body = {"schema": plan.PLAN_SCHEMA, "contact": "", "browsers": browsers, "controls": controls}
record, _ = host_operations.observe(Host(), plan.add_digest(body))
assert record["rules_evaluated"] >= 4 and not record["errors"], record
print(f"Python {record['platform']['python']}: {len(sys.argv) - 2} modules, {record['rules_evaluated']} rules")
"""


def main():
    names = [name.removesuffix(".__init__") for name in stream._list_module_files()]
    words = ["-I", "-S", "-W", "error", "-c", ON_THE_HOST, str(MODULE_UTILS), *names]
    codes = [subprocess.run([python, *words]).returncode for python in sys.argv[1:]]
    codes += [not streamed(python) for python in sys.argv[1:]]
    return 1 if any(codes) or not codes else 0


def streamed(python):
    """Whether that Python gives a record when it gets nothing but the stream, as an audit sends it."""
    entry = {"name": "Made", "mode": "audit", "domains": ["made.example"], "allow": []}
    controls = {"dns": {"mode": "audit", "services": {"made": entry}, "settings": {}}}
    plan = format_canonical(add_digest({"schema": PLAN_SCHEMA, "contact": "", "browsers": [], "controls": controls}))
    call = {"controls": [], "gate": "never", "will_correct": False}
    stream = make_payload(PlanStore().make_code_part(probe=False), PlanStore().make_plan_part(plan), call)
    done = subprocess.run(
        [python, "-I", "-S", "-W", "error", "-c", REPLYING_PROGRAM], input=stream, capture_output=True
    )
    result = parse_answer(done.stdout.decode()) or {}
    if "record" not in result:
        print(f"{python} gives no record to the streamed code: {done.stderr.decode()[-500:]}")
    return "record" in result


if __name__ == "__main__":
    sys.exit(main())
