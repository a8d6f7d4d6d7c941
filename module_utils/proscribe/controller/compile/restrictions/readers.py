"""Readers of the restrictions that have a grammar of their own. Each raises Expected for a wrong value."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

from ....base.patterns import compile_pattern
from ....host.controls.browser.settings import SETTINGS, UNMANAGED
from ....model.plan import CONTROLS
from ....model.words import CONTROL_MODES, URL_PATTERN
from ...policy_errors import Described, Expected
from ...report import exports
from ..reading import grammar
from ..reading.values import choice, length_of, line, list_of_names, one_of, within
from .tenant_values import read_tenants as read_tenants

# Each is shown to everybody, so more of them would be read by nobody.
MOST_LANGUAGES = 6
LANGUAGE = compile_pattern(r"(?!(?:true|false)\Z)[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}", re.IGNORECASE)
ALL_FEEDS = "all"
ROUND = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
OFF = "off"
LONGEST_URL = 500  # characters


def read_controls(value: object) -> Mapping[str, str]:
    """How far each control goes; one that is not named is enforced."""
    if not isinstance(value, Mapping):
        raise Expected("", value, "a mapping such as {apps: enforce, browser: enforce, firewall: audit, dns: 'off'}")
    modes = dict.fromkeys(CONTROLS, "enforce")
    for name, mode in value.items():
        within(f".{name}", one_of, name, CONTROLS, "a control, ")
        modes[str(name)] = within(f".{name}", choice(*CONTROL_MODES), mode)
    return modes


def read_browser_settings(value: object) -> Mapping[str, str]:
    """What is managed, by setting."""
    if not isinstance(value, Mapping):
        raise Expected("", value, "a mapping such as {private_windows: blocked, proxies: unmanaged}")
    chosen = {id_: row.default for id_, row in SETTINGS.items()}
    for id_, said in value.items():
        within(f".{id_}", one_of, id_, SETTINGS)
        chosen[str(id_)] = str(within(f".{id_}", one_of, said, SETTINGS[id_].allowed_values))
    return {id_: said for id_, said in chosen.items() if said != UNMANAGED}


def read_extensions(value: object) -> tuple[str, ...]:
    """Ids of browser extensions."""
    read = list_of_names(None, "ids of browser extensions")(value)
    for index, item in enumerate(read):
        if grammar.chrome_extension(item) and grammar.firefox_extension(item):
            raise Expected(f"[{index}]", item, "the id of a Chrome extension (32 letters) or of a Firefox add-on")
    return read


def read_history(value: object) -> str:
    """Where runs are remembered: "sqlite", "off", or the URL of a PostgreSQL database."""
    value = "off" if value is False else value  # YAML 1.1 reads an unquoted off as false
    if value in ("sqlite", "off"):
        return str(value)
    known = 'sqlite, "off", or a URL such as postgresql://proscribe@db.example.org/proscribe'
    try:
        url = urllib.parse.urlsplit(value) if isinstance(value, str) and value.isprintable() else None
    except ValueError:
        url = None
    if url is None or url.scheme.partition("+")[0] != "postgresql" or len(url.path) < 2:
        # What stands there may hold a password, so it is not repeated.
        raise Expected("", Described("something else"), known)
    if url.password is not None or "password=" in url.query:
        # The URL is in every report, and in what Ansible prints.
        expected = "no password in the URL: put it in ~/.pgpass, in PGPASSFILE or in PGPASSWORD on the controller"
        raise Expected("", Described("a URL with a password"), expected)
    return str(value)


def read_removed(value: object) -> tuple[str, ...]:
    """Ids of waivers: a list, or one text with commas, as -e gives it."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return list_of_names(None, "ids of waivers, or all")(value)


def read_texts(value: object) -> str:
    """A text for people: one line, or one for each language, in their order."""
    if not isinstance(value, Mapping):
        if isinstance(value, str):
            return within("", line, value)
        raise Expected("", value, "one line of text, or a mapping by language such as {en: ..., zh-HK: ...}")
    if not 1 <= len(value) <= MOST_LANGUAGES:
        raise Expected("", value, f"a mapping with 1 to {MOST_LANGUAGES} languages")
    for language, text in value.items():
        if not LANGUAGE.fullmatch(str(language)) or language is True or language is False:
            hint = "a language such as en or zh-HK (BCP 47), in quotes where YAML reads something else ('no')"
            raise Expected(f".{language}", language, hint)
        if not within(f".{language}", line, text).strip():
            raise Expected(f".{language}", text, "the text in this language")
    return "\n".join(map(str, value.values()))


def read_feeds(value: object) -> str | tuple[str, ...]:
    """Which feeds count: all, none, or some ids."""
    if isinstance(value, list | tuple):
        return list_of_names(None, "ids of feeds")(value)
    return choice(ALL_FEEDS, "off")(value)


def read_exports(value: object) -> tuple[str, ...]:
    """Names of exports, of which no two write the same file."""
    names = list_of_names(exports.formats(), "exports")(value)
    files: dict[str, str] = {}
    for index, name in enumerate(names):
        file = exports.formats()[name].file
        other = files.setdefault(file, name)
        if other != name:
            raise Expected(f"[{index}]", name, f"one of {other} and {name}: both are {file}")
    return names


def read_watch(value: object) -> int:
    """How often a host observes itself, in seconds; 0 for off."""
    if value is False or value == OFF:  # YAML 1.1 reads an unquoted off as false
        return 0
    try:
        return length_of(1, 24 * 60)(value)
    except Expected as wrong:
        raise Expected(wrong.key, wrong.value, f"{wrong.expected}, or {OFF}") from None


def read_request_url(value: object) -> str:
    """The page at which people ask; "" for none."""
    if value == "":
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_URL or not URL_PATTERN.fullmatch(value):
        expected = f"a URL such as https://portal.example.org/ask, at most {LONGEST_URL} characters, or nothing"
        raise Expected("", value, expected)
    return str(value)


def read_round(value: object) -> str:
    """Read the id of a round; a number is one too. Raises Expected."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or (text and not ROUND.fullmatch(text)):
        raise Expected("", value, "an id of letters, digits and the signs . _ : -, at most 64 characters")
    return text
