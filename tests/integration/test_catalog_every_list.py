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
import yaml
from list_publisher import certificate, published
from proscribe.controller.cli import command_line as launcher
from proscribe.controller.cli.catalog.publishers import Publisher, read_publishers
from proscribe.controller.compile.catalogue.loading import Catalogue, load

pytestmark = [pytest.mark.integration, pytest.mark.slow]

OWN = Path(__file__).resolve().parents[2] / "catalog"
FORMS: dict[str, Callable[[list[str]], Any]] = {
    "lines": lambda values: "# a list\n" + "\n".join(values) + "\n",
    "hosts": lambda values: "".join(f"0.0.0.0 {value}\n" for value in values),
    "v2fly": lambda values: "include:more\n" + "".join(f"full:{value} @x\n" for value in values),
    "google_ranges": lambda values: json.dumps({"prefixes": [{"ipv4Prefix": value} for value in values]}),
    "ripestat": lambda values: json.dumps({"status": "ok", "data": {"prefixes": [{"prefix": one} for one in values]}}),
    "json_addresses": lambda values: json.dumps([f"https://{value}" for value in values]),
    "adblock": lambda values: "".join(f"||{value}^$all\n" for value in values),
    "links": lambda values: "".join(f"[a resolver](https://{value}/dns-query)\n" for value in values),
    "resolver_links": lambda values: "".join(f"| DoH | `https://{value}/dns-query` |\n" for value in values),
    "zeek_intel": lambda values: "".join(f"{value}\tIntel::DOMAIN\ta list\n" for value in values),
    "item_links": lambda values: "".join(f"* [x](https://{value}/)\n" for value in values),
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
    missing = publisher.least - len(values)
    if publisher.listed:  # with names of their own lists do not copy each other
        return [*values, *filled(f".{publisher.id.replace('_', '-')}.example", max(missing, len(values)))]
    if networks:
        return [*values, *(f"193.0.{number // 250}.{number % 250}/32" for number in range(missing))]
    return [*values, *filled(".example", missing)]


def filled(ending: str, number: int) -> list[str]:
    return [f"n{each}{ending}" for each in range(number)]


def adguard(publishers: Iterable[Publisher], catalogue: Catalogue) -> str:
    services = [
        {"id": one.of, "rules": [f"||{name}^" for name in values_of(one, catalogue)]}
        for one in publishers
        if one.format == "adguard_services"
    ]
    return json.dumps({"blocked_services": services})


def of_lists(publishers: Iterable[Publisher], catalogue: Catalogue) -> dict[str, str]:
    """The files of the lists of recall.yml, each list below its id. A list may serve several feeds."""
    listed: dict[str, set[str]] = {}
    sources = {one.listed.id: one.listed for one in publishers if one.listed}
    for one in publishers:
        if one.listed:
            listed.setdefault(one.id, set()).update(values_of(one, catalogue))
    answers: dict[str, str] = {}
    for id_, source in sources.items():
        first, *others = source.paths
        heading = f"## {source.named[0]}\n" if source.named else ""
        answers[f"{id_}/{first}"] = heading + FORMS[source.format](sorted(listed[id_]))
        more = ["data/more"] if source.format == "v2fly" else []
        answers |= {f"{id_}/{path}": "# no more\n" for path in (*others, *more)}
    return answers


def served_by(root: Path, publishers: Iterable[Publisher], base: str) -> None:
    """Write the addresses of a publisher on this machine into a catalogue."""
    text = (root / "publishers.yml").read_text()
    for one in publishers:
        if not one.listed:
            path = "services.json" if one.format == "adguard_services" else one.id
            text = text.replace(f"  url: {one.url}\n", f"  url: {base}/{path}\n", 1)
    (root / "publishers.yml").write_text(text)
    rows = yaml.load((root / "recall.yml").read_text(), yaml.BaseLoader)
    rows = [{**row, "url": f"{base}/{row['id']}/"} if "url" in row else row for row in rows]
    (root / "recall.yml").write_text(yaml.safe_dump(rows))


def test_every_list_is_taken_and_nothing_is_stale_then(
    tmp_path: Path, require_tool: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    require_tool("openssl")
    root = tmp_path / "catalog"
    shutil.copytree(OWN, root)
    publishers, catalogue = read_publishers(root), load([root])
    assert {one.format for one in publishers} == {*FORMS, "adguard_services"}
    own = [one for one in publishers if not one.listed and one.format != "adguard_services"]
    answers = {one.id: FORMS[one.format](values_of(one, catalogue)) for one in own}
    answers |= {**of_lists(publishers, catalogue), "services.json": adguard(publishers, catalogue)}
    with published(certificate(tmp_path), answers) as server:
        served_by(root, publishers, f"https://127.0.0.1:{server.server_port}")
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
