"""A waiver's file, from the keys and patterns of its reader (controller/compile/waivers/document.py)."""

from proscribe.controller.compile.waivers import document
from proscribe.model.vocabulary import CONTROLS, REQUEST_ID_PATTERN

from .shapes import about, keyed, listed, matching, one_of, shut

TIME = about(matching(document.MOMENT_PATTERN), "Time with its zone: ISO 8601, such as 2026-12-31T18:00:00+08:00")
TEXT = {"type": "string", "maxLength": document.MAX_TEXT_LENGTH}
NEEDED = {**TEXT, "minLength": 1}


def waiver():
    properties = {key: _of_key(key) for key in document.WAIVER_KEYS}
    schema = shut(keyed(properties, required=document.REQUIRED_KEYS))
    places = [{"required": [key]} for key in document.PLACE_KEYS]
    return {**schema, "anyOf": places}


def _of_key(key):
    if key == "id":
        return about(matching(document.ID_PATTERN), "Id of the waiver, and name of its file without the suffix")
    if key == "controls":
        return listed(one_of(CONTROLS))
    if key == "hours":
        one = matching(document.hours.HOURS_PATTERN)
        return about(
            {"anyOf": [one, listed(one)]},
            "Days and times at which the service is open, in the host's time zone: a text such as `mon-fri "
            "09:00-18:00`, or a list of such texts",
        )
    if key == "request":
        return about(matching(REQUEST_ID_PATTERN), "Id of the user's request that the waiver answers")
    if key in document.LIST_FORMS:
        pattern, what = document.LIST_FORMS[key]
        return listed(about(matching(pattern), what), 1 if key in document.REQUIRED_KEYS else 0)
    if key == "revoked":
        return shut(keyed({part: TIME if part == "on" else NEEDED for part in document.REVOCATION_KEYS}))
    if key in document.TIME_KEYS:
        return TIME
    return NEEDED if key in document.REQUIRED_KEYS else TEXT
