"""The command `proscribe-request` on a host, and the list of services that it knows: there with the ban, gone with it.

Everybody may read and run both, and root alone can change them. One that was edited or removed is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....base.hashing import sha256
from .....base.json_text import dump_json
from .....base.tuples import NamedTuple
from .....model.finding import Finding, RuleVerdict, judge_rule
from .....model.plan import compute_once
from ....system import WRITTEN_BY, ControlError, Host, ObservationError
from ..blocks.parts import DIFFERS, LEFT_OVER, MISSING, BlockFile, BlockPart, mode_of, unsafe

if TYPE_CHECKING:
    from .....model.types.plan import Plan

COMMAND = "/usr/local/bin/proscribe-request"
MODE = 0o755
KNOWN = "/etc/proscribe/requests.json"
RULE = "apps/request-command"
SCHEMA = "proscribe/requests/1"


class Program(NamedTuple):
    """The command itself. A plan names it by its SHA-256, so that an audit need not have its text."""

    digest: str
    path: str = COMMAND

    def concerns(self, host: Host) -> bool:
        return True

    def wrong(self, host: Host, called_for: bool) -> str:
        if host.find_entry(self.path) is None:
            return MISSING if called_for else ""
        if not called_for:
            return LEFT_OVER
        if problem := unsafe(host, self.path):
            return problem
        if mode_of(host, self.path) != MODE:
            return f"has mode {mode_of(host, self.path):04o} instead of {MODE:04o}"
        return "" if self._seen(host) == self.digest else DIFFERS

    def _seen(self, host: Host) -> str:
        try:
            content = host.read_file(self.path)
        except ControlError:  # no file, or one of any size
            content = b""
        return "" if content is None else sha256(content).hexdigest()

    def in_place(self, host: Host) -> bool:
        return host.has_traces(self.path)

    def text(self, host: Host) -> str:
        found = self._seen(host)
        return f"a program, SHA-256 {found}\n" if found else ""

    def desired(self, host: Host) -> str:
        return f"a program, SHA-256 {self.digest}\n"

    def left(self, host: Host) -> str:
        return ""

    def enforce(self, host: Host) -> None:
        from .command_text import text

        host.write_file(self.path, text(), MODE)

    def lift(self, host: Host) -> None:
        host.delete_file(self.path)


def parts(plan: Plan | None) -> tuple[BlockPart, ...]:
    """The list and the command, in the order in which they are written; without a plan, what is to be taken away."""
    listed = compute_once(plan, "apps/request list", lambda: known(plan)) if plan else ""
    return BlockFile(KNOWN, listed), Program(digest(plan) if plan else "")


def digest(plan: Plan) -> str:
    """Which command belongs on the host, by its SHA-256; "" for none."""
    apps = plan["controls"].get("apps")
    return str(apps["settings"].get("requests") or "") if apps else ""


def known(plan: Plan) -> str:
    """The list: the restricted services with the names that people have for them, the contact, and the organisation's
    own page for requests where it has one. A waiver changes nothing in it.
    """
    names: dict[str, dict[str, None]] = {}
    for section in plan["controls"].values():
        for id_, entry in section["services"].items():
            if entry["mode"] != "report":
                names.setdefault(id_, {}).update(dict.fromkeys([entry.get("name") or id_, *entry.get("names", ())]))
    content = {
        "schema": SCHEMA,
        "written_by": WRITTEN_BY,
        "contact": str(plan.get("contact") or ""),
        "request_url": str(plan.get("request_url") or ""),
        "services": [{"id": id_, "names": [*names[id_]]} for id_ in sorted(names)],
    }
    return dump_json(content, indent=1) + "\n"


def required(plan: Plan) -> bool:
    """Whether the command belongs on a host: where the plan has one, `apps` is enforced, and something is closed by any
    control.
    """
    sections = plan["controls"].values()
    closed = (
        entry["mode"] == "enforce"
        for section in sections
        if section["mode"] == "enforce"
        for entry in section["services"].values()
    )
    return bool(digest(plan)) and plan["controls"]["apps"]["mode"] == "enforce" and any(closed)


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
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
    except ObservationError as unseen:
        return [judge_rule(RULE, {"mode": section["mode"]}, [], str(unseen))]
    return [judge_rule(RULE, {"mode": section["mode"]}, found)] if found or due else []
