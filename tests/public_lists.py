"""The catalogue beside the names that two or more public lists have (tests/catalog/public_lists*.yml)."""

from pathlib import Path

import yaml
from proscribe.controller.compile.catalogue.schema import is_address_blocked

LISTS = Path(__file__).resolve().parent / "catalog"
FILES = ("public_lists.yml", "public_lists_storage.yml")


def names():
    """By service: the names that two or more lists have, each with these lists."""
    found = {}
    for file in FILES:
        content = yaml.safe_load((LISTS / file).read_text(encoding="utf-8"))
        for service, lists in content["services"].items():
            by_name = {}
            for source, listed in lists.items():
                for name in listed:
                    by_name.setdefault(str(name), []).append(source)
            found[service] = {name: sorted(sources) for name, sources in by_name.items() if len(sources) > 1}
    return found


def standing(catalogue, service, name):
    """What the catalogue makes of a name: blocked, shared, refused, or "" where it says nothing."""
    entry = catalogue.services[service]
    data = {key: list(getattr(entry, key)) for key in ("domains", "urls", "allow_domains")}
    if is_address_blocked(data, name):
        return "blocked"
    for one in entry.decided:
        if any(name == decided or name.endswith(f".{decided}") for decided in one["names"]):
            return str(one["as"])
    shared = (*entry.shared_domains, *entry.allow_domains)
    return "shared" if any(name == one or name.endswith(f".{one}") for one in shared) else ""
