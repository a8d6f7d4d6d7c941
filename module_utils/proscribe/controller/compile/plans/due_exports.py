"""The exports that an organisation feeds to its enforcement points, from the policy of a run."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Mapping

from ....model.types.plan import Plan
from ....model.types.run import DueExport
from ...enforcement_points.decision import make_decision
from ...enforcement_points.format_declaration import ExportError
from ...enforcement_points.signature import ExportSigning
from ...policy_errors import PolicyError, PolicyErrors
from ..inventory.host_variables import CompileInput
from ..inventory.policy_folders import SIGNERS_FILE, find_approver_folders
from ..inventory.report_settings import get_common_setting
from ..restrictions import Restrictions
from ..restrictions.export_settings import FedExport
from .host_plans import CompiledPlans, compile_audience


def add_signing(compiled: CompiledPlans, compile_input: CompileInput, key: str = "") -> CompiledPlans:
    """Return the compiled policy with the key and the signer files for its exports.

    `key` overrides the variable `proscribe_exports_key`. Raises PolicyErrors if hosts disagree.
    """
    return compiled._replace(signing=_make_signing(compile_input, compiled.restrictions, key))


def _make_signing(
    compile_input: CompileInput, restrictions: Mapping[str, Restrictions], key: str = ""
) -> ExportSigning:
    """Return the key for exports (`key`, or else the hosts' common setting), and the paths of signer files."""
    signing_key = key or str(get_common_setting("exports_key", compile_input.hosts, restrictions))
    folders = find_approver_folders(compile_input, restrictions)
    return ExportSigning(signing_key, tuple(str(folder / SIGNERS_FILE) for folder in folders))


def list_due_points(compile_input: CompileInput, compiled: CompiledPlans, now: datetime.datetime) -> list[DueExport]:
    """Return a row for each export in `proscribe_exports_fed` that has a directory: the state it should have.

    A decision is the joined plan of an export's hosts. A row has the digest of the decision from which the files in the
    directory should be made. If no decision can be made, the row has the reason (`why`) instead, and the run goes on.
    Raises PolicyErrors if hosts disagree about the key.
    """
    fed_exports = list_fed_exports(compiled.restrictions.values())
    if not fed_exports:
        return []
    signing = _make_signing(compile_input, compiled.restrictions)
    compile_plans = functools.cache(functools.partial(_compile_export_plans, compile_input, now))
    return [_make_due_point(fed_export, signing, compile_plans(fed_export.group), now) for fed_export in fed_exports]


def _compile_export_plans(
    compile_input: CompileInput, now: datetime.datetime, group: str
) -> Mapping[str, Plan] | PolicyErrors:
    """Return the plans of an export's hosts, or the errors that prevent them."""
    try:
        return compile_audience(compile_input, now, group or "all")
    except PolicyErrors as errors:
        return errors
    except KeyError:
        return PolicyErrors([PolicyError("", "group", group, "a group of the inventory")])


def list_fed_exports(restrictions: Iterable[Restrictions]) -> list[FedExport]:
    """Return the settings `exports_fed` of all hosts, each directory once.

    Settings without a directory are left out.
    """
    by_directory = {
        fed.directory: fed
        for host_restrictions in restrictions
        for fed in host_restrictions.exports_fed
        if fed.directory
    }
    return list(by_directory.values())


def _make_due_point(
    fed_export: FedExport, signing: ExportSigning, plans: Mapping[str, Plan] | PolicyErrors, now: datetime.datetime
) -> DueExport:
    """Return the expected state of an export. If its plans have errors, `plan` is "" and `why` has the reason."""
    from ...enforcement_points.export_formats import (
        EXPORT_FORMATS,  # imported here: few runs need it, and it is slow to load
    )

    digest = reason = ""
    try:
        if isinstance(plans, PolicyErrors):
            raise plans
        digest = make_decision(plans, now, fed_export.group, EXPORT_FORMATS[fed_export.format].controls).digest
    except (ExportError, PolicyErrors) as error:
        reason = str(error)
    return {
        "format": fed_export.format,
        "directory": fed_export.directory,
        "group": fed_export.group,
        "plan": digest,
        "why": reason,
        "access_log": fed_export.access_log,
        "url": fed_export.url,
        "key": signing.key_path,
        "signers": list(signing.signer_paths),
    }
