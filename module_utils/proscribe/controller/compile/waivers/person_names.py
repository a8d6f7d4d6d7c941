"""Comparison of persons' names: a person has a name, an address and a login, each in many spellings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from ....base.name_folding import fold_name

_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+")
# Lower-case letters of Latin, Cyrillic, Armenian and Greek that look like a Latin letter.
_LATIN_TWINS = str.maketrans(
    "ɑıɡʟ" "авсԁеһіјӏкмнорԛѕтуѵԝхѡ" "սոցհօ" "αγικνορτυχ",
    "aigl" "abcdehijlkmhopqstyvwxw" "ungho" "ayikvoptux",
)  # fmt: skip
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")  # letters without a glyph
# Scripts of Chinese, Japanese and Korean names. None of their letters resembles a Latin word.
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")


class Person(NamedTuple):
    """The names, addresses and logins in a text about a person, in a form that hides differences of spelling."""

    names: frozenset[str]
    addresses: frozenset[str]
    logins: frozenset[str]  # login names without a domain


def is_same_person(first_text: str, second_text: str) -> bool:
    """Return True if two texts may stand for the same person: `Alice Wong <alice@example.org>` and `ALICE`."""
    first, second = _parse_person(first_text), _parse_person(second_text)
    if not first.names.isdisjoint(second.names) or not first.addresses.isdisjoint(second.addresses):
        return True
    if first.addresses and second.addresses:
        return False
    return not first.logins.isdisjoint(second.logins)


def describe_other_script(name: str, approvers: Iterable[str]) -> str:
    """Return the reason why a name may be an approver's name in another alphabet; "" if it may not.

    A person with two spellings could request a waiver by one name, and approve it by the other name.
    """
    for word in re.findall(r"[^\W\d_]+", name):
        scripts = {_find_script(letter): None for letter in word}
        if len(scripts) > 1:
            return f"{name} mixes letters of {' and '.join(sorted(scripts))} in a word"
    others = {_find_script(letter) for letter in name if letter.isalpha()} - {"LATIN", "CJK"}
    if others and all(approver.isascii() for approver in approvers):
        return f"{name} has letters of {min(others)}, which no approver's name has: write it in Latin letters"
    return ""


def _parse_person(text: str) -> Person:
    r"""Return the identifiers in a text such as `Alice Wong <alice@example.org>`, `DOMAIN\login` or `alice`."""
    addresses = _ADDRESS.findall(text)
    name = _ADDRESS.sub("", text).strip(" <>\"'()")
    logins = [address.partition("@")[0].partition("+")[0] for address in addresses]
    if not addresses:
        logins = [name.rpartition("\\")[2].partition("+")[0]]  # DOMAIN\login
    full_addresses = [
        f"{_make_skeleton(login)}@{_make_skeleton(address.partition('@')[2])}"
        for login, address in zip(logins, addresses, strict=False)
    ]
    names = frozenset({_make_skeleton(name)} if name else ())
    return Person(names, frozenset(full_addresses), frozenset(map(_make_skeleton, logins)))


def _make_skeleton(text: str) -> str:
    """Return a text without case, width, accents, invisible letters and punctuation.

    Look-alikes become Latin letters.
    """
    if text.isascii():
        letters = text.lower()
    else:
        marked = unicodedata.normalize("NFD", fold_name(text))
        letters = "".join(c for c in marked if c not in _INVISIBLE_LETTERS).translate(_LATIN_TWINS)
    return "".join(filter(str.isalnum, letters)) or fold_name(text)


def _find_script(letter: str) -> str:
    """Return the script of a letter, by the first word of its Unicode name."""
    if letter.isascii():
        return "LATIN"
    script = unicodedata.name(letter, "UNKNOWN").partition(" ")[0]
    if script.startswith(_EAST_ASIAN):
        return "CJK"
    return "LATIN" if script in ("FULLWIDTH", "MODIFIER", "FEMININE", "MASCULINE") else script
