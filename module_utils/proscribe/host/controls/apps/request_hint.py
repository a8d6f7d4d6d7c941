"""Sentence that names the command `proscribe-request`, for every text that a refused user reads."""

from __future__ import annotations

# For refused users, in the languages of the organisation's own messages.
REQUEST_HINT = 'To request an exception: proscribe-request {service} "reason"'
REQUEST_HINT_HANT = "申請例外許可：proscribe-request {service} 「理由」"
REQUEST_HINT_HANS = "申请例外许可：proscribe-request {service} \u201c理由\u201d"
# A text in simplified characters contains one of these; a text in traditional characters contains none.
SIMPLIFIED_CHARACTERS = frozenset("软请与设应员联组织这个许权规违讯络务门将结删单问题获")


def list_request_hints(text: str, service: str = "SERVICE") -> list[str]:
    """Return the sentence that names the command, in English and in the language of the organisation's text."""
    templates = [REQUEST_HINT]
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        templates.append(REQUEST_HINT_HANT if SIMPLIFIED_CHARACTERS.isdisjoint(text) else REQUEST_HINT_HANS)
    return [hint.format(service=service) for hint in templates]
