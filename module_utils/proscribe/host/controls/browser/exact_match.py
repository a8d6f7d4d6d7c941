"""The first check of a policy file: is it just what Proscribe would write, and nothing beside it?

Most files are. What differs is for the files that know the whole language, which only such a host loads.
"""

from __future__ import annotations

from ...system import ControlError, Host, ObservationError
from . import firefox_preferences
from .desired import LANGUAGES, Desired
from .observed import Observed, faults, lost
from .places import Place
from .settings import REMOTE_DEBUGGING


def check(host: Host, place: Place, desired: Desired) -> Observed:
    """Return what is in effect at a place. Raises ControlError for a plan that no browser could follow."""
    observed = _check_policy(host, place, desired)
    content = firefox_preferences.render(REMOTE_DEBUGGING in desired.closed)
    try:
        beside = firefox_preferences.check(host, place, content)
    except ObservationError as unseen:
        if content is None or observed.unseen:
            return observed
        if observed.complete:
            return observed._replace(unseen=str(unseen))
        return observed._replace(unclear=observed.unclear or str(unseen))
    except ControlError as error:
        beside = firefox_preferences.Faults(others=[str(error)] if content is not None else [])
    return firefox_preferences.add_faults(observed, beside)


def _check_policy(host: Host, place: Place, desired: Desired) -> Observed:
    """Return what is in effect of the policy file of a place."""
    of_chromium = place.family == "chromium"
    content = desired.file(place)
    try:
        if (_is_whole_folder if of_chromium else _is_whole_file)(host, place, content):
            return Observed(complete=True)
    except ObservationError as unseen:
        return Observed(unseen=str(unseen))
    except ControlError as error:
        rules = desired.of(place)
        extensions = rules.chrome_extensions if of_chromium else rules.firefox_extensions
        return lost(error, LANGUAGES[place.family].closing(rules, place), extensions)
    if of_chromium:
        from .chromium_folder import Folder

        return Folder(host, place, desired.of(place)).observed()
    from .firefox_file import PolicyFile

    return PolicyFile(host, place, desired.of(place)).observed()


def _is_whole_folder(host: Host, place: Place, content: bytes | None) -> bool:
    directory, _, own = place.path.rpartition("/")
    if host.list_directory(directory) != ([] if content is None else [own]) or any(faults(host, place.path)[:2]):
        return False
    return content is None or host.read_file(place.path) == content


def _is_whole_file(host: Host, place: Place, content: bytes | None) -> bool:
    if host.read_file(place.path) != content or any(host.find_entry(path) is not None for path in place.fallbacks):
        return False
    return not any(faults(host, place.path)[:2])
