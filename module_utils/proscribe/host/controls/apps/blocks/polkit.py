"""Rules of polkit (polkit(8)) that stop users from having a root service install something for them."""

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
# An older polkit has no JavaScript rules, and none of these directories.
RULES_DIRECTORIES = (RULES_DIRECTORY, "/usr/share/polkit-1/rules.d")
PACKAGEKIT_ACTIONS_PATH = (
    "/usr/share/polkit-1/actions/org.freedesktop.packagekit.policy"  # the actions for which PackageKit queries polkit
)
# PackageKit passes the packages to polkit as `name;version;architecture;repository`, joined by `&` (pk-transaction.c).
# For a package file it passes no names. The package system's own install block refuses such a file.
PACKAGE_CONDITION = """\
action.id.indexOf("org.freedesktop.packagekit.package-") == 0
        && action.id != "org.freedesktop.packagekit.package-remove"
        && String(action.lookup("package_ids")).split("&").some(function(id) {{
            return {ids}.indexOf(id.split(";")[0]) >= 0;
        }})"""


def make_packagekit_rule(manager: str, package_ids: Iterable[str], contact: str) -> BlockFile:
    """Make the polkit rule that refuses restricted packages of a package system to PackageKit.

    Graphical shops have PackageKit install packages as root.
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

    `condition` is a JavaScript expression. polkit reads the files in the order of their names, and the first answer
    counts.
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
    """Make the trial that Proscribe's polkit rule is read first: an earlier rule may permit the action.

    A rule that users can change may change the answers of all other rules. The other rules are code that Proscribe does
    not evaluate.
    """
    return BlockTrial(path, lambda host: (*ALL_RULES_DIRECTORIES, path), partial(_check_rule_order, path))


def _check_rule_order(path: str, host: Host) -> str:
    """Raise ObservationError if another rule is read before Proscribe's, or if users can change a rule.

    Return "".
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
