"""The probe with real browsers. test_transient_user.py has the account in which they run."""

import json
import subprocess
import sys

from browser_setup import PROJECT, enforce, in_place_of_etc, put, real_plan
from conftest import missing, require_root, require_tool
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN

ON_THE_HOST = """
import json, sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.controls.browser import browser_probe
from proscribe.host.system import Host
with open(sys.argv[2]) as stream:
    print(json.dumps(browser_probe.probe_browsers(Host(), json.load(stream)).convert_to_dict()))
"""
NOTHING = "nothing was opened, not even a name that no list has"


def test_real_browsers_are_seen_to_keep_the_ban_only_where_they_do(tree):
    for tool in ("chromium", "firefox-esr"):
        require_tool(tool)
    plan, plan_file = real_plan(browser_settings={"remote_debugging": "blocked"}), tree / "plan.json"
    plan_file.write_text(json.dumps(plan))
    (tree / "look.py").write_text(ON_THE_HOST)
    foreign = "/etc/chromium/policies/managed/zz.json"  # the organisation's

    def observe():
        seen = in_place_of_etc(tree, tree / "look.py", str(PROJECT / "module_utils"), str(plan_file))
        return {"state": seen["state"], **{found["id"]: found["detail"] for found in seen["findings"]}}

    refused = "0x0.st was refused, another name was opened"
    opened = "0x0.st was opened"
    put(tree, {foreign: {"DeveloperToolsAvailability": 2}})  # with which Chromium prints no page
    assert observe() == {"state": NONCOMPLIANT, "chromium": opened, "firefox-esr": opened}
    enforce(tree, plan)
    (tree / foreign[1:]).unlink()
    assert observe() == {"state": COMPLIANT, "chromium": refused, "firefox-esr": refused}
    (tree / "etc/firefox/policies/policies.json").chmod(0o600)  # what root sees and no user does
    put(tree, {foreign: {"DeveloperToolsAvailability": 2}})
    assert observe() == {"state": NONCOMPLIANT, "chromium": refused, "firefox-esr": opened}
    plan["browsers"] = [place for place in plan["browsers"] if place["id"] == "chromium"]
    plan_file.write_text(json.dumps(plan))
    put(tree, {foreign: {"HeadlessMode": 2}})  # neither kept nor broken: not known
    seen = observe()
    assert (seen["state"], seen["chromium"].partition(":")[0]) == (UNKNOWN, NOTHING)
    put(tree, {foreign: {"ProxyMode": "fixed_servers", "ProxyServer": "proxy.test:3128"}})  # led to the listener too
    assert observe() == {"state": COMPLIANT, "chromium": refused}


def test_chromium_without_namespaces_is_unknown(tmp_path):
    require_root()
    require_tool("chromium")
    (tmp_path / "plan.json").write_text(json.dumps(real_plan()))
    (tmp_path / "look.py").write_text(ON_THE_HOST)
    everybody = ["unshare", "--user", "--map-users=0,0,65536", "--map-groups=0,0,65536"]
    none = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'  # counts in this namespace only
    words = [sys.executable, str(tmp_path / "look.py"), str(PROJECT / "module_utils"), str(tmp_path / "plan.json")]
    if subprocess.run([*everybody, "true"], capture_output=True, check=False).returncode:
        missing("needs user namespaces, and unshare of util-linux 2.38")
    seen = subprocess.run([*everybody, "sh", "-c", none, "sh", *words], capture_output=True, text=True, check=True)
    details = {found["id"]: found["detail"] for found in json.loads(seen.stdout)["findings"]}
    assert details["chromium"].startswith(f"{NOTHING}: No usable sandbox!")
