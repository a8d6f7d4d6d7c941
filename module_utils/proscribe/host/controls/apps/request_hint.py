"""The sentence that names the command `proscribe-request`, for every text that a refused user reads."""

from __future__ import annotations

# For whoever was refused; a text in a language that the organisation's own messages have.
HINT = 'To request an exception: proscribe-request {service} "reason"'
HINT_HANT = "申請例外許可：proscribe-request {service} 「理由」"
HINT_HANS = "申请例外许可：proscribe-request {service} \u201c理由\u201d"
# Of these a text in simplified characters has one, and a text in traditional ones none.
HANS = frozenset("软请与设应员联组织这个许权规违讯络务门将结删单问题获")


def hints(text: str, service: str = "SERVICE") -> list[str]:
    """The sentence that names the command, in English and in the languages that a text of the organisation has."""
    found = [HINT]
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        found.append(HINT_HANT if HANS.isdisjoint(text) else HINT_HANS)
    return [hint.format(service=service) for hint in found]
