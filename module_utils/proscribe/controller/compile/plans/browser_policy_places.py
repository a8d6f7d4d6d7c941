"""Policy files of the catalogue's browsers on a host, and the names that come first in browser lists."""

from __future__ import annotations

from collections.abc import Iterator

from ....host.controls.browser.policy_places import OWN_FILE, THUNDERBIRD
from ....host.controls.browser.site_rules import fit_names, is_covering, parse_site_name
from ....model.types.plan import BrowserPlace, PlanEntry, PlanSection
from ..catalogue.catalogue_loader import Browser, Catalogue
from ..controls.compiler import drop_empty_keys

# Policy files in Flatpak's extension points are written only on hosts that use flatpak.
FLATPAK_FOLDER = "/var/lib/flatpak"
SANDBOXED_PACKAGINGS = ("flatpak", "snap")  # packagings that isolate a browser from the host's own files


def list_policy_places(catalogue: Catalogue) -> list[BrowserPlace]:
    """Return the policy files of all browsers of the catalogue, in the order of the browsers.

    Browsers may share a file. A file that only unconfirmed sources mention has `present`: the paths of traces of its
    browser. It is written only on hosts with such traces. `elsewhere` of a browser's first file has the packagings
    (flatpak, snap) of the browser that no known file reaches.
    """
    places_by_path: dict[str, BrowserPlace] = {}
    for browser in catalogue.browsers.values():
        for packaging, path in _iterate_confirmed_paths(browser):
            place = places_by_path.setdefault(path, _make_place(browser, path))
            if path.startswith(FLATPAK_FOLDER):
                place["present"] = [FLATPAK_FOLDER]
            _add_browser(place, browser, packaging)
    for browser in catalogue.browsers.values():
        for packaging, path in _iterate_unconfirmed_paths(browser):
            if path not in places_by_path:
                places_by_path[path] = {**_make_place(browser, path), "present": _list_traces(browser, path)}
            _add_browser(places_by_path[path], browser, packaging)
    for browser in catalogue.browsers.values():
        first_place = next((place for place in places_by_path.values() if browser.id in place["browsers"]), None)
        if first_place is not None and first_place["family"] != THUNDERBIRD:
            first_place["elsewhere"] += _list_unreached_packagings(browser)
    # An unconfirmed place without any trace to search for is not written.
    return [drop_empty_keys(place) for place in places_by_path.values() if place.get("present") != []]


def _make_place(browser: Browser, path: str) -> BrowserPlace:
    """Return the place of a policy file, without any browser that reads it.

    `browser` gives its id and family.
    """
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


def _add_browser(place: BrowserPlace, browser: Browser, packaging: str) -> None:
    """Add a browser to the place of a policy file that it reads in this packaging (native, flatpak or snap)."""
    if packaging in SANDBOXED_PACKAGINGS:
        place["flatpaks" if packaging == "flatpak" else "snaps"] += browser.packages.get(packaging, ())
    if browser.id in place["browsers"]:
        return  # already there, in another packaging
    place["browsers"].append(browser.id)
    place["programs"] += [program for program in browser.processes if program not in place["programs"]]
    place["paths"] += [path for path in browser.paths if path.startswith("/") and path not in place["paths"]]
    if not place["path"].startswith(FLATPAK_FOLDER):
        place["fallbacks"] += [path for path in browser.policy_fallbacks if path not in place["fallbacks"]]


def _list_traces(browser: Browser, path: str) -> list[str]:
    """Return the paths that show a browser on a host, in the packaging that reads this policy path."""
    if path.startswith(FLATPAK_FOLDER):
        return [f"{FLATPAK_FOLDER}/app/{id_}" for id_ in browser.packages.get("flatpak", ())]
    return [program_path for program_path in browser.paths if program_path.startswith("/")]


def _list_unreached_packagings(browser: Browser) -> list[str]:
    """Return the sandboxed packagings of a browser for which no policy path is known."""
    known_packagings = {
        packaging for packaging, _ in (*_iterate_confirmed_paths(browser), *_iterate_unconfirmed_paths(browser))
    }
    return [
        f"{sandbox} {id_}"
        for sandbox in SANDBOXED_PACKAGINGS
        if sandbox not in known_packagings
        for id_ in browser.packages.get(sandbox, ())
    ]


def _iterate_confirmed_paths(browser: Browser) -> Iterator[tuple[str, str]]:
    """Yield (packaging, policy file) for each policy file that a good source confirms."""
    yield from ((packaging, f"{folder}/{OWN_FILE}") for packaging, folder in browser.policy_dir.items())
    yield from browser.policy_file.items()


def _iterate_unconfirmed_paths(browser: Browser) -> Iterator[tuple[str, str]]:
    """Yield (packaging, policy file) for each policy file that no good source confirms."""
    for packaging, folders in browser.unverified.get("policy_dir", {}).items():
        yield from ((packaging, f"{folder}/{OWN_FILE}") for folder in folders)
    for packaging, files in browser.unverified.get("policy_file", {}).items():
        yield from ((packaging, file) for file in files)


def note_front_doors(section: PlanSection, catalogue: Catalogue) -> None:
    """Set `front_doors` of each service if the block lists of browsers cannot hold all names of the section.

    Front doors are the addresses that users type. Names that block them come first in the lists
    (host/controls/browser/site_rules.py), so only rarely typed names are left out.
    """
    services = section["services"]
    # Count outside the hours of waivers, when most is blocked.
    closed_services: dict[str, PlanEntry] = {
        id_: {**entry, "mode": entry.get("otherwise", entry["mode"])} for id_, entry in services.items()
    }
    if not fit_names({**section, "services": closed_services}).omitted_names:
        return
    for id_, entry in services.items():
        doors = [parse_site_name(door) for door in catalogue.services[id_].front_doors]
        typed_texts = [
            text
            for text in (*entry["domains"], *entry["urls"])
            if any(is_covering(parse_site_name(text), door) for door in doors)
        ]
        if typed_texts:
            entry["front_doors"] = typed_texts
