"""Other tools for the same answer, on the same host: a role that loops over builtin modules, goss, OpenSCAP.

They get the packages and paths of the first 20 services that have both. Ours is measured with all that it checks.
"""

import json
from pathlib import Path
from xml.sax.saxutils import escape

SERVICES = 20
ROUNDS = 5
ROLE = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Look for packages
      ansible.builtin.command: dpkg-query --show {{ item }}
      loop: PACKAGES
      register: packages
      changed_when: false
      failed_when: packages.rc == 0
    - name: Look for files
      ansible.builtin.stat:
        path: "{{ item }}"
      loop: PATHS
      register: files
      failed_when: files.stat.exists
"""
DEFINITIONS = "http://oval.mitre.org/XMLSchema/oval-definitions-5"
OVAL = """\
<?xml version="1.0" encoding="UTF-8"?>
<oval_definitions xmlns="{0}" xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5" xmlns:linux="{0}#linux"
    xmlns:unix="{0}#unix">
  <generator>
    <oval:schema_version>5.11.1</oval:schema_version><oval:timestamp>2026-11-25T00:00:00</oval:timestamp>
  </generator>
  <definitions>
    <definition id="oval:proscribe:def:1" version="1" class="compliance">
      <metadata><title>Restricted</title><description>Restricted apps are not there.</description></metadata>
      <criteria>{1}</criteria>
    </definition>
  </definitions>
  <tests>{2}</tests>
  <objects>{3}</objects>
</oval_definitions>
"""


def expected_state(plan):
    services = [s for s in plan["controls"]["apps"]["services"].values() if s["packages"].get("apt") and s["paths"]]
    chosen = services[:SERVICES]
    packages = sorted({name for service in chosen for name in service["packages"]["apt"]})
    paths = sorted({path.replace("~", "/home/alice", 1) for service in chosen for path in service["paths"]})
    return packages, paths


def goss(packages, paths):
    package = {name: {"installed": False} for name in packages}
    return json.dumps({"package": package, "file": {path: {"exists": False} for path in paths}})


def oval(packages, paths):
    criteria = tests = objects = ""
    kinds = [("linux:dpkginfo", "linux:name", name) for name in packages]
    kinds += [("unix:file", "unix:filepath", path) for path in paths]
    for number, (kind, key, value) in enumerate(kinds, 1):
        space = kind.partition(":")[0]
        criteria += f'<criterion test_ref="oval:proscribe:tst:{number}"/>'
        tests += f'<{kind}_test id="oval:proscribe:tst:{number}" version="1" check="all" check_existence="none_exist"'
        tests += f' comment="absent"><{space}:object object_ref="oval:proscribe:obj:{number}"/></{kind}_test>'
        objects += f'<{kind}_object id="oval:proscribe:obj:{number}" version="1">'
        objects += f"<{key}>{escape(value)}</{key}></{kind}_object>"
    return OVAL.format(DEFINITIONS, criteria, tests, objects)


def measure(made, bench):
    """Run each on the first host, and print the least of some rounds."""
    packages, paths = expected_state(bench.plan())
    bench.inventory(range(1))
    role = Path(bench.directory, "role.yml")
    role.write_text(ROLE.replace("PACKAGES", json.dumps(packages)).replace("PATHS", json.dumps(paths)))
    bench.commands["role"] = [bench.commands["ping"][0], *bench.options, str(role)]
    made.put(0, "/root/goss.yaml", goss(packages, paths).encode())
    made.put(0, "/root/oval.xml", oval(packages, paths).encode())
    code, piped = bench.streamed()
    local = {
        "goss": (["goss", "--gossfile", "/root/goss.yaml", "validate"], None),
        "OpenSCAP": (["oscap", "oval", "eval", "/root/oval.xml"], None),
        "ours, on the host": (["/usr/bin/python3", "-I", "-S", "-c", code], piped),
    }
    print(f"\nOne host; {len(packages)} packages and {len(paths)} paths of {SERVICES} services; ours looks at all")
    print("                           CPU     wall, in s: the role once, else the least of some; CPU of both sides")
    for name in ("role", "audit", "ping"):
        costs = [bench.run(name) for _ in range(1 if name == "role" else 3)]
        least = min(cost.cpu for cost in costs), min(cost.wall for cost in costs)
        print(f"  {name + ' over SSH':<22} {least[0]:8.2f} {least[1]:8.2f}", flush=True)
    for name, (argv, stdin) in local.items():
        runs = [made.timed(0, argv, stdin) for _ in range(ROUNDS)]
        print(f"  {name:<22} {min(cpu for _, cpu in runs):8.3f} {min(wall for wall, _ in runs):8.3f}", flush=True)
