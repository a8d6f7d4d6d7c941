"""Sentence with the command `proscribe-request`, for every text that Proscribe shows to refused users."""

from __future__ import annotations

# For refused users, in the languages of the organisation's own messages.
REQUEST_HINT = 'To request an exception: proscribe-request {service} "reason"'
REQUEST_HINT_HANT = "申請例外許可：proscribe-request {service} 「理由」"
REQUEST_HINT_HANS = "申请例外许可：proscribe-request {service} \u201c理由\u201d"
# A Chinese text with any of these characters is in simplified characters. A text in traditional characters has none of
# them.
SIMPLIFIED_CHARACTERS = frozenset("软请与设应员联组织这个许权规违讯络务门将结删单问题获")


def list_request_hints(text: str, service: str = "SERVICE") -> list[str]:
    """Return the sentence with the command `proscribe-request`.

    It is in English and, if `text` is Chinese, also in Chinese with the characters of `text`. `text` is the
    organisation's own message.
    """
    templates = [REQUEST_HINT]
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        templates.append(REQUEST_HINT_HANT if SIMPLIFIED_CHARACTERS.isdisjoint(text) else REQUEST_HINT_HANS)
    return [hint.format(service=service) for hint in templates]
