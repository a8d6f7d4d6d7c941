"""Format `gpo`: the browsers' policies for Windows, in three forms for three installation routes.

`sysvol` has the directory of a Group Policy object, as in a domain controller's SYSVOL. `backup` is for Import-GPO,
`registry` for import on a machine without a domain. `backup` has the same registry entries as `sysvol`; `registry` has
only the entries of the machine.
"""

from __future__ import annotations

from ....host.controls.group_policy import account_restrictions
from ....host.controls.group_policy.policies import list_policy_entries
from ....host.controls.group_policy.registry_pol import render_entries as registry_pol
from ..browser_formats import (
    BROWSER_CONTROL,
    is_page_blocked,
    list_included_rules,
    list_left_out,
    list_left_out_accounts,
)
from ..file_header import make_header
from ..format_declaration import HTTPS_PATHS, ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport
from ..group_policy import backup, registry_file
from ..group_policy.identity import compute_gpo_version, make_display_name, make_export_guid

USER_VALUES_REASON = (
    "They read these values for each user. A file for a machine has none of them; the object has, where users are in "
    "its units, or with loopback processing."
)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the files of the three forms. Raises ExportError for a plan without policies for browsers."""
    try:
        machine_entries = list_policy_entries(decision.plan)
        user_entries = list(account_restrictions.list_user_entries(decision.plan))
        policy, user_policy = registry_pol(machine_entries), registry_pol(user_entries) if user_entries else b""
    except ValueError as error:
        raise ExportError(f"the policies of browsers have a text that the registry does not take: {error}") from None
    if not machine_entries:
        raise ExportError("nothing to export: the plan has no site, no extension and no setting for a browser")
    object_folder = f"sysvol/{make_export_guid(decision)}"
    # The upper half is the version of the users' part.
    combined_version = compute_gpo_version(decision) * (0x10001 if user_entries else 1)
    ini = f"[General]\r\nVersion={combined_version}\r\ndisplayName={make_display_name(decision)}\r\n"
    comment = make_header(decision, "gpo")
    files = {
        f"{object_folder}/GPT.INI": ini.encode("ascii"),
        f"{object_folder}/Machine/Registry.pol": policy,
        **({f"{object_folder}/User/Registry.pol": user_policy} if user_entries else {}),
        **{f"backup/{name}": content for name, content in backup.render_backup(decision, policy, user_policy).items()},
        "registry/proscribe.reg": registry_file.render_setting_file(machine_entries, comment),
        "registry/remove.reg": registry_file.render_removing_file(machine_entries, comment),
    }
    omissions = list_left_out(decision, "Windows") + list_left_out_accounts(decision)
    if user_entries:
        omissions.append(
            ExportOmission("", "registry/proscribe.reg: private accounts of OneDrive, and Teams", USER_VALUES_REASON)
        )
    return RenderedExport(files, list_included_rules(decision), omissions)


FORMAT = ExportFormat(
    name="gpo",
    purpose="browsers on Windows: a Group Policy object for SYSVOL, its backup for Import-GPO, .reg files",
    controls=(BROWSER_CONTROL,),
    render_export=render_export,
    tested_with="Samba's parser of Registry.pol (4.22), Wine's registry (10.0)",
    main_files="sysvol/{GUID}/Machine/Registry.pol, backup/manifest.xml, registry/proscribe.reg, registry/remove.reg",
    is_blocked=is_page_blocked,
    visible_paths=HTTPS_PATHS,
)
