"""The sentence that names the command `proscribe-request`, for every text that a refused user reads."""

from __future__ import annotations

# For whoever was refused; a text in a language that the organisation's own messages have.
REQUEST_HINT = 'To request an exception: proscribe-request {service} "reason"'
REQUEST_HINT_HANT = "申請例外許可：proscribe-request {service} 「理由」"
REQUEST_HINT_HANS = "申请例外许可：proscribe-request {service} \u201c理由\u201d"
# Of these a text in simplified characters has one, and a text in traditional ones none.
SIMPLIFIED_CHARACTERS = frozenset("软请与设应员联组织这个许权规违讯络务门将结删单问题获")


def list_request_hints(text: str, service: str = "SERVICE") -> list[str]:
    """The sentence that names the command, in English and in the languages that a text of the organisation has."""
    templates = [REQUEST_HINT]
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        templates.append(REQUEST_HINT_HANT if SIMPLIFIED_CHARACTERS.isdisjoint(text) else REQUEST_HINT_HANS)
    return [hint.format(service=service) for hint in templates]
