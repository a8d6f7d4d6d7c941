"""The files for the registry editor, imported into Wine's registry: its values are read back, and removed again."""

import base64
import datetime
import re

import pytest
from browser_setup import real_plan
from conftest import layers
from proscribe.controller.enforcement_points.decision import make_decision
from proscribe.controller.enforcement_points.formats.gpo import render_export
from proscribe.controller.enforcement_points.group_policy import registry_file
from proscribe.host.controls.browser.browser_settings import BLOCKED, SETTINGS
from proscribe.host.controls.group_policy.policies import list_policy_entries
from proscribe.host.controls.group_policy.registry_pol import (
    DWORD_TYPE,
    EMPTY_KEY_NAME,
    RegistryEntry,
    decode_entry,
    make_emptying_entry,
    make_number_entry,
    make_text_entry,
)
from test_apps_real_dpkg import SOURCE, Machine

pytestmark = pytest.mark.nightly

ENVIRONMENT = ("HOME=/root", "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=", "XDG_RUNTIME_DIR=/tmp")
BELOW = "HKEY_LOCAL_MACHINE\\Software\\Policies"
VALUE = re.compile(r'"(?P<name>[^"]*)"=(?:"(?P<text>.*)"|dword:(?P<number>.*)|hex\(1\):(?P<bytes>.*))')


class Registry:
    """Wine's registry on a throw-away Debian."""

    def __init__(self, machine, files):
        self._machine, self._files = machine, files
        self._wine("wineboot", "-i")

    def _wine(self, *words, check=True):
        return self._machine.run("env", *ENVIRONMENT, "wine", *words, check=check).returncode == 0

    def import_file(self, content):
        (self._files / "x.reg").write_bytes(content)
        self._wine("reg", "import", "Z:\\debs\\x.reg")

    def values(self):
        """All values below the policies, by key and name, as `reg export` has them."""
        if not self._wine("reg", "export", BELOW, "Z:\\tmp\\out.reg", "/y", check=False):
            return {}
        exported = base64.b64decode(self._machine.run("base64", "/tmp/out.reg").stdout).decode("utf-16")
        values = {}
        key = ""
        for line in exported.replace("\\\r\n  ", "").split("\r\n"):
            if line.startswith("["):
                key = line[1:-1].partition("\\")[2].lower()
            elif match := VALUE.fullmatch(line):
                values[key, match["name"]] = parse_data(match)
        return values


def parse_data(match):
    if match["number"]:
        return int(match["number"], 16)
    if match["bytes"]:
        return bytes.fromhex(match["bytes"].replace(",", "")).decode("utf-16-le")[:-1]
    return re.sub(r"\\(.)", r"\1", match["text"])


@pytest.fixture
def registry(tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    machine = Machine(tmp_path_factory.mktemp("wine"), layers("trixie-wine"), SOURCE, files)
    try:
        yield Registry(machine, files)
    finally:
        machine.stop()


def expected(made):
    said = {(one.key.lower(), one.value_name): decode_entry(one) for one in made if one.value_name != EMPTY_KEY_NAME}
    return {name: value for name, value in said.items() if isinstance(value, (str, int))}


def test_wine_has_the_values_of_the_export_and_loses_them_again(registry):
    plan = real_plan(browser_settings=dict.fromkeys(SETTINGS, BLOCKED), request_url="https://corp.example/ask")
    moment = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)
    files = render_export(make_decision({"host1": plan}, moment, needed_controls=("browser",))).files
    ours = expected(list_policy_entries(plan))
    assert len(ours) > 1000
    chrome = "Software\\Policies\\Google\\Chrome"
    theirs = [
        make_text_entry(chrome, "HomepageLocation", "https://corp.example"),
        make_text_entry("Software\\Policies\\X", "Y", "z"),
    ]
    earlier = [
        make_text_entry(f"{chrome}\\URLAllowlist", "900", "chat.example"),
        make_number_entry(chrome, "BuiltInDnsClientEnabled", 1),
    ]
    registry.import_file(registry_file.render_setting_file([*theirs, *earlier], []))
    assert registry.values() == expected([*theirs, *earlier])
    for _ in range(2):
        registry.import_file(files["registry/proscribe.reg"])
        assert registry.values() == {**expected(theirs), **ours}
    registry.import_file(files["registry/remove.reg"])
    assert registry.values() == expected(theirs)


def test_texts_that_look_like_a_file_stay_texts(registry):
    key = "Software\\Policies\\Hostile"
    others = [make_number_entry("Software\\Policies\\Kept", "Value", 1)]
    texts = ('"\\', '\\"=-', f"[-{BELOW}\\Kept]", "; comment", "%SystemRoot%", "caf\u00e9 \u4e2d", "a\tb")
    hostile = [make_text_entry(key, str(number), value) for number, value in enumerate(texts)]
    hostile += [make_emptying_entry(f"{key}\\List"), make_text_entry(f"{key}\\List", "1", "hex(1):00,00")]
    hostile.append(RegistryEntry(key, "8", DWORD_TYPE, b"\xff\xff\xff\xff"))
    registry.import_file(
        registry_file.render_setting_file([*others, *hostile], ["[-HKEY_LOCAL_MACHINE\\Software\\Policies\\Kept]"])
    )
    assert registry.values() == expected([*others, *hostile])
    lines = make_text_entry(key, "9", f'x"\r\n[-{BELOW}\\Kept]\r\n')
    registry.import_file(registry_file.render_setting_file([lines], []))
    assert expected(others).items() <= registry.values().items()
    registry.import_file(registry_file.render_removing_file([*hostile, lines], []))
    assert registry.values() == expected(others)
