"""The project's own catalogue, and what a load makes of it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_catalogue import OWN, Made
from proscribe.controller.compile.catalogue.loading import Catalogue, load
from proscribe.controller.compile.catalogue.schema import BROWSER, CATEGORIES, SERVICE


@pytest.fixture
def own(own_catalogue: Catalogue) -> Catalogue:
    return own_catalogue


@pytest.fixture(scope="module")
def written() -> dict[Path, Any]:
    """What an ordinary YAML reader makes of the project's files."""
    return {path: yaml.load(path.read_bytes(), yaml.CSafeLoader) for path in sorted(OWN.rglob("*.yml"))}


def test_the_project_s_own_catalogue_is_whole(own: Catalogue, written: dict[Path, Any]) -> None:
    files = {(path.parent.name, path.stem) for path in OWN.glob("*/*.yml") if path.parent.name != "feeds"}
    assert files == {(one.category, one.id) for one in own.services.values()}
    assert {category for category, _ in files} == set(CATEGORIES)
    browsers = written[OWN / "browsers.yml"]["browsers"]
    assert sorted(own.browsers) == sorted(one["id"] for one in browsers)
    assert len(own.version) == 12


def test_report_only_entries_are_the_generic_tools_and_documents_that_offices_share(own: Catalogue) -> None:
    generic = (
        "desktop_cloud_integration local_proxy_tools mail_clients_generic nextcloud_owncloud syncthing "
        "web_translate_archive_proxies wireguard_openvpn zoom_chat"
    )
    documents = "cn_online_documents evernote notion"
    assert {s.id for s in own.services.values() if not s.enforce} == {*generic.split(), *documents.split()}


def test_only_services_with_business_accounts_on_their_own_domains_have_tenants(own: Catalogue) -> None:
    assert {s.id: s.tenants for s in own.services.values() if s.tenants} == {
        "gmail": "google",
        "google_chat": "google",
        "gemini": "google",
        "google_docs": "google",
        "google_drive": "google",
        "google_keep": "google",
    }


def test_circumvention_is_for_consumers_and_has_a_class(own: Catalogue) -> None:
    assert all(
        s.audience == "consumer" and s.service_class for s in own.services.values() if s.category == "circumvention"
    )


def test_a_service_is_read_as_it_is_written(own: Catalogue) -> None:
    wechat = own.services["wechat"]
    assert wechat.packages["flatpak"] == ("com.tencent.WeChat",)
    assert wechat.processes == ("wechat", "WeChatAppEx")
    assert "/opt/wechat/wechat" in wechat.paths
    assert "work.weixin.qq.com" in wechat.allow_domains
    assert wechat.overlaps_with == ("wecom",)
    assert Path(wechat.file) == OWN / "instant_messaging" / "wechat.yml"
    assert own.browsers["firefox_esr"].policy_file == {"native": "/etc/firefox/policies/policies.json"}


def test_own_files_have_the_keys_in_the_order_of_the_schema(written: dict[Path, Any]) -> None:
    for path, document in written.items():
        if path.parent.name in CATEGORIES:
            assert list(document) == [key for key in SERVICE.keys if key in document], path
    for browser in written[OWN / "browsers.yml"]["browsers"]:
        assert list(browser) == [key for key in BROWSER.keys if key in browser]


def test_every_value_is_the_same_text_for_an_ordinary_yaml_reader(written: dict[Path, Any]) -> None:
    """No value depends on this loader's reading everything as text, but the flags and the days."""

    def values(data: Any) -> list[Any]:
        if isinstance(data, dict):
            return [value for item in data.values() for value in values(item)]
        return [value for item in data for value in values(item)] if isinstance(data, list) else [data]

    for path, document in written.items():
        types = {type(value) for value in values(document)}
        assert types <= {str, bool, date}, path


def keys_of(page: str, heading: str) -> set[str]:
    """The keys in the first column of the table below a heading."""
    rows = page.partition(f"\n## {heading}\n")[2].partition("| --- |")[2].partition("\n\n")[0].splitlines()[1:]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_documentation_has_every_key_and_no_other_and_its_example_loads(tmp_path: Path) -> None:
    page = (OWN.parent / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert keys_of(page, "Keys of a service") == set(SERVICE.keys)
    assert keys_of(page, "Keys of a browser") == set(BROWSER.keys)
    example = page.partition("```yaml\n")[2].partition("```")[0]
    directory = Made(tmp_path)(example, "instant_messaging/parrot.yml")
    assert load([OWN, directory]).services["parrot"].networks == ("198.51.100.0/24",)
