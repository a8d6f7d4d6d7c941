"""The catalogue's browsers -> the places of their policy files on a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..controls.browser.places import OWN_FILE, THUNDERBIRD
from ..controls.browser.rendering import MOST_ENTRIES, minimal
from ..plan import RESTRICTED
from ..policy_errors import Described, PolicyError
from .catalogue import Browser, Catalogue

# Flatpak's extension points are made only where flatpak is in use.
FLATPAK = "/var/lib/flatpak"
# The packagings that keep a browser apart from the host's own files, by the field of a place that names who reads it.
PACKED = {"flatpak": "flatpaks", "snap": "snaps"}


def places(catalogue: Catalogue) -> list[dict[str, Any]]:
    """One entry per policy file, in the order of the browsers; its keys are the fields of controls.browser.Place.

    A place that only unconfirmed sources name is used where one of its browsers is there (`present`), and no other one
    is known to read it.
    """
    found: dict[str, dict[str, Any]] = {}
    for browser in catalogue.browsers.values():
        for packaging, path in _confirmed(browser):
            place = found.setdefault(path, _place(browser, path))
            place["present"] = [FLATPAK] if path.startswith(FLATPAK) else None
            _add(place, browser, packaging)
    for browser in catalogue.browsers.values():
        for packaging, path in _unconfirmed(browser):
            found.setdefault(path, {**_place(browser, path), "present": _traces(browser, path)})
            _add(found[path], browser, packaging)
    for browser in catalogue.browsers.values():
        first = next((place for place in found.values() if browser.id in place["browsers"]), None)
        if first is not None and first["family"] != THUNDERBIRD:
            first["elsewhere"] += _elsewhere(browser)
    # Of what nobody confirms and nothing on a host would show, nothing is written.
    listed = [place for place in found.values() if place["present"] != []]
    return [{key: value for key, value in place.items() if value} for place in listed]


def _place(browser: Browser, path: str) -> dict[str, Any]:
    keys = ("browsers", "programs", "paths", "fallbacks", "flatpaks", "snaps", "elsewhere")
    lists: dict[str, Any] = {key: [] for key in keys}
    return {"id": browser.id, "family": browser.policy_support, "path": path, **lists}


def _add(place: dict[str, Any], browser: Browser, packaging: str) -> None:
    if packaging in PACKED:
        place[PACKED[packaging]] += browser.packages.get(packaging, ())
    if browser.id in place["browsers"]:
        return  # in another packaging
    place["browsers"].append(browser.id)
    place["programs"] += [program for program in browser.processes if program not in place["programs"]]
    place["paths"] += [path for path in browser.paths if path.startswith("/") and path not in place["paths"]]
    if not place["path"].startswith(FLATPAK):
        place["fallbacks"] += [path for path in browser.policy_fallbacks if path not in place["fallbacks"]]


def _traces(browser: Browser, path: str) -> list[str]:
    """What of a browser's on a host shows that it is there in the packaging that reads a policy path."""
    if path.startswith(FLATPAK):
        return [f"{FLATPAK}/app/{id_}" for id_ in browser.packages.get("flatpak", ())]
    return [one for one in browser.paths if one.startswith("/")]


def _elsewhere(browser: Browser) -> list[str]:
    """The packagings with a file system of their own in which nobody knows where the browser reads policies."""
    known = {packaging for packaging, _ in (*_confirmed(browser), *_unconfirmed(browser))}
    return [f"{one} {id_}" for one in PACKED if one not in known for id_ in browser.packages.get(one, ())]


def _confirmed(browser: Browser) -> Iterator[tuple[str, str]]:
    """Each packaging of a browser, and the policy file that it reads."""
    yield from ((packaging, f"{folder}/{OWN_FILE}") for packaging, folder in browser.policy_dir.items())
    yield from browser.policy_file.items()


def _unconfirmed(browser: Browser) -> Iterator[tuple[str, str]]:
    for packaging, folders in browser.unverified.get("policy_dir", {}).items():
        yield from ((packaging, f"{folder}/{OWN_FILE}") for folder in folders)
    for packaging, files in browser.unverified.get("policy_file", {}).items():
        yield from ((packaging, file) for file in files)


def too_many_names(section: Mapping[str, Any], key: str) -> list[PolicyError]:
    """What is wrong with a plan's browser section where its lists are longer than what browsers take of them.

    They ignore the rest unsaid, and not all the same part of it. `key` is the variable that chooses the services.
    """
    services = section["services"]
    sizes = {
        id_: len(entry["domains"]) + len(entry["urls"])
        for id_, entry in services.items()
        if entry["mode"] in RESTRICTED
    }
    more = 1 if section["settings"]["tenants"].get("microsoft") else 0  # Firefox: where private accounts sign in
    if sum(sizes.values()) + sum(len(entry["allow"]) for entry in services.values()) + more <= MOST_ENTRIES:
        return []
    listed = minimal(services)
    counts = {"blocked": sum(listed.values()) + more, "permitted": len(listed) - sum(listed.values())}
    largest = sorted(sizes, key=lambda id_: (-sizes[id_], id_))[:3]
    return [
        PolicyError(
            "",
            key,
            Described(f"{count} {kind} names in the browsers' list"),
            f"at most {MOST_ENTRIES}, since browsers ignore the rest: leave out a category, or services by"
            f" proscribe_services_exclude; the largest are {', '.join(f'{id_} ({sizes[id_]})' for id_ in largest)}",
        )
        for kind, count in counts.items()
        if count > MOST_ENTRIES
    ]
