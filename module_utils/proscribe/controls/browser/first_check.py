"""The first check of a policy file: is it just what Proscribe would write, and nothing beside it?

Most files are. What differs is for the files that know the whole language, which only such a host loads.
"""

from __future__ import annotations

from ...host import ControlError, Host, Unseen
from . import chromium, firefox
from .asked import Asked
from .places import Place
from .sight import Sight, faults, lost


def of_chromium(host: Host, place: Place, asked: Asked) -> Sight:
    """What holds of the policy at a place. Raises ControlError for a plan that no browser could follow."""
    directory, _, own = place.path.rpartition("/")
    content = asked.file(place)
    try:
        if host.list(directory) == ([] if content is None else [own]):
            wrong = faults(host, place.path)
            if not any(wrong[:2]) and (content is None or host.read(place.path) == content):
                return Sight(complete=True)
    except Unseen as unseen:
        return Sight(unseen=str(unseen))
    except ControlError as error:
        wanted = asked.of(place)
        return lost(error, chromium.closing(wanted, place), wanted.chrome_extensions)
    from .chromium_folder import Folder

    return Folder(host, place, asked.of(place)).sight()


def of_firefox(host: Host, place: Place, asked: Asked) -> Sight:
    """What holds of the policy at a place. Raises ControlError for a plan that no browser could follow."""
    wanted = asked.file(place)
    try:
        content = host.read(place.path)
        inherited = next((path for path in place.fallbacks if host.stat(path) is not None), "")
        if content == wanted and not inherited and not any(faults(host, place.path)[:2]):
            return Sight(complete=True)
    except Unseen as unseen:
        return Sight(unseen=str(unseen))
    except ControlError as error:
        rules = asked.of(place)
        return lost(error, firefox.closing(rules, place), rules.firefox_extensions)
    from .firefox_file import PolicyFile

    return PolicyFile(host, place, asked.of(place)).sight()


CHECKS = {"chromium": of_chromium, "firefox": of_firefox, "thunderbird": of_firefox}
