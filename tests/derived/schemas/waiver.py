"""A waiver's file, from the schema of its reader (controller/compile/waivers/document.py)."""

from proscribe.controller.compile.waivers import document
from proscribe.model.vocabulary import REQUEST_ID_PATTERN

from .service import shape_of
from .shapes import about, keyed, listed, matching, shut

TIME = about(matching(document.MOMENT_PATTERN), "Time with its zone: ISO 8601, such as 2026-12-31T18:00:00+08:00")
TEXT = {"type": "string", "maxLength": document.MAX_TEXT_LENGTH}
NEEDED = {**TEXT, "minLength": 1}
HOURS = matching(document.hours.HOURS_PATTERN)
SPOKEN = {
    "id": about(matching(document.ID_PATTERN), "Id of the waiver, and name of its file without the suffix"),
    "hours": about(
        {"anyOf": [HOURS, listed(HOURS)]},
        "Days and times at which the service is open, in the host's time zone: a text such as `mon-fri "
        "09:00-18:00`, or a list of such texts",
    ),
    "request": about(matching(REQUEST_ID_PATTERN), "Id of the user's request that the waiver answers"),
    "revoked": shut(keyed({part: TIME if part == "on" else NEEDED for part in document.REVOCATION.keys})),
    **dict.fromkeys(document.TIME_KEYS, TIME),
}


def waiver():
    required = document.WAIVER.required
    properties = {
        key: SPOKEN.get(key) or (shape_of(kind) if key in document.LIST_CHECKS else NEEDED if key in required else TEXT)
        for key, kind in document.WAIVER.keys.items()
    }
    places = [{"required": [key]} for key in document.PLACE_KEYS]
    return {**shut(keyed(properties, required=required)), "anyOf": places}
