"""Every list of publishers.yml, over real https, in its publisher's form: all are taken, and nothing is stale then.

The values are those of the catalogue itself: no list of others lies in this repository.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from list_publisher import certificate, published
from proscribe.controller.cli import command_line as launcher
from proscribe.controller.cli.catalog.publishers import Publisher, read_publishers
from proscribe.controller.compile.catalogue.loading import Catalogue, load

pytestmark = [pytest.mark.integration, pytest.mark.slow]

OWN = Path(__file__).resolve().parents[2] / "catalog"
FORMS: dict[str, Callable[[list[str]], Any]] = {
    "lines": lambda values: "# a list\n" + "\n".join(values) + "\n",
    "hosts": lambda values: "".join(f"0.0.0.0 {value}\n" for value in values),
    "v2fly": lambda values: "include:others\n" + "".join(f"full:{value} @x\n" for value in values),
    "google_ranges": lambda values: json.dumps({"prefixes": [{"ipv4Prefix": value} for value in values]}),
    "ripestat": lambda values: json.dumps({"status": "ok", "data": {"prefixes": [{"prefix": one} for one in values]}}),
    "json_addresses": lambda values: json.dumps([f"https://{value}" for value in values]),
    "onionoo": lambda values: json.dumps(
        {"relays": [{"or_addresses": [f"{one.split('/')[0]}:9001"]} for one in values]}
    ),
}
BY_HAND = {("networks", "doh_dnspod"), ("networks", "doh_qihoo360")}  # addresses of carriers: no publisher has a list


def values_of(publisher: Publisher, catalogue: Catalogue) -> list[str]:
    """What the catalogue has of it, filled up to as many values as its publisher always has."""
    if publisher.into == "feed":
        feed = catalogue.feeds[publisher.of]
        networks, values = feed.kind == "networks", list(feed.values)
    else:
        service = catalogue.services[publisher.of]
        networks, values = publisher.into == "networks", list(getattr(service, publisher.into))
    more = (f"193.0.{number // 250}.{number % 250}/32" if networks else f"n{number}.example" for number in range(5000))
    return [*values, *(one for one, _ in zip(more, range(publisher.least - len(values)), strict=False))]


def adguard(publishers: Iterable[Publisher], catalogue: Catalogue) -> str:
    services = [
        {"id": one.named, "rules": [f"||{name}^" for name in values_of(one, catalogue)]}
        for one in publishers
        if one.format == "adguard_services"
    ]
    return json.dumps({"blocked_services": services})


def test_every_list_is_taken_and_nothing_is_stale_then(
    tmp_path: Path, require_tool: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    require_tool("openssl")
    root = tmp_path / "catalog"
    shutil.copytree(OWN, root)
    publishers, catalogue = read_publishers(root), load([root])
    assert {one.format for one in publishers} == {*FORMS, "adguard_services"}
    answers = {
        one.id: FORMS[one.format](values_of(one, catalogue)) for one in publishers if one.format != "adguard_services"
    }
    pair = certificate(tmp_path)
    with published(pair, {**answers, "services.json": adguard(publishers, catalogue)}) as server:
        text = (root / "publishers.yml").read_text()
        for one in publishers:
            path = "services.json" if one.format == "adguard_services" else one.id
            text = text.replace(f"  url: {one.url}\n", f"  url: https://127.0.0.1:{server.server_port}/{path}\n", 1)
        (root / "publishers.yml").write_text(text)
        command = ["catalog", "refresh", "--catalog", str(root), "--ca-file", str(tmp_path / "ca.pem")]
        assert launcher.main(command) == 0, capsys.readouterr().out
        capsys.readouterr()
        assert launcher.main(command) == 0
        said = capsys.readouterr().out
    assert " new, " not in said and "refused" not in said
    assert launcher.main(["catalog", "check", "--catalog", str(root)]) == 0
    capsys.readouterr()
    launcher.main(["catalog", "stale", "--json", "--catalog", str(root)])
    stale = json.loads(capsys.readouterr().out)["stale"]
    assert {(one["what"], one["id"]) for one in stale} == BY_HAND
