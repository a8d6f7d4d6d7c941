"""The command `proscribe-request` on a host, and the list of services that it knows: there with the ban, gone with it.

Everybody may read and run both, and root alone can change them. One that was edited or removed is a finding.
"""

from __future__ import annotations

import json
from typing import Any, Mapping

from ....finding import Finding, Verdict, judge
from ....host import WRITTEN_BY, Host, Unseen
from ....plan import once
from ....programs import REQUEST
from ..blocks.parts import BlockFile

COMMAND = "/usr/local/bin/proscribe-request"
KNOWN = "/etc/proscribe/requests.json"
RULE = "apps/request-command"
SCHEMA = "proscribe/requests/1"
# For whoever was refused; a text in a language that the organisation's own messages have.
HINT = 'To request an exception: proscribe-request {service} "reason"'
HINT_HANT = "申請例外許可：proscribe-request {service} 「理由」"
HINT_HANS = "申请例外许可：proscribe-request {service} “理由”"
# Of these a text in simplified characters has one, and a text in traditional ones none.
HANS = frozenset("软请与设应员联组织这个许权禁规违讯络务门将结删单问题获")
# The file is a program for sh, which runs the same file with a Python; to Python the lines for sh are a text.
HEAD = f"""\
#!/bin/sh
# {WRITTEN_BY}
''':'
for python in /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python /usr/bin/python3.[0-9]*[0-9]; do
    [ -x "$python" ] && exec "$python" -I -S "$0" "$@"
done
echo 'This needs Python, which this host has not: please contact those who look after it.' >&2
exit 1
':'''
"""


def parts(plan: Mapping[str, Any]) -> tuple[BlockFile, ...]:
    """The list and the command, in the order in which they are written."""
    return BlockFile(KNOWN, once(plan, "apps/request list", lambda: known(plan))), BlockFile(
        COMMAND, HEAD + REQUEST, 0o755
    )


def known(plan: Mapping[str, Any]) -> str:
    """The list: the restricted services with the names that people have for them, the contact, and the organisation's
    own page for requests where it has one. A waiver changes nothing in it.
    """
    names: dict[str, dict[str, None]] = {}
    for section in plan["controls"].values():
        for id_, entry in section["services"].items():
            if entry["mode"] != "report":
                names.setdefault(id_, {}).update(dict.fromkeys([entry.get("name") or id_, *entry.get("names", ())]))
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "written_by": WRITTEN_BY,
        "contact": str(plan.get("contact") or ""),
        "request_url": str(plan.get("request_url") or ""),
        "services": [{"id": id_, "names": [*names[id_]]} for id_ in sorted(names)],
    }
    return json.dumps(content, indent=1) + "\n"


def required(plan: Mapping[str, Any]) -> bool:
    """Whether the command belongs on a host: where `apps` is enforced, and something is closed by any control."""
    sections = plan["controls"].values()
    closed = (
        entry["mode"] == "enforce"
        for section in sections
        if section["mode"] == "enforce"
        for entry in section["services"].values()
    )
    return plan["controls"]["apps"]["mode"] == "enforce" and any(closed)


def observe(host: Host, plan: Mapping[str, Any]) -> list[Verdict]:
    """The command's verdict; none where it is not required and not there, or where nothing is enforced."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    due = required(plan)
    try:
        found = [
            Finding("command", part.path.rpartition("/")[2], path=part.path, detail=problem)
            for part in parts(plan)
            if (problem := part.wrong(host, due))
        ]
    except Unseen as unseen:
        return [judge(RULE, section, [], str(unseen))]
    return [judge(RULE, section, found)] if found or due else []


def hints(text: str, service: str = "SERVICE") -> list[str]:
    """The sentence that names the command, in English and in the languages that a text of the organisation has."""
    found = [HINT]
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        found.append(HINT_HANT if HANS.isdisjoint(text) else HINT_HANS)
    return [hint.format(service=service) for hint in found]
