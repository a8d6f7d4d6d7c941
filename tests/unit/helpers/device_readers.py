"""Readers of exports for devices that cannot be had here. They are as strict as the vendor's page about a list: a line
that it does not describe fails. Each gives what the device does with a host, by the order of the lists on the page.

The pages are those of the format's declaration. No device was asked: docs/coverage.md.
"""

import csv
import io
import json
import re
from xml.etree import ElementTree

from readers import uppers

LABEL = r"[a-z0-9_-]{1,63}"
HOST = rf"{LABEL}(?:\.{LABEL})*"


def listed(files, name):
    """The lines of a list in which nothing else is described: no comment, no empty line."""
    text = files[name].decode("ascii")
    assert text.endswith("\n"), f"{name}: its last line has no end, or it is empty"
    return text.split("\n")[:-1]


def both(blocked, allowed):
    """Two lists, of which the one that allows comes first."""
    return lambda host: blocked(host) and not allowed(host)


def paloalto_edl(files):
    """URL lists: tokens between `.` and `/`; `*` stands for one or more; a slash at the end ends the host."""

    def entries(name):
        exact, below = set(), set()
        for line in listed(files, name):
            assert len(line) <= 255, line
            found = re.fullmatch(rf"(\*\.)?({HOST})/", line)
            assert found, line
            (below if found[1] else exact).add(found[2])
        return lambda host: host in exact or not below.isdisjoint(uppers(host)[1:])

    return both(entries("blocked.txt"), entries("allowed.txt"))


def fortigate(files):
    """The feed, one name or simple wildcard a line; the local domain filter comes before its category."""
    patterns = []
    for line in listed(files, "blocked.txt"):
        assert re.fullmatch(rf"(\*\.)?{HOST}", line), line
        patterns.append(line)
    table = json.loads(files["allowed.json"])["dnsfilter_domain_filter"]
    assert set(table) == {"id", "name", "entries"} and isinstance(table["id"], int)
    assert [one["id"] for one in table["entries"]] == [*range(1, len(table["entries"]) + 1)]
    allowed = []
    for one in table["entries"]:
        assert set(one) == {"id", "domain", "type", "action", "status"}
        assert (one["action"], one["status"]) == ("allow", "enable")
        assert one["type"] == ("wildcard" if "*" in one["domain"] else "simple")
        assert re.fullmatch(rf"(\*\.)?{HOST}", one["domain"])
        allowed.append(one["domain"])
    return both(_wildcards(patterns), _wildcards(allowed))


def _wildcards(patterns):
    exact = {one for one in patterns if not one.startswith("*.")}
    below = {one[2:] for one in patterns if one.startswith("*.")}
    return lambda host: host in exact or not below.isdisjoint(uppers(host)[1:])


def zscaler(files):
    """Custom categories: a leading period stands for the name and five labels to its left."""

    def category(name):
        document = json.loads(files[name])
        assert set(document) == {"configuredName", "superCategory", "type", "customCategory", "urls"}
        assert re.fullmatch(r"[A-Za-z0-9_.() -]+", document["configuredName"])
        assert (document["superCategory"], document["type"]) == ("USER_DEFINED", "URL_CATEGORY")
        urls = document["urls"]
        assert len(set(urls)) == len(urls) > 0
        for url in urls:
            labels = url[1:].split(".")
            assert url.startswith(".") and re.fullmatch(HOST, url[1:]) and len(url) <= 255, url
            assert len(labels) > 1, f"{url}: only a top-level domain"
            assert not any("_" in label for label in labels[-2:]) and "_" not in labels, url
        return lambda host: not {f".{one}" for one in uppers(host)[:6]}.isdisjoint(urls)

    return both(category("blocked.json"), category("allowed.json"))


def cloudflare_gateway(files):
    """Lists as Terraform makes them of the CSV files, and policies by precedence: the first that matches decides."""
    document = json.loads(files["proscribe.tf.json"])["resource"]
    lists = {}
    for name, one in document["cloudflare_zero_trust_list"].items():
        found = re.fullmatch(r'\$\{csvdecode\(file\("\$\{path\.module\}/([a-z]+_[0-9]+\.csv)"\)\)\}', one["items"])
        assert found and one["type"] == "DOMAIN" and set(one) == {"account_id", "name", "type", "items"}
        assert len(files[found[1]]) < 2_000_000
        rows = list(csv.DictReader(io.StringIO(files[found[1]].decode("ascii")), strict=True))
        values = [row["value"] for row in rows]
        assert all(set(row) == {"value"} and re.fullmatch(HOST, row["value"]) for row in rows)
        assert len(set(values)) == len(values) <= 1_000
        lists[name] = set(values)
    assert {f"{name[10:]}.csv" for name in lists} == {file for file in files if file.endswith(".csv")}
    policies = sorted(document["cloudflare_zero_trust_gateway_policy"].values(), key=lambda one: one["precedence"])
    rules = []
    for one in policies:
        call = re.fullmatch(r'\$\{format\("([^"]*)", ([a-z0-9_., ]+)\)\}', one["traffic"])
        assert call and one["filters"] == ["dns"] and one["enabled"] is True
        names = call[2].split(", ")
        assert call[1] == " or ".join(["any(dns.domains[*] in $%s)"] * len(names))
        those = [re.fullmatch(r"cloudflare_zero_trust_list\.([a-z0-9_]+)\.id", name) for name in names]
        rules.append((one["action"], [lists[found[1]] for found in those if found]))
        assert len(rules[-1][1]) == len(names)

    def blocks(host):
        domains = set(uppers(host))
        return next((action == "block" for action, those in rules if any(domains & one for one in those)), False)

    return blocks


def pihole(files):
    """FTL's gravity-parseList.c; a line that is none of the style is counted there, and ignored."""

    def entries(name, start):
        names = set()
        for line in listed(files, name):
            if line.startswith("#"):
                continue
            assert line.startswith(start) and line.endswith("^"), line
            one = line[len(start) : -1]
            assert len(one) <= 255 and re.fullmatch(r"[a-z0-9._-]+", one), line
            labels = one.split(".")
            assert all(0 < len(label) <= 63 for label in labels) and len(labels[-1]) >= 2, line
            assert not labels[-1].startswith("-") and not labels[-1].endswith("-"), line
            names.add(one)
        assert names, f"{name}: Pi-hole takes an earlier list in place of an empty one"
        return lambda host: not names.isdisjoint(uppers(host))

    return both(entries("blocked.txt", "||"), entries("allowed.txt", "@@||"))


DOMAIN_PATTERN = re.compile(
    r"(?:\*\.)?(?:[\da-zA-Z_][_\w-]{,62}\.){,127}(?:[\da-zA-Z][_\w-]{,61})?[\da-zA-Z]\.(?:xn--[a-zA-Z\d]+|[a-zA-Z\d]{2,})",
    re.ASCII,
)


def opnsense(files):
    """The blocklist with the expressions entered: default_bl.py reads it, dnsbl.py asks the expressions first."""
    names = set()
    for line in listed(files, "blocklist.txt"):
        entry = line.split("#")[0].split()
        if entry:
            assert len(entry) == 1 and DOMAIN_PATTERN.fullmatch(entry[0]) and entry[0].startswith("*."), line
            names.add(entry[0][2:])
    expressions = listed(files, "allowlist.txt")
    assert not any("," in one or "\r" in one for one in expressions)  # the field is a list with commas
    allowed = re.compile("|".join(expressions), re.IGNORECASE)
    return both(lambda host: not names.isdisjoint(uppers(host)), lambda host: allowed.match(host) is not None)


def defender(files):
    """By name, the action of its indicator."""
    columns = "IndicatorType,IndicatorValue,ExpirationTime,Action,Severity,Title,Description,RecommendedActions"
    columns += ",RbacGroups,Category,MitreTechniques,GenerateAlert"
    found = {}
    for name, content in files.items():
        if not name.endswith(".csv"):
            continue
        rows = list(csv.DictReader(io.StringIO(content.decode("ascii"), newline=""), strict=True))
        assert content.startswith(columns.encode() + b"\r\n") and 0 < len(rows) <= 500
        for row in rows:
            assert row["IndicatorType"] == "DomainName" and re.fullmatch(HOST, row["IndicatorValue"])
            assert row["Action"] in ("Allowed", "Block") and row["Title"] and row["Description"]
            assert row["Severity"] in ("Informational", "Low", "Medium", "High")
            assert row["GenerateAlert"] in ("True", "False") and row["ExpirationTime"] == ""
            assert row["IndicatorValue"] not in found
            found[row["IndicatorValue"]] = row["Action"]
    return found


def defender_indicators(files):
    """Each name alone, which is the least that an indicator does."""
    found = defender(files)
    return lambda host: found.get(host) == "Block"


def jamf(files):
    """The applications that records of the Classic API end."""
    found = set()
    for name, content in files.items():
        if not name.endswith(".xml"):
            continue
        record = ElementTree.fromstring(content)
        assert record.tag == "restricted_software" and [part.tag for part in record] == ["general"]
        general = {part.tag: part.text or "" for part in record[0]}
        switches = ("match_exact_process_name", "send_notification", "kill_process", "delete_executable")
        assert set(general) == {"name", "process_name", "display_message", *switches}
        assert all(general[one] in ("true", "false") for one in switches)
        assert (general["match_exact_process_name"], general["kill_process"]) == ("true", "true")
        assert general["delete_executable"] == "false"  # nobody's program is deleted
        assert general["process_name"].endswith(".app") and general["process_name"] not in found
        found.add(general["process_name"])
    return found


# The devices that know names, each with what it does with a host.
DEVICES = {
    "cloudflare_gateway": cloudflare_gateway,
    "defender_indicators": defender_indicators,
    "fortigate": fortigate,
    "opnsense": opnsense,
    "paloalto_edl": paloalto_edl,
    "pihole": pihole,
    "zscaler": zscaler,
}
