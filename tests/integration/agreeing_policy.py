"""The policy that enforcement points are asked about: two hosts with different waivers, and exports for both."""

import argparse
import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml
from explained import Explained
from proscribe.controller.cli import export
from proscribe.controller.cli.explain.reasons.reason import AUDITED, BLOCKED, DEPENDS, OPEN, STATUSES
from proscribe.host.controls.browser.site_rules import SiteName, is_covering, parse_site_name
from reach_cases import VARIABLES, WAIVED

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
STRICT, OTHER = "desk1", "desk2"  # the second one has waivers of its own, which no point for both of them can have
GROUP = "desks"
OF_OTHER, WITH_HOURS, FOR_USERS = "discord", "mega", "telegram"
OF_OTHER_NAME, WITH_HOURS_NAME = "discord.com", "mega.nz"
# Services with much that stays open below their names.
INCLUDED = ["deepseek", "facebook", "github", "gitlab_com", "sourceforge", "web_translate_archive_proxies"]
BELOW = "all names below the listed ones"  # what a point says that knows exact names only
# How explain says that a browser's lists cannot express something, and which browsers it calls how.
CANNOT, NOBODY = "cannot tell it apart", "\0"
FAMILIES = {"chromium": "Chromium", "chromium in a domain": "Chromium", "firefox": "Firefox"}


def waiver(id_, service, **places):
    persons = {"reason": "r", "requested_by": "a", "approved_by": "b"}
    times = {"approved_on": "2026-11-20T00:00:00Z", "expires": "2026-12-31T18:00:00Z"}
    return {"id": id_, "services": [service], **persons, **times, **places}


def export_into(folder, format_, group):
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    place = folder / "exports" / format_
    words = [format_, "-i", str(folder / "hosts.yml"), "--group", group, "-o", str(place)]
    assert export.run(parser.parse_args([*words, "--at", NOW.isoformat()])) == 0
    return place


def write_inventory(folder, group, hosts, variables, *waivers):
    """Write an inventory with a group, a host of another one, and waivers; return its file."""
    (folder / "waivers").mkdir(parents=True)
    groups = {group: {"hosts": hosts, "vars": variables}, "others": {"hosts": {"another": {}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(groups))
    (folder / "approvers.yml").write_text(f"{group}: {{head: b}}\n")
    for document in waivers:
        (folder / f"waivers/{document['id']}.yml").write_text(yaml.safe_dump(document))
    return folder / "hosts.yml"


class Exported(Explained):
    def __init__(self, folder, fed):
        own = {"requests": False, "dns_backend": "unbound", "services_include": INCLUDED, "watch": "5m"}
        own["browser_settings"] = {"remote_debugging": "unmanaged"}  # tests control the browsers
        variables = {**VARIABLES, **{f"proscribe_{name}": value for name, value in own.items()}}
        hosts = {STRICT: {"proscribe_exports_fed": sorted(fed)}, OTHER: {}}
        waivers = (
            waiver("w1", WAIVED, groups=[GROUP]),
            waiver("w2", OF_OTHER, hosts=[OTHER]),
            waiver("w3", WITH_HOURS, hosts=[OTHER], hours=["mon-fri 12:00-13:00"], controls=["browser", "dns"]),
            waiver("w4", FOR_USERS, groups=[GROUP], users=["alice"], controls=["firewall"]),
        )
        super().__init__(write_inventory(folder, GROUP, hosts, variables, *waivers), NOW, GROUP)
        self.folder = folder

    def export(self, format_):
        return export_into(self.folder, format_, GROUP)

    def files(self, format_):
        """Its files in the directory itself, but for the manifest, which `left_out` reads."""
        files = [file for file in self.export(format_).iterdir() if file.name != "manifest.json"]
        return {file.name: file.read_text("ascii") for file in files}

    def left_out(self, format_):
        """What the manifest of an export says that its point does not do as hosts do."""
        manifest = json.loads((self.folder / "exports" / format_ / "manifest.json").read_text())
        return list(manifest["left_out"])


def is_address(word):
    return not word.startswith("http") and word.rpartition(":")[2].isdecimal()


def host_of(word):
    return urlsplit(word).hostname or "" if "://" in word else word.lower()


class Answer(NamedTuple):
    status: str
    reasons: Sequence[Mapping[str, Any]]

    def closed(self, point):
        """Whether it is closed at a point: browsers whose lists cannot say it are named, and count for themselves."""
        cannot = {item["text"] for item in self.reasons if CANNOT in item["text"]}
        for text in cannot:
            if text.startswith(FAMILIES.get(point, NOBODY)):
                return text.endswith("blocks it")
        others = [item["answer"] for item in self.reasons if item["text"] not in cannot]
        status = min(others, key=STATUSES.index, default=OPEN) if cannot else self.status
        assert status not in (DEPENDS, AUDITED), self
        return status == BLOCKED


def stated(point, word, answer, left_out, listed):
    """Whether a point refuses an address, by the answer for a host and what the manifest says of the differences."""
    opened_by = {(reason["service"], reason["waiver"]) for reason in answer.reasons if reason["waiver"]}
    exact = any(item["what"] == BELOW for item in left_out)
    for item in left_out:
        if item["what"].startswith("waiver "):
            service, id_ = item["rule"].partition("/")[2], item["what"].split()[1]
            if (service, id_) in opened_by:
                return not exact or host_of(word) in listed
    closed = answer.closed(point)
    blocking = [item["text"] for item in answer.reasons if item["answer"] == "blocked"]
    for item in left_out:
        kind, _, what = item["what"].partition(" ")
        if kind == "path" and "://" in word:
            path, _, note = what.partition(", ")
            target = urlsplit(word)
            if is_covering(parse_site_name(path), SiteName(host_of(word), target.path)):
                over_tls = target.scheme == "https"
                closed = bool(note) or (closed and point == "squid" and not over_tls)
        elif item["what"] == BELOW:
            closed = closed and host_of(word) in listed
        elif kind == "name" and host_of(word) == what:
            closed = False
        elif item["rule"] == "firewall/own-rules":
            closed = closed and not all("proscribe_firewall_rules" in text for text in blocking)
        elif item["what"] == "the port that is refused everywhere":
            closed = closed and not all("DNS over TLS" in text for text in blocking)
    return closed
