"""A whole host that keeps itself in line, without Ansible: our own code enforces it and installs its watch."""

import base64
import functools
import io
import json
import subprocess
import zipfile
from pathlib import Path

from browser_setup import real_plan
from patience import LONGEST
from proscribe.host.watch.state import journal, watch_files
from proscribe.model import plan as plans
from proscribe.wire import watch_payload
from proscribe.wire.plan_store import PlanStore

PROJECT = Path(__file__).resolve().parents[2]
CODE = "/root/proscribe.zip"
EVERY = 60  # seconds
# Takes {plan, sent, controls, between}, and does what an enforcing run does there: each control (all, or those named),
# the command `between`, the watch where no control is named, and the observation at the end. Prints {control: changed}.
ENFORCE = f"""\
import base64, json, lzma, subprocess, sys
sys.path.insert(0, "{CODE}")
from proscribe.host import host_operations
from proscribe.host.system import Host
from proscribe.host.watch.installation import change
given = json.load(sys.stdin)
plan = given["plan"]
controls = given["controls"] or plan["controls"]
found = {{name: host_operations.change(Host(), plan, name)["changed"] for name in controls}}
if given["between"]:
    subprocess.run(given["between"], check=True, stdout=sys.stderr)
if not given["controls"]:
    sent = json.loads(lzma.decompress(base64.b64decode(given["sent"])))
    found["watch"] = change(Host(), plan, {{**sent, "code": base64.b64decode(sent["code"])}})["changed"]
host_operations.compliance_state(Host(), plan, given["controls"], "never", False, remember=True)
print(json.dumps(found))
"""
# Takes {plan, watch}, and observes as an audit does; prints the answer.
AUDIT = f"""\
import json, sys
sys.path.insert(0, "{CODE}")
from proscribe.host.system import Host
from proscribe.host.host_operations import compliance_state
given = json.load(sys.stdin)
print(json.dumps(compliance_state(Host(), given["plan"], [], "never", False, watch=given["watch"])))
"""


@functools.cache
def _code():
    """The project's code, one for all of a test, whoever edits it meanwhile."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((PROJECT / "module_utils/proscribe").rglob("*.py")):
            archive.write(path, path.relative_to(PROJECT / "module_utils"))
    return packed.getvalue()


def plan(**browser):
    """A plan of the real catalogue for apps and browsers; `browser` changes entries of the browsers' services."""
    controls = {"apps": "enforce", "browser": "enforce", "firewall": "off", "dns": "off"}
    made = real_plan(categories=["instant_messaging"], controls=controls, watch="1m")
    services = made["controls"]["browser"]["services"]
    services.update({id_: {**services[id_], **change} for id_, change in browser.items()})
    return plans.add_digest({key: value for key, value in made.items() if key != "digest"})


def enforce(host, made, controls=(), between=()):
    """Enforce a plan, or some controls. The host runs `between` after its controls and before its watch."""
    _send(host)
    sent = watch_payload.pack_watch(PlanStore(), made)
    given = {"plan": made, "sent": sent, "controls": list(controls), "between": list(between)}
    return dict(json.loads(_python(host, ENFORCE, given)))


def audit(host, made):
    return dict(json.loads(_python(host, AUDIT, {"plan": made, "watch": watch_payload.make_expected_watch()})))


def observed(host):
    host.run(watch_files.PROGRAM_PATH, "observe")
    return dict(json.loads(host.run("cat", watch_files.RECORD_PATH)))


def events(host, *names):
    lines = host.run("sh", "-c", f"cat {journal.JOURNAL} 2>/dev/null || true").splitlines()
    return [event for event in map(json.loads, lines) if not names or event["event"] in names]


def _send(host):
    argv = ["podman", "--runtime", "runc", "exec", "--interactive", host.name, "sh", "-c", f"base64 -d >{CODE}"]
    subprocess.run(argv, input=base64.b64encode(_code()), capture_output=True, check=True, timeout=LONGEST)


def _python(host, script, given):
    return host.run("python3", "-IS", "-c", script, stdin=json.dumps(given))
