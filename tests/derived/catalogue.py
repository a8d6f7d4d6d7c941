"""What docs/catalogue.md repeats of the code: package systems, keys with few values, services that nothing finds."""

import textwrap
from pathlib import Path

from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.catalogue.schema import BROWSER, FLAG, PRIVATE, SERVICE
from proscribe.controller.compile.controls.apps import WINDOWS_PACKAGE_SYSTEMS, list_app_identifiers
from proscribe.controller.compile.plans.identifiers import list_blocking_controls
from proscribe.controller.compile.reading.document_schema import TextSchema
from proscribe.controller.compile.reading.grammar import PACKAGE_NAMES, PatternCheck, WordCheck
from proscribe.controller.windows.apps import find_catalogue_gaps
from proscribe.host.controls.apps.systems.package_systems import SYSTEMS
from public_lists import names, standing
from published_lists import left_out, sections

from .part import parts_of, table

CATALOG = Path(__file__).resolve().parents[2] / "catalog"


def package_systems():
    rows = ((f"`{key}`", _expected(key), _managers(key)) for key in PACKAGE_NAMES)
    return table(("key", "a name is", "searched in"), rows)


def _expected(key):
    check = PACKAGE_NAMES[key]
    assert isinstance(check, PatternCheck)
    return check.expected.replace("<", "\\<")  # no markup


def _managers(key):
    """The package systems of hosts that are searched for the names of a key."""
    found = [f"`{system.MANAGER}`" for system in SYSTEMS if key == system.CATALOGUE_KEY]
    if key in WINDOWS_PACKAGE_SYSTEMS:
        return "Windows hosts"
    return ", ".join(found) or "none: data for other tools"


def words():
    rows = []
    for entry, group in (("a service", SERVICE), ("a browser", BROWSER)):
        for key, kind in _with_words(group):
            rows.append((f"`{key}`", entry, ", ".join(f"`{word}`" for word in kind.text_check.words)))
    return table(("key", "of", "one of"), rows)


def _with_words(group):
    texts = [(key, kind) for key, kind in group.keys.items() if isinstance(kind, TextSchema) and kind != FLAG]
    return [(key, kind) for key, kind in texts if isinstance(kind.text_check, WordCheck)]


def nothing_known():
    """The services that are restricted and of which no control has anything."""
    services = read_catalogue([CATALOG]).services.values()
    found = [one.id for one in services if one.enforce and not list_blocking_controls(one)]
    if not found:
        return "Some control has an identifier of every service that the ban enforces.\n"
    return f"No control has an identifier of {len(found)} services: {', '.join(f'`{id_}`' for id_ in found)}.\n"


def windows_programs():
    """Of which services a Windows host can be compliant, and what the catalogue lacks of the others."""
    entries = {one.id: list_app_identifiers(one) for one in read_catalogue([CATALOG]).services.values() if one.enforce}
    known = {id_: lacks for id_, entry in entries.items() if (lacks := find_catalogue_gaps(entry)) is not None}
    rows = [(f"`{id_}`", "; ".join(lacks)) for id_, lacks in known.items() if lacks]
    ids = [f"`{id_}`" for id_, entry in entries.items() if entry.get("windows_packages") and id_ not in known]
    text = (
        f"The catalogue knows a Windows program of {len(known)} of {len(entries)} enforced services. Of "
        f"{len(known) - len(rows)} of them it has both what is installed and what runs. Of {len(ids)} more "
        f"({', '.join(ids)}) it has a package's id alone, which is not counted."
    )
    return f"{textwrap.fill(text, 120)}\n\n{table(('service', 'never compliant on Windows, since'), rows)}"


def mac_programs():
    """Of which services Santa's rules stop programs, and of which nobody has published who signs them."""
    found = [one for one in read_catalogue([CATALOG]).services.values() if one.programs == PRIVATE]
    signed = [one for one in found if one.signing_ids]
    whole = [f"`{one.id}`" for one in signed if one.team_ids]
    on_macs = [one for one in found if one.bundle_ids or one.packages.get("brew_cask")]
    unknown = [f"`{one.id}`" for one in on_macs if not one.signing_ids]
    text = (
        f"The catalogue knows who signs the programs on Macs of {len(signed)} services, all programs of a team for "
        f"{len(whole)} of them ({', '.join(whole)}). Of {len(unknown)} more it knows a program there and not who signs "
        f"it, so no rule stops it: {', '.join(unknown)}."
    )
    return textwrap.fill(text, 120, break_on_hyphens=False) + "\n"


def public_lists():
    """What becomes of the names that two or more public lists have, by service."""
    catalogue = read_catalogue([CATALOG])
    rows = []
    for service, listed in sorted(names().items()):
        found = [standing(catalogue, service, name) for name in listed]
        counts = [str(found.count(what)) for what in ("blocked", "shared", "refused")]
        rows.append((f"`{service}`", str(len(found)), *counts))
    return table(("service", "names in two or more lists", "blocked", "shared", "refused"), rows)


def known_good():
    """Where the known-good names come from, and how many they are."""
    found = sections()
    rows = [(one.title, one.source, f"{len(one.names):,}") for one in found]
    return table(("names of", "from", "names"), (*rows, ("all", "", f"{sum(len(one.names) for one in found):,}")))


def not_known_good():
    rows = ((", ".join(f"`{name}`" for name in one.names), f"`{one.service}`", one.why) for one in left_out())
    return table(("names", "service", "reason"), rows)


OF_LISTS = {"known-good names": known_good, "names that the ban means": not_known_good, "public lists": public_lists}
OF_KEYS = {"package systems": package_systems, "words": words, "services with nothing to look for": nothing_known}
MACS = {"Mac programs": mac_programs}
DERIVED = (
    *parts_of("docs/catalogue.md", OF_LISTS | OF_KEYS),
    *parts_of("docs/windows_and_macs.md", {"Windows programs": windows_programs}),
    *parts_of("docs/managed-desktops.md", MACS),
)
