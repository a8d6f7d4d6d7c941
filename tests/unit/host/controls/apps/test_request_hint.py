"""The texts that a refused user reads: whom to ask, and the command, in the languages that the organisation's have."""

from __future__ import annotations

from proscribe.host.controls.apps.request_hint import HINT_HANS, HINT_HANT, hints

ENGLISH = 'To request an exception: proscribe-request SERVICE "reason"'
HANT, HANS = (hint.format(service="SERVICE") for hint in (HINT_HANT, HINT_HANS))


def test_the_command_is_named_with_the_service() -> None:
    assert hints("請", "wechat") == [hint.replace("SERVICE", "wechat") for hint in (ENGLISH, HANT)]
