"""The texts that a refused user reads: whom to ask, and the command, in the languages that the organisation's have."""

from __future__ import annotations

import pytest
from proscribe.host.controls.apps.blocks.contact import in_each_language, printable
from proscribe.host.controls.apps.request_hint import HINT_HANS, HINT_HANT, hints

ENGLISH = 'To request an exception: proscribe-request SERVICE "reason"'
HANT, HANS = (hint.format(service="SERVICE") for hint in (HINT_HANT, HINT_HANS))


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("", []),
        ("Verboten; frag die IT. \u4dff \ua000", []),
        ("IT 一", [HANT]),
        ("龿", [HANT]),
        ("\u9fff", [HANT]),
        ("本機禁止使用此軟體，請洽資訊處。", [HANT]),
        ("本机禁止使用此软件，请联系信息处。", [HANS]),
        ("Ask 单位", [HANS]),
    ],
)
def test_the_command_is_named_in_english_and_in_the_language_of_the_text(text: str, more: list[str]) -> None:
    assert hints(text) == [ENGLISH, *more]


def test_the_command_is_named_with_the_service() -> None:
    assert hints("請", "wechat") == [hint.replace("SERVICE", "wechat") for hint in (ENGLISH, HANT)]


@pytest.mark.parametrize(
    ("contact", "shown"),
    [("it@example.org", "it@example.org"), ("IT\nroom 4", "IT room 4"), ("", "the administrators of this host")],
)
def test_a_contact_is_one_line(contact: str, shown: str) -> None:
    assert printable(contact) == shown


def test_a_text_of_several_languages_has_a_line_each() -> None:
    assert in_each_language("Ask IT.\n\n請洽資訊處。\n") == ("Ask IT.", "請洽資訊處。")
