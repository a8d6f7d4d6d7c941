"""Samba reads the Registry.pol of the whole catalogue, and real browsers take what it makes of it."""

import base64
import json
import os
import subprocess

import pytest
from browser_setup import HERE, in_place_of_etc, put, real_plan
from conftest import missing, require_tool
from machine import outside
from proscribe.host.controls.browser.browser_settings import ALLOW_LIST, BLOCKED, EXTENSIONS, SETTINGS
from proscribe.host.controls.group_policy import applocker_rules
from proscribe.host.controls.group_policy.policies import POLICY_PROGRAMS, collect_program_policies, list_policy_entries
from proscribe.host.controls.group_policy.registry_pol import RegistryEntry, decode_entry, parse_entries, render_entries

PACKAGES = (
    *("python3-samba", "samba-libs", "python3-ldb", "python3-talloc", "python3-tdb"),
    *("libldb2", "libtalloc2", "libtdb1", "libtevent0t64", "libwbclient0"),
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
OTHERS = [  # types that no policy of ours has, as another editor may write them
    RegistryEntry("Software\\Policies\\X", "Many", 7, "a\0b\0\0".encode("utf-16-le")),
    RegistryEntry("Software\\Policies\\X", "Bytes", 3, b"\1\2\3"),
    RegistryEntry("Software\\Policies\\X", "**del.Old", 1, " \0".encode("utf-16-le")),
    RegistryEntry("Software\\Policies\\X", "\u00fcber", 1, "\u4e2d\U0001f600\0".encode("utf-16-le")),
]


@pytest.fixture(scope="session")
def samba(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("samba"))


def unpacked(folder):
    """Samba's Python modules and the libraries that they need, unpacked in a folder."""
    got = subprocess.run(outside(["apt-get", "download", "-q", *PACKAGES]), cwd=folder, capture_output=True, text=True)
    if got.returncode:
        missing(f"needs Debian's packages of Samba: {got.stderr[-300:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "tree"], check=True)
        package.unlink()
    return folder / "tree"


def of_samba(samba, content, scratch, template=b""):
    files = {"Registry.pol": content, **({"GptTmpl.inf": template} if template else {})}
    for name, text in files.items():
        (scratch / name).write_bytes(text)
    (library,) = samba.glob("usr/lib/*-linux-gnu*/samba")
    environment = {"PATH": os.defpath, "PYTHONPATH": str(samba / "usr/lib/python3/dist-packages")}
    environment["LD_LIBRARY_PATH"] = f"{library.parent}:{library}"
    argv = ["/usr/bin/python3", "-B", str(HERE / "samba_policies.py"), *(str(scratch / name) for name in files)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def test_samba_reads_every_entry_and_writes_the_same_bytes(samba, tmp_path):
    made = list_policy_entries(real_plan(browser_settings=ALL, tenants=TENANTS))
    rules = applocker_rules.list_registry_entries(real_plan()["controls"]["apps"])
    assert len(made) > 1000 and len(rules) > 150
    for values in (made, rules, OTHERS):
        answer = of_samba(
            samba, render_entries(values), tmp_path, applocker_rules.encode_template() if values is rules else b""
        )
        again = base64.b64decode(answer["again"])
        assert again == render_entries(values) and parse_entries(again) == values
        if values is not OTHERS:
            assert answer["entries"] == [
                [entry.key, entry.value_name, entry.type, decode_entry(entry)] for entry in values
            ]
        if values is rules:
            assert base64.b64decode(answer["template"]) == applocker_rules.encode_template()
            assert answer["services"] == [["AppIDSvc", "2", ""]]


@pytest.mark.parametrize(
    "restrictions",
    [
        pytest.param({}, id="as the catalogue has it"),
        pytest.param({"browser_settings": {**ALL, EXTENSIONS: ALLOW_LIST}, "tenants": TENANTS}, id="everything closed"),
    ],
)
def test_samba_computes_the_policies_that_hosts_have(restrictions, samba, tmp_path):
    plan = real_plan(**restrictions)
    computed = of_samba(samba, render_entries(list_policy_entries(plan)), tmp_path)
    of_hosts = {program.id: policies for program, policies in collect_program_policies(plan).items()}
    for name, id_ in (("chrome", "google_chrome"), ("chromium", "chromium")):
        own = {key: value for key, value in of_hosts[id_].items() if value != []}  # an emptied list is none to Samba
        expected = {key: int(value) if key in NUMBERS else value for key, value in own.items()}
        assert {key: json.loads(value) if key in TEXTS else value for key, value in computed[name].items()} == expected
    assert len(computed["chrome"]["URLBlocklist"]) > 500
    texts = ("ExtensionSettings", "Preferences")
    firefox = {key: json.loads(value) if key in texts else value for key, value in computed["firefox"].items()}
    assert firefox == of_hosts["firefox"]


def test_firefox_takes_texts_of_json_where_the_registry_has_no_tables(samba, tree, tmp_path_factory):
    require_tool("firefox-esr")
    plan = real_plan(browser_settings=ALL, tenants=TENANTS)
    found = of_samba(samba, render_entries(list_policy_entries(plan)), tmp_path_factory.mktemp("policy"))["firefox"]
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
    assert answer["policies"] == next(
        said for program, said in collect_program_policies(plan).items() if program == POLICY_PROGRAMS[4]
    )
    assert dict(zip(questions, answer["answers"])) == questions
