"""The catalogue's browsers -> the places where a host keeps policy files for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..controls.browser.places import OWN_FILE
from .catalogue import Browser, Catalogue

# Flatpak's extension points are made only where flatpak is in use.
FLATPAK = "/var/lib/flatpak"


def places(catalogue: Catalogue) -> list[dict[str, Any]]:
    """One entry per policy file, in the order of the browsers; its keys are the fields of controls.browser.Place.

    A place that only unconfirmed sources name is used where one of its browsers is there (`present`), and no other one
    is known to read it.
    """
    found: dict[str, dict[str, Any]] = {}
    for browser in catalogue.browsers.values():
        for path in _confirmed(browser):
            place = found.setdefault(path, _place(browser, path))
            place["present"] = [FLATPAK] if path.startswith(FLATPAK) else None
            _add(place, browser)
    for browser in catalogue.browsers.values():
        for path in _unconfirmed(browser):
            found.setdefault(path, {**_place(browser, path), "present": _traces(browser, path)})
            _add(found[path], browser)
    # Of what nobody confirms and nothing on a host would show, nothing is written.
    kept = [place for place in found.values() if place["present"] != []]
    return [{key: value for key, value in place.items() if value} for place in kept]


def _place(browser: Browser, path: str) -> dict[str, Any]:
    lists: dict[str, Any] = {"browsers": [], "programs": [], "paths": [], "fallbacks": []}
    return {"id": browser.id, "family": browser.policy_support, "path": path, **lists}


def _add(place: dict[str, Any], browser: Browser) -> None:
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


def _confirmed(browser: Browser) -> Iterator[str]:
    yield from dict.fromkeys([f"{folder}/{OWN_FILE}" for folder in browser.policy_dir.values()])
    yield from dict.fromkeys(browser.policy_file.values())


def _unconfirmed(browser: Browser) -> Iterator[str]:
    for folders in browser.unverified.get("policy_dir", {}).values():
        yield from (f"{folder}/{OWN_FILE}" for folder in folders)
    for files in browser.unverified.get("policy_file", {}).values():
        yield from files
