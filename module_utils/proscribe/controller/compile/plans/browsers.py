"""The catalogue's browsers -> the places of their policy files on a host."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterator, Mapping

from ....host.controls.browser.places import OWN_FILE, THUNDERBIRD
from ....host.controls.browser.rendering import MOST_ENTRIES, Verdicts, above, covers, fitting, minimal, name
from ....model.plan import RESTRICTED
from ....model.types.plan import BrowserPlace, Entry, Section
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


def unlisted(section: Section, front_doors: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """By service of a plan's browser section: the names that do not fit into the lists that browsers take; {} where all
    fit. Browsers ignore the rest of a list without a word, and not all of them the same part.

    What is typed comes first: `front_doors` of a service. Then come pages, which the DNS filter does not have, then
    names, in turn one of each service, the shorter ones before. Who uses what is in no source, so the length stands for
    it: people type example.com, and pages load a7.cdn.example.com.
    """
    services = section["services"]
    restricted = {id_: entry for id_, entry in services.items() if entry["mode"] in RESTRICTED}
    # Firefox: where private accounts sign in.
    room = MOST_ENTRIES - (1 if section["settings"]["tenants"].get("microsoft") else 0)
    sizes = [len(entry["domains"]) + len(entry["urls"]) + len(entry["allow"]) for entry in services.values()]
    if sum(sizes) <= room or _fits(services, room):
        return {}
    ordered = sorted(
        (rank, place, id_, text)
        for id_, entry in restricted.items()
        for place, (rank, _, text) in enumerate(_by_rank(entry, front_doors.get(id_, ())))
    )

    def without(count: int) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for _, _, id_, text in ordered[count:]:
            found.setdefault(id_, []).append(text)
        return found

    def fit(count: int) -> bool:
        more = without(count)
        return _fits({id_: {**entry, "unlisted": more.get(id_, [])} for id_, entry in services.items()}, room)

    most = bisect.bisect_left(range(len(ordered) + 1), True, key=lambda count: not fit(count))
    beyond = without(max(most - 1, 0))
    given = Verdicts(fitting({id_: {**entry, "unlisted": beyond.get(id_, [])} for id_, entry in services.items()}))
    # What another name of the lists covers takes no room.
    left = {id_: sorted(text for text in texts if not given.blocked(name(text))) for id_, texts in beyond.items()}
    return {id_: texts for id_, texts in sorted(left.items()) if texts}


def _by_rank(entry: Entry, doors: Collection[str]) -> list[tuple[int, int, str]]:
    """The names of a service, those first that have to be listed most: rank, labels, name."""
    found = {*((1, text) for text in entry["urls"]), *((2, text) for text in entry["domains"])}
    least = {text: rank for rank, text in sorted(found, reverse=True)}
    typed = {text for text in least if any(covers(name(text), name(door)) for door in doors)}
    return sorted((0 if text in typed else rank, text.count("."), text) for text, rank in least.items())


def _fits(services: Mapping[str, Entry], room: int) -> bool:
    smallest = minimal(fitting(services))
    blocked = sum(smallest.values())
    return blocked <= room and len(smallest) - blocked <= MOST_ENTRIES


def open_names(texts: Collection[str], dns: Section | None, id_: str) -> list[str]:
    """Which of a service's names that browsers are not given the DNS filter of the same plan does not close."""
    entry = dns["services"].get(id_) if dns else None
    closed = entry.get("domains", ()) if entry and entry["mode"] == "enforce" else ()
    return [text for text in texts if "/" in text or not set(above(text)) & set(closed)]
