"""Group Policy from a plan, in a real domain: a Samba domain controller that the playbooks reach over SSH, and a Debian
desktop that has joined the domain and takes its policies with Samba's own client. Chromium there blocks and opens what
the plan says; what is changed by hand is named and repaired; a lift leaves the domain as it was, object by object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import require_root, require_tool
from machines import TOOLS, Machine
from made_domain import DATABASE, DN, OU, SYSVOL, Controller, domain, refreshed, visits
from proscribe.controls.group_policy.identity import guid
from proscribe.controls.group_policy.observed import INI

pytestmark = [pytest.mark.integration, pytest.mark.whole_hosts]

NAME = "Proscribe desktops"
RULE = "group_policy/proscribe-desktops"
GUID = guid("example.test", NAME)
OBJECT = f"CN={GUID},CN=Policies,CN=System,{DN}"
FOLDER = f"{SYSVOL}/example.test/Policies/{GUID}"
OBJECTS = {"proscribe_group_policy": [{"name": NAME, "group": "windows_desktops", "ous": [OU]}]}
BLOCKED = ["https://web.whatsapp.com/", "https://mail.google.com/", "https://www.dropbox.com/"]
OPEN = ["https://www.example.org/", "https://www.debian.org/"]
# What changes with every logon, or with every change of an object or of one below it.
VOLATILE = (
    "uSNChanged",
    "whenChanged",
    "lastLogon",
    "lastLogonTimestamp",
    "logonCount",
    "badPasswordTime",
    "dSCorePropagationData",
)


class World(NamedTuple):
    controller: Controller
    desktop: Machine
    reports: Path
    before: tuple[Mapping[str, str], str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    require_root()
    for tool in TOOLS:
        require_tool(tool)
    directory = tmp_path_factory.mktemp("domain")
    with domain("proscribe-domain", "10.91.23", directory) as (controller, desktop):
        refreshed(desktop)  # so that all that a client makes of itself is there
        yield World(controller, desktop, directory / "reports", state_of(controller))


def state_of(controller: Controller) -> tuple[Mapping[str, str], str]:
    """The whole directory by object, but for what is volatile, and the files of SYSVOL."""
    said = controller.run("ldbsearch", "-H", DATABASE, "-b", DN, "--controls=search_options:1:2", "*")
    configuration = controller.run(
        "ldbsearch", "-H", DATABASE, "-b", f"CN=Configuration,{DN}", "*", "nTSecurityDescriptor"
    )
    domain_ = controller.run("ldbsearch", "-H", DATABASE, "-b", DN, "*", "nTSecurityDescriptor")
    objects = {}
    for block in f"{domain_}\n\n{configuration}\n\n{said}".replace("\n ", "").split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith(("#", *(f"{one}:" for one in VOLATILE)))]
        if lines and lines[0].startswith("dn:"):
            objects[lines[0], len(lines)] = "\n".join(lines)
    files = controller.run(
        "sh", "-c", f"cd {SYSVOL} && find . -printf '%p %U %G %m ' -exec sha256sum {{}} + 2>/dev/null; true"
    )
    listed = controller.run("sh", "-c", f"cd {SYSVOL} && find . -printf '%p %U %G %m %s\\n' | sort")
    return {str(key): text for key, text in objects.items()}, listed + "".join(sorted(files.split("\n")))


def rule(world: World) -> dict[str, Any]:
    record = world.controller.record(world.reports)
    return next((one for one in record["rules"] if one["rule"] == RULE), {"state": record["state"], "findings": []})


def enforce(world: World, **variables: Any) -> str:
    done = world.controller.proscribe("enforce", world.reports, **{**OBJECTS, **variables})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def version(world: World) -> str:
    said = world.controller.run("cat", f"{FOLDER}/{INI}")
    return said.partition("Version=")[2].strip()


def test_an_enforcing_run_puts_the_object_in_place(world: World) -> None:
    enforce(world)
    assert rule(world)["state"] == "repaired"
    said = world.controller.run("samba-tool", "gpo", "getlink", OU)
    assert GUID in said and NAME in said
    assert "Registry.pol" in world.controller.run("ls", f"{FOLDER}/Machine")
    world.controller.samba("gpo", "aclcheck")
    world.controller.run("samba-tool", "ntacl", "sysvolcheck")
    assert version(world) == "1"


def test_a_second_run_changes_nothing(world: World) -> None:
    before = state_of(world.controller)
    highest = world.controller.run("ldbsearch", "-H", DATABASE, "-b", "", "-s", "base", "highestCommittedUSN")
    enforce(world)
    assert world.controller.record(world.reports)["state"] == "compliant"
    assert state_of(world.controller) == before
    assert highest == world.controller.run("ldbsearch", "-H", DATABASE, "-b", "", "-s", "base", "highestCommittedUSN")


def test_a_desktop_of_the_domain_blocks_and_opens_what_the_plan_says(world: World) -> None:
    policies = refreshed(world.desktop)
    assert "web.whatsapp.com" in json.dumps(policies["URLBlocklist"]) and policies["DnsOverHttpsMode"] == "off"
    seen = visits(world.desktop, BLOCKED + OPEN)
    assert {url: seen[url] for url in BLOCKED} == {url: [0, "net::ERR_BLOCKED_BY_ADMINISTRATOR"] for url in BLOCKED}
    assert [url for url in OPEN if not seen[url][0]] == []
