"""Group Policy: the browsers' policies for machines with Windows, in three forms for three installation routes.

`sysvol` has the folder of one object as a domain controller's SYSVOL has it. `backup` has what Import-GPO reads,
`registry` what a machine without a domain imports. All three say the same entries.
"""

from __future__ import annotations

from ....host.controls.group_policy import accounts
from ....host.controls.group_policy.policies import entries
from ....host.controls.group_policy.registry_pol import render as registry_pol
from ..browsers import CONTROL, accounts_left_out, blocks, included, left_out
from ..declaration import HTTPS, Decision, Format, LeftOut, NotExportable, Rendered
from ..group_policy import backup, registry_file
from ..group_policy.identity import display_name, guid, version
from ..header import header

FOR_USERS = (
    "They read these values for each user. A file for a machine has none of them; the object has, where users are in "
    "its units, or with loopback processing."
)


def render(decision: Decision) -> Rendered:
    """The files. Raises NotExportable for a plan with no policy in it."""
    try:
        values = entries(decision.plan)
        of_users = list(accounts.user(decision.plan))
        policy, user_policy = registry_pol(values), registry_pol(of_users) if of_users else b""
    except ValueError as wrong:
        raise NotExportable(f"the policies of browsers have a text that the registry does not take: {wrong}") from None
    if not values:
        raise NotExportable("nothing to export: the plan has no site, no extension and no setting for a browser")
    object_ = f"sysvol/{guid(decision)}"
    both = version(decision) * (0x10001 if of_users else 1)  # the users' part is the upper half
    ini = f"[General]\r\nVersion={both}\r\ndisplayName={display_name(decision)}\r\n"
    comment = header(decision, "gpo")
    files = {
        f"{object_}/GPT.INI": ini.encode("ascii"),
        f"{object_}/Machine/Registry.pol": policy,
        **({f"{object_}/User/Registry.pol": user_policy} if of_users else {}),
        **{f"backup/{name}": content for name, content in backup.files(decision, policy, user_policy).items()},
        "registry/proscribe.reg": registry_file.setting(values, comment),
        "registry/remove.reg": registry_file.removing(values, comment),
    }
    missing = left_out(decision, "Windows") + accounts_left_out(decision)
    if of_users:
        missing.append(LeftOut("", "registry/proscribe.reg: private accounts of OneDrive, and Teams", FOR_USERS))
    return Rendered(files, included(decision), missing)


FORMAT = Format(
    name="gpo",
    meant_for="browsers on Windows: a Group Policy object for SYSVOL, its backup for Import-GPO, .reg files",
    controls=(CONTROL,),
    render=render,
    accepted_by="Samba's parser of Registry.pol (4.22), Wine's registry (10.0)",
    main="sysvol/{GUID}/Machine/Registry.pol, backup/manifest.xml, registry/proscribe.reg, registry/remove.reg",
    blocks=blocks,
    paths=HTTPS,
)
