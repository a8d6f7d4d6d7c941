"""The catalogue's browsers -> the places of their policy files on a host, and which names their lists need first."""

from __future__ import annotations

from collections.abc import Iterator

from ....host.controls.browser.places import OWN_FILE, THUNDERBIRD
from ....host.controls.browser.rendering import fit_names, is_covering, parse_site_name
from ....model.types.plan import BrowserPlace, PlanEntry, PlanSection
from ..catalogue.loading import Browser, Catalogue
from .identifiers import filled

# Flatpak's extension points are made only where flatpak is in use.
FLATPAK = "/var/lib/flatpak"
PACKED = ("flatpak", "snap")  # the packagings that keep a browser apart from the host's own files


def places(catalogue: Catalogue) -> list[BrowserPlace]:
    """One entry per policy file, in the order of the browsers.

    A place that only unconfirmed sources name is used where one of its browsers is there (`present`). No other browser
    may be known to read it.
    """
    found: dict[str, BrowserPlace] = {}
    for browser in catalogue.browsers.values():
        for packaging, path in _confirmed(browser):
            place = found.setdefault(path, _place(browser, path))
            if path.startswith(FLATPAK):
                place["present"] = [FLATPAK]
            _add(place, browser, packaging)
    for browser in catalogue.browsers.values():
        for packaging, path in _unconfirmed(browser):
            if path not in found:
                found[path] = {**_place(browser, path), "present": _traces(browser, path)}
            _add(found[path], browser, packaging)
    for browser in catalogue.browsers.values():
        first = next((place for place in found.values() if browser.id in place["browsers"]), None)
        if first is not None and first["family"] != THUNDERBIRD:
            first["elsewhere"] += _elsewhere(browser)
    # Of what nobody confirms and nothing on a host would show, nothing is written.
    return [filled(place) for place in found.values() if place.get("present") != []]


def _place(browser: Browser, path: str) -> BrowserPlace:
    return {
        "id": browser.id,
        "family": browser.policy_support,
        "path": path,
        "browsers": [],
        "programs": [],
        "paths": [],
        "fallbacks": [],
        "flatpaks": [],
        "snaps": [],
        "elsewhere": [],
    }


def _add(place: BrowserPlace, browser: Browser, packaging: str) -> None:
    if packaging in PACKED:
        place["flatpaks" if packaging == "flatpak" else "snaps"] += browser.packages.get(packaging, ())
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


def note_front_doors(section: PlanSection, catalogue: Catalogue) -> None:
    """Note which names of a plan's browser section people type, where the lists of browsers are too short. They come
    first there (host/controls/browser/rendering.py).
    """
    services = section["services"]
    # Outside of the hours of waivers most is blocked.
    closed: dict[str, PlanEntry] = {
        id_: {**entry, "mode": entry.get("otherwise", entry["mode"])} for id_, entry in services.items()
    }
    if not fit_names({**section, "services": closed}).omitted_names:
        return
    for id_, entry in services.items():
        doors = [parse_site_name(door) for door in catalogue.services[id_].front_doors]
        typed = [
            text
            for text in (*entry["domains"], *entry["urls"])
            if any(is_covering(parse_site_name(text), door) for door in doors)
        ]
        if typed:
            entry["front_doors"] = typed
