"""Rules of polkit (polkit(8)) that stop users from having a root service install something for them.

Services such as PackageKit install packages as root for an ordinary user. They first ask polkit whether that user may.
"""

from __future__ import annotations

from functools import partial
from typing import Iterable, Sequence

from .....base.json_text import format_json
from ....system import WRITTEN_BY, Host, ObservationError
from .parts import BlockFile, BlockTrial
from .refusal_text import format_contact

RULES_DIRECTORY = "/etc/polkit-1/rules.d"
# All directories of polkit's rules. polkit orders the files by their names alone, across the directories.
ALL_RULES_DIRECTORIES = (
    RULES_DIRECTORY,
    "/run/polkit-1/rules.d",
    "/usr/local/share/polkit-1/rules.d",
    "/usr/share/polkit-1/rules.d",
)
# A host with one of these directories has a polkit with JavaScript rules. An older polkit has none of them.
RULES_DIRECTORIES = (RULES_DIRECTORY, "/usr/share/polkit-1/rules.d")
PACKAGEKIT_ACTIONS_PATH = (
    "/usr/share/polkit-1/actions/org.freedesktop.packagekit.policy"  # the actions for which PackageKit queries polkit
)
# Condition of the rule for PackageKit. PackageKit passes the packages to polkit as
# `name;version;architecture;repository`, joined by `&` (pk-transaction.c). For a package file it passes no names. The
# package system's own install block refuses such a file.
PACKAGE_CONDITION = """\
action.id.indexOf("org.freedesktop.packagekit.package-") == 0
        && action.id != "org.freedesktop.packagekit.package-remove"
        && String(action.lookup("package_ids")).split("&").some(function(id) {{
            return {ids}.indexOf(id.split(";")[0]) >= 0;
        }})"""


def make_packagekit_rule(manager: str, package_ids: Iterable[str], contact: str) -> BlockFile:
    """Make the polkit rule by which PackageKit does not install restricted packages for users.

    Graphical software shops have PackageKit install packages as root. `package_ids` are the restricted packages of the
    package system `manager`.
    """
    reason = f"Restricted packages are not installed here; ask {format_contact(contact)}"
    return make_polkit_rule(
        f"packagekit-{manager}",
        reason,
        PACKAGE_CONDITION.format(ids=format_json(sorted(package_ids))),
        (PACKAGEKIT_ACTIONS_PATH,),
    )


def make_polkit_rule(
    name: str, reason: str, condition: str, needed_paths: Sequence[str] = RULES_DIRECTORIES
) -> BlockFile:
    """Make a polkit rule that refuses an action if `condition` is true, to everybody except root.

    `condition` is a JavaScript expression about the variable `action`. `reason` becomes a comment in the file. polkit
    reads the files in the order of their names, and the first answer counts. So the file's name begins with 00.
    """
    content = f"""\
// {WRITTEN_BY}
// {reason}.
polkit.addRule(function(action, subject) {{
    if (subject.user != "root" && ({condition})) {{
        polkit.log("proscribe: the policy of this organisation refused " + action.id + " to " + subject.user);
        return polkit.Result.NO;
    }}
}});
"""
    return BlockFile(f"{RULES_DIRECTORY}/00-proscribe-{name}.rules", content, needed_paths=tuple(needed_paths))


def make_order_trial(path: str) -> BlockTrial:
    """Make the trial which checks that polkit reads Proscribe's rule, at `path`, before all other rules.

    An earlier rule may permit what Proscribe's rule refuses. The other rules are JavaScript code that Proscribe does
    not evaluate, so only their order is checked. A rule file outside /etc that users can change is a problem too.
    """
    return BlockTrial(path, lambda host: (*ALL_RULES_DIRECTORIES, path), partial(_check_rule_order, path))


def _check_rule_order(path: str, host: Host) -> str:
    """Raise ObservationError if another rule is read before Proscribe's, or if users can change a rule.

    Otherwise return "", which means for a trial that the block works.
    """
    own_name = path.rpartition("/")[2]
    rule_files = [
        (folder, name)
        for folder in ALL_RULES_DIRECTORIES
        for name in host.list_directory(folder)
        if name.endswith(".rules")
    ]
    for folder, name in rule_files:
        # another part of Proscribe's blocks, which has its own check
        is_ours = folder == RULES_DIRECTORY and name.startswith("00-proscribe-")
        if name < own_name and not is_ours:
            raise ObservationError(
                f"polkit asks {folder}/{name} before {own_name}, and may permit to users what that refuses: name it "
                f"01-..."
            )
        if folder != RULES_DIRECTORY and (
            changeable_part := host.find_changeable_part(f"{folder}/{name}")
        ):  # rules in /etc are not tested, because that directory may belong to the user of polkit
            raise ObservationError(f"users can change {changeable_part}, and polkit runs the rules of {folder}/{name}")
    return ""
