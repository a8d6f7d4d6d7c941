"""Sentence with the command by which a refused user requests an exception: `proscribe-request`."""

from __future__ import annotations

# The sentence in English, and in Chinese with traditional (Hant) and simplified (Hans) characters.
REQUEST_HINT = 'To request an exception: proscribe-request {service} "reason"'
REQUEST_HINT_HANT = "申請例外許可：proscribe-request {service} 「理由」"
REQUEST_HINT_HANS = "申请例外许可：proscribe-request {service} \u201c理由\u201d"
# A Chinese text with any of these characters is in simplified characters. A text in traditional characters has none of
# them.
SIMPLIFIED_CHARACTERS = frozenset("软请与设应员联组织这个许权规违讯络务门将结删单问题获")


def list_request_hints(text: str, service: str = "SERVICE") -> list[str]:
    """Return the sentence with the command `proscribe-request` for `service`, in one or two languages.

    The sentence is in English. If the organisation's own message `text` is Chinese, it is also in Chinese, with
    traditional or simplified characters as in `text`. The default `SERVICE` is a placeholder.
    """
    templates = [REQUEST_HINT]
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        templates.append(REQUEST_HINT_HANT if SIMPLIFIED_CHARACTERS.isdisjoint(text) else REQUEST_HINT_HANS)
    return [hint.format(service=service) for hint in templates]
