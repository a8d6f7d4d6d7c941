"""Samba reads the Registry.pol of the whole catalogue, and real browsers take what it makes of it."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from browser_setup import HERE, in_place_of_etc, put, real_plan
from conftest import missing, require_tool
from machine import outside
from proscribe.host.controls.browser.settings import ALLOW_LIST, BLOCKED, EXTENSIONS, SETTINGS
from proscribe.host.controls.group_policy import applocker
from proscribe.host.controls.group_policy.policies import PROGRAMS, entries, of_programs
from proscribe.host.controls.group_policy.registry_pol import Entry, parse, render, said_by

PACKAGES = (
    "python3-samba",
    "samba-libs",
    "python3-ldb",
    "python3-talloc",
    "python3-tdb",
    "libldb2",
    "libtalloc2",
    "libtdb1",
    "libtevent0t64",
    "libwbclient0",
)
# What keeps a browser from being asked for its policies is left out.
ALL = {id_: BLOCKED for id_ in SETTINGS if id_ not in ("developer_tools", "remote_debugging")}
TENANTS = {
    "google": ["corp.example"],
    "microsoft": [{"id": "11111111-2222-3333-4444-555555555555", "domains": ["corp.example", "hk.corp.example"]}],
}
# What Samba (4.22) does not know to have a type of its own: on Linux a domain's policy says these as a number, or as a
# text, and Chromium takes neither. On Windows they are what Chromium expects.
NUMBERS = {"EncryptedClientHelloEnabled", "WebAppInstallByUserEnabled"}
TEXTS = {"HttpHeaderInjection"}


@pytest.fixture(scope="session")
def samba(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("samba"))


def unpacked(folder: Path) -> Path:
    """Samba's Python modules and the libraries that they need, unpacked in a folder."""
    got = subprocess.run(outside(["apt-get", "download", "-q", *PACKAGES]), cwd=folder, capture_output=True, text=True)
    if got.returncode:
        missing(f"needs Debian's packages of Samba: {got.stderr[-300:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "tree"], check=True)
        package.unlink()
    return folder / "tree"


def of_samba(samba: Path, content: bytes, scratch: Path, template: bytes = b"") -> dict[str, Any]:
    files = {"Registry.pol": content, **({"GptTmpl.inf": template} if template else {})}
    for name, said in files.items():
        (scratch / name).write_bytes(said)
    (library,) = samba.glob("usr/lib/*-linux-gnu*/samba")
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(samba / "usr/lib/python3/dist-packages"),
        "LD_LIBRARY_PATH": f"{library.parent}:{library}",
    }
    argv = ["/usr/bin/python3", "-B", str(HERE / "samba_policies.py"), *(str(scratch / name) for name in files)]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout)
    assert isinstance(found, dict)
    return found


def test_samba_reads_every_entry_and_writes_the_same_bytes(samba, tmp_path):
    made = entries(real_plan(browser_settings=ALL, tenants=TENANTS))
    assert len(made) > 1000
    content = render(made)
    found = of_samba(samba, content, tmp_path)
    assert found["entries"] == [[one.key, one.value, one.type, said_by(one)] for one in made]
    assert base64.b64decode(found["again"]) == content and parse(base64.b64decode(found["again"])) == made


def test_samba_reads_the_rules_of_applocker_and_the_services_start(samba, tmp_path):
    """Both files of an object come back byte for byte."""
    made = applocker.entries(real_plan()["controls"]["apps"])
    assert len(made) > 150
    found = of_samba(samba, render(made), tmp_path, applocker.template())
    assert found["entries"] == [[one.key, one.value, one.type, said_by(one)] for one in made]
    assert base64.b64decode(found["again"]) == render(made)
    assert base64.b64decode(found["template"]) == applocker.template()
    assert found["services"] == [["AppIDSvc", "2", ""]]


def test_types_of_other_editors_that_samba_writes_are_read(samba, tmp_path):
    """Types that no policy of ours has, as another editor may write them: Samba's bytes are ours again."""
    made = [
        Entry("Software\\Policies\\X", "Many", 7, "a\0b\0\0".encode("utf-16-le")),
        Entry("Software\\Policies\\X", "Bytes", 3, b"\1\2\3"),
        Entry("Software\\Policies\\X", "**del.Old", 1, " \0".encode("utf-16-le")),
        Entry("Software\\Policies\\X", "\u00fcber", 1, "\u4e2d\U0001f600\0".encode("utf-16-le")),
    ]
    assert base64.b64decode(of_samba(samba, render(made), tmp_path)["again"]) == render(made)


@pytest.mark.parametrize(
    "restrictions",
    [
        pytest.param({}, id="as the catalogue has it"),
        pytest.param({"browser_settings": {**ALL, EXTENSIONS: ALLOW_LIST}, "tenants": TENANTS}, id="everything closed"),
    ],
)
def test_samba_computes_the_policies_that_hosts_have(restrictions, samba, tmp_path):
    plan = real_plan(**restrictions)
    found = of_samba(samba, render(entries(plan)), tmp_path)
    of_hosts = {program.id: said for program, said in of_programs(plan).items()}
    for name, id_ in (("chrome", "google_chrome"), ("chromium", "chromium")):
        expected = {
            key: int(value) if key in NUMBERS else json.dumps(value, sort_keys=True) if key in TEXTS else value
            for key, value in of_hosts[id_].items()
            if value != []  # an emptied list is no list to Samba
        }
        said = {
            key: json.dumps(json.loads(value), sort_keys=True) if key in TEXTS else value
            for key, value in found[name].items()
        }
        assert said == expected
    assert len(found["chrome"]["URLBlocklist"]) > 500
    assert {
        key: json.loads(value) if key in ("ExtensionSettings", "Preferences") else value
        for key, value in found["firefox"].items()
    } == of_hosts["firefox"]


def test_firefox_takes_texts_of_json_where_the_registry_has_no_tables(samba, tree, tmp_path_factory):
    """The schema in Firefox is one for all platforms; what it takes as a text here, it takes out of the registry."""
    require_tool("firefox-esr")
    plan = real_plan(browser_settings=ALL, tenants=TENANTS)
    found = of_samba(samba, render(entries(plan)), tmp_path_factory.mktemp("policy"))["firefox"]
    assert isinstance(found["ExtensionSettings"], str)
    put(tree, {"/etc/firefox/policies/policies.json": {"policies": found}})
    refused = next(iter(set(json.loads(found["ExtensionSettings"])) - {"*"}))
    questions = {
        f'Services.policies.getExtensionSettings("{refused}").installation_mode': "blocked",
        'Services.prefs.getIntPref("network.http.speculative-parallel-limit")': 0,
        'Services.prefs.prefIsLocked("network.http.speculative-parallel-limit")': True,
        'Services.prefs.getIntPref("network.trr.mode")': 5,
        'Services.prefs.prefIsLocked("network.proxy.type")': True,
    }
    words = [word for question in questions for word in ("--ask", question)]
    answer = in_place_of_etc(tree, HERE / "browser_policies.py", "--browser", "firefox", *words)
    assert answer["status"] == "active"
    assert answer["policies"] == next(said for program, said in of_programs(plan).items() if program == PROGRAMS[4])
    assert dict(zip(questions, answer["answers"])) == questions
