"""Command `proscribe-request` on a host, and its list of services. Both exist as long as the ban.

Everybody may read them and run the command, and only root can change them. If one of the files is edited or missing,
that is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....base.hashing import sha256
from .....base.json_text import dump_json
from .....base.named_tuple import NamedTuple
from .....model.finding import Finding, RuleVerdict, judge_rule
from .....model.plan import compute_once
from ....system import WRITTEN_BY, ControlError, Host, ObservationError
from ..blocks.parts import (
    DIFFERENT_PROBLEM,
    LEFT_OVER_PROBLEM,
    MISSING_PROBLEM,
    BlockFile,
    BlockPart,
    explain_unsafe_file,
    read_file_mode,
)

if TYPE_CHECKING:
    from .....model.types.plan import Plan

COMMAND_PATH = "/usr/local/bin/proscribe-request"
COMMAND_MODE = 0o755
SERVICE_LIST_PATH = "/etc/proscribe/requests.json"
REQUEST_COMMAND_RULE = "apps/request-command"
SERVICE_LIST_SCHEMA = "proscribe/requests/1"


class RequestCommand(NamedTuple):
    """Program `proscribe-request`, with the methods of a part of an install block (blocks/parts.BlockPart).

    A plan has the SHA-256 of the program, so that an audit does not need the program's text.
    """

    digest: str  # SHA-256 of the program; "" if it can only be removed
    path: str = COMMAND_PATH

    def is_applicable(self, host: Host) -> bool:
        return True

    def find_problem(self, host: Host, is_required: bool) -> str:
        """Describe the problem in the program's presence, type, owner, mode or content, or return ""."""
        if host.find_entry(self.path) is None:
            return MISSING_PROBLEM if is_required else ""
        if not is_required:
            return LEFT_OVER_PROBLEM
        if problem := explain_unsafe_file(host, self.path):
            return problem
        if read_file_mode(host, self.path) != COMMAND_MODE:
            return f"has mode {read_file_mode(host, self.path):04o} instead of {COMMAND_MODE:04o}"
        return "" if self._hash_installed(host) == self.digest else DIFFERENT_PROBLEM

    def _hash_installed(self, host: Host) -> str:
        """Return the SHA-256 of the installed program, or "" if it is missing.

        Something else at its path counts as an empty program, whose SHA-256 is never the required one.
        """
        try:
            content = host.read_file(self.path)
        except ControlError:  # not a file, or too large
            content = b""
        return "" if content is None else sha256(content).hexdigest()

    def is_in_place(self, host: Host) -> bool:
        return host.has_traces(self.path)

    def read_current_text(self, host: Host) -> str:
        installed_digest = self._hash_installed(host)
        return f"a program, SHA-256 {installed_digest}\n" if installed_digest else ""

    def make_desired_text(self, host: Host) -> str:
        return f"a program, SHA-256 {self.digest}\n"

    def make_lifted_text(self, host: Host) -> str:
        return ""

    def enforce(self, host: Host) -> None:
        from .command_text import format_command

        host.write_file(self.path, format_command(), COMMAND_MODE)

    def lift(self, host: Host) -> None:
        host.delete_file(self.path)


def list_command_parts(plan: Plan | None) -> tuple[BlockPart, ...]:
    """Return the list of services and the program as parts, in the order in which a run writes them.

    If `plan` is None, the parts can only be removed.
    """
    service_list = compute_once(plan, "apps/request list", lambda: format_service_list(plan)) if plan else ""
    return BlockFile(SERVICE_LIST_PATH, service_list), RequestCommand(find_command_digest(plan) if plan else "")


def find_command_digest(plan: Plan) -> str:
    """Return the SHA-256 of `proscribe-request` that the plan requires, or "" if it requires none."""
    apps = plan["controls"].get("apps")
    return str(apps["settings"].get("requests") or "") if apps else ""


def format_service_list(plan: Plan) -> str:
    """Return the text of the list of services, which `proscribe-request` reads.

    The list has the services of all controls with their common names, and the contact. It also has the address of the
    organisation's page for requests ("" for none). Services that are only reported are left out. A waiver does not
    change the list.
    """
    names: dict[str, dict[str, None]] = {}
    for section in plan["controls"].values():
        for service_id, entry in section["services"].items():
            if entry["mode"] != "report":
                names.setdefault(service_id, {}).update(
                    dict.fromkeys([entry.get("name") or service_id, *entry.get("names", ())])
                )
    content = {
        "schema": SERVICE_LIST_SCHEMA,
        "written_by": WRITTEN_BY,
        "contact": str(plan.get("contact") or ""),
        "request_url": str(plan.get("request_url") or ""),
        "services": [{"id": service_id, "names": [*names[service_id]]} for service_id in sorted(names)],
    }
    return dump_json(content, indent=1) + "\n"


def is_command_required(plan: Plan) -> bool:
    """Return whether `proscribe-request` must be on the host.

    The plan must have its SHA-256, `apps` must be enforced, and some control must enforce a service.
    """
    sections = plan["controls"].values()
    is_enforced = (
        entry["mode"] == "enforce"
        for section in sections
        if section["mode"] == "enforce"
        for entry in section["services"].values()
    )
    return bool(find_command_digest(plan)) and plan["controls"]["apps"]["mode"] == "enforce" and any(is_enforced)


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Return the verdict on `proscribe-request` and its list of services.

    Return [] if `apps` is not enforced, or if the command is neither required nor present.
    """
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    is_required = is_command_required(plan)
    try:
        findings = [
            Finding("command", part.path.rpartition("/")[2], path=part.path, detail=problem)
            for part in list_command_parts(plan)
            if (problem := part.find_problem(host, is_required))
        ]
    except ObservationError as unseen:
        return [judge_rule(REQUEST_COMMAND_RULE, {"mode": section["mode"]}, [], str(unseen))]
    return [judge_rule(REQUEST_COMMAND_RULE, {"mode": section["mode"]}, findings)] if findings or is_required else []
