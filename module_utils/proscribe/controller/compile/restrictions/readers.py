"""Readers for restrictions with a grammar of their own. Each raises UnexpectedValue for a wrong value."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

from ....base.lazy_patterns import compile_pattern
from ....host.controls.browser.browser_settings import SETTINGS, UNMANAGED
from ....model.plan import CONTROLS
from ....model.vocabulary import CONTROL_MODES, URL_PATTERN
from ...policy_errors import DescribedValue, UnexpectedValue
from ...report import exports
from ..reading import grammar
from ..reading.value_readers import (
    NamesReader,
    make_choice_reader,
    make_duration_reader,
    read_line,
    read_mapping,
    read_part,
)
from .tenant_values import read_tenants as read_tenants

# Every user sees all languages, so a longer message would not be read.
MAX_LANGUAGES = 6
LANGUAGE_PATTERN = compile_pattern(r"(?!(?:true|false)\Z)[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}", re.IGNORECASE)
ALL_FEEDS = "all"
ROUND_PATTERN = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
OFF = "off"
MAX_URL_LENGTH = 500  # characters


def read_controls(setting: object) -> Mapping[str, str]:
    """Return the mode of each control; a control that is not in the value is enforced."""
    example = "a mapping such as {apps: enforce, browser: enforce, firewall: audit, dns: 'off'}"
    modes = read_mapping(setting, dict.fromkeys(CONTROLS, make_choice_reader(*CONTROL_MODES)), example)
    return {**dict.fromkeys(CONTROLS, "enforce"), **modes}


def read_browser_settings(setting: object) -> Mapping[str, str]:
    """Return the browser settings that Proscribe manages, with their values.

    Settings that are `unmanaged` are left out.
    """
    readers = {id_: make_choice_reader(*row.allowed_values) for id_, row in SETTINGS.items()}
    values = read_mapping(setting, readers, "a mapping such as {private_windows: blocked, proxies: unmanaged}")
    settings = {**{id_: row.default for id_, row in SETTINGS.items()}, **values}
    return {id_: state for id_, state in settings.items() if state != UNMANAGED}


def _read_extension(setting: object) -> str:
    if grammar.check_chrome_extension(str(setting)) and grammar.check_firefox_extension(str(setting)):
        raise UnexpectedValue("", setting, "the id of a Chrome extension (32 letters) or of a Firefox add-on")
    return str(setting)


read_extensions = NamesReader((), "ids of browser extensions", _read_extension)


def read_history(setting: object) -> str:
    """Return the store of the history: "sqlite", "off", or the URL of a PostgreSQL database."""
    setting = "off" if setting is False else setting  # YAML 1.1 reads an unquoted off as false
    if setting in ("sqlite", "off"):
        return str(setting)
    accepted_forms = 'sqlite, "off", or a URL such as postgresql://proscribe@db.example.org/proscribe'
    try:
        url = urllib.parse.urlsplit(setting) if isinstance(setting, str) and setting.isprintable() else None
    except ValueError:
        url = None
    if url is None or url.scheme.partition("+")[0] != "postgresql" or len(url.path) < 2:
        # The value may contain a password, so the message does not repeat it.
        raise UnexpectedValue("", DescribedValue("something else"), accepted_forms)
    if url.password is not None or "password=" in url.query:
        # The URL is in every report and in the output of Ansible.
        expected = "no password in the URL: put it in ~/.pgpass, in PGPASSFILE or in PGPASSWORD on the controller"
        raise UnexpectedValue("", DescribedValue("a URL with a password"), expected)
    return str(setting)


def read_removed_ids(setting: object) -> tuple[str, ...]:
    """Return ids of waivers, from a list or from a text with commas, as the option -e gives it."""
    if isinstance(setting, str):
        setting = [part.strip() for part in setting.split(",") if part.strip()]
    return NamesReader((), "ids of waivers, or all")(setting)


def read_texts(setting: object) -> str:
    """Return a text for users: a line, or a line for each language, in the order of the mapping."""
    if not isinstance(setting, Mapping):
        if isinstance(setting, str):
            return read_part("", read_line, setting)
        raise UnexpectedValue("", setting, "one line of text, or a mapping by language such as {en: ..., zh-HK: ...}")
    if not 1 <= len(setting) <= MAX_LANGUAGES:
        raise UnexpectedValue("", setting, f"a mapping with 1 to {MAX_LANGUAGES} languages")
    for language, text in setting.items():
        if not LANGUAGE_PATTERN.fullmatch(str(language)) or language is True or language is False:
            hint = "a language such as en or zh-HK (BCP 47), in quotes where YAML reads something else ('no')"
            raise UnexpectedValue(f".{language}", language, hint)
        if not read_part(f".{language}", read_line, text).strip():
            raise UnexpectedValue(f".{language}", text, "the text in this language")
    return "\n".join(map(str, setting.values()))


def read_feeds(setting: object) -> str | tuple[str, ...]:
    """Return the selection of feeds: `all`, `off`, or some ids."""
    if isinstance(setting, list | tuple):
        return NamesReader((), "ids of feeds")(setting)
    return make_choice_reader(ALL_FEEDS, "off")(setting)


def read_exports(setting: object) -> tuple[str, ...]:
    """Return the names of export formats.

    Raises UnexpectedValue if two of them write the same file.
    """
    names = NamesReader(exports.list_export_formats(), "exports")(setting)
    files: dict[str, str] = {}
    for index, name in enumerate(names):
        file = exports.list_export_formats()[name].file_name
        other_name = files.setdefault(file, name)
        if other_name != name:
            raise UnexpectedValue(f"[{index}]", name, f"one of {other_name} and {name}: both are {file}")
    return names


def read_watch_interval(setting: object) -> int:
    """Return the seconds between two observations that a host makes by itself; 0 for off."""
    if setting is False or setting == OFF:  # YAML 1.1 reads an unquoted off as false
        return 0
    try:
        return make_duration_reader(1, 24 * 60)(setting)
    except UnexpectedValue as error:
        raise UnexpectedValue(error.key, error.found_value, f"{error.expected}, or {OFF}") from None


def read_request_url(setting: object) -> str:
    """Return the URL of the page for requests; "" for none."""
    if setting == "":
        return ""
    if not isinstance(setting, str) or len(setting) > MAX_URL_LENGTH or not URL_PATTERN.fullmatch(setting):
        expected = f"a URL such as https://portal.example.org/ask, at most {MAX_URL_LENGTH} characters, or nothing"
        raise UnexpectedValue("", setting, expected)
    return str(setting)


def read_round(setting: object) -> str:
    """Return the id of a round; "" for none.

    Raises UnexpectedValue. A run may be split into slices, each over a part of the inventory. Slices of a round become
    one report.
    """
    text = str(setting) if isinstance(setting, int) and not isinstance(setting, bool) else setting
    if not isinstance(text, str) or (text and not ROUND_PATTERN.fullmatch(text)):
        raise UnexpectedValue("", setting, "an id of letters, digits and the signs . _ : -, at most 64 characters")
    return text
