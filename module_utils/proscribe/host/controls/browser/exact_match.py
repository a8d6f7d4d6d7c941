"""The first check of a policy file: is it just what Proscribe would write, and nothing beside it?

Most files are. What differs is for the files that know the whole language, which only such a host loads.
"""

from __future__ import annotations

from ...system import ControlError, Host, Unseen
from . import chromium, firefox
from .desired import Desired
from .observed import Observed, faults, lost
from .places import Place


def of_chromium(host: Host, place: Place, desired: Desired) -> Observed:
    """What is in effect of the policy at a place. Raises ControlError for a plan that no browser could follow."""
    directory, _, own = place.path.rpartition("/")
    content = desired.file(place)
    try:
        if host.list(directory) == ([] if content is None else [own]):
            wrong = faults(host, place.path)
            if not any(wrong[:2]) and (content is None or host.read(place.path) == content):
                return Observed(complete=True)
    except Unseen as unseen:
        return Observed(unseen=str(unseen))
    except ControlError as error:
        rules = desired.of(place)
        return lost(error, chromium.closing(rules, place), rules.chrome_extensions)
    from .chromium_folder import Folder

    return Folder(host, place, desired.of(place)).observed()


def of_firefox(host: Host, place: Place, desired: Desired) -> Observed:
    """What is in effect of the policy at a place. Raises ControlError for a plan that no browser could follow."""
    expected = desired.file(place)
    try:
        content = host.read(place.path)
        inherited = next((path for path in place.fallbacks if host.stat(path) is not None), "")
        if content == expected and not inherited and not any(faults(host, place.path)[:2]):
            return Observed(complete=True)
    except Unseen as unseen:
        return Observed(unseen=str(unseen))
    except ControlError as error:
        rules = desired.of(place)
        return lost(error, firefox.closing(rules, place), rules.firefox_extensions)
    from .firefox_file import PolicyFile

    return PolicyFile(host, place, desired.of(place)).observed()


CHECKS = {"chromium": of_chromium, "firefox": of_firefox, "thunderbird": of_firefox}
