"""Rules of polkit, by which users may not ask a service of root's to install something for them (polkit(8))."""

from __future__ import annotations

from functools import partial
from typing import Iterable, Sequence

from .....base.json_text import format_json
from ....system import WRITTEN_BY, Host, ObservationError
from .contact import format_contact
from .parts import BlockFile, BlockTrial

RULES_DIRECTORY = "/etc/polkit-1/rules.d"
# All that polkit reads rules from, one after the other by the names of the files, whatever their directory.
ALL_RULES_DIRECTORIES = (
    RULES_DIRECTORY,
    "/run/polkit-1/rules.d",
    "/usr/local/share/polkit-1/rules.d",
    "/usr/share/polkit-1/rules.d",
)
# An older polkit has no JavaScript rules, and neither of these directories.
RULES_DIRECTORIES = (RULES_DIRECTORY, "/usr/share/polkit-1/rules.d")
PACKAGEKIT_ACTIONS_PATH = (
    "/usr/share/polkit-1/actions/org.freedesktop.packagekit.policy"  # the actions for which polkit is queried
)
# It passes to polkit what it is to install as `name;version;architecture;repository`, joined by `&` (PackageKit's
# pk-transaction.c). Of a file it passes nothing; the package system's own block checks that.
PACKAGE_CONDITION = """\
action.id.indexOf("org.freedesktop.packagekit.package-") == 0
        && action.id != "org.freedesktop.packagekit.package-remove"
        && String(action.lookup("package_ids")).split("&").some(function(id) {{
            return {ids}.indexOf(id.split(";")[0]) >= 0;
        }})"""


def make_packagekit_rule(manager: str, package_ids: Iterable[str], contact: str) -> BlockFile:
    """For the graphical shops, which ask root's PackageKit to install with one of the host's package systems."""
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
    """A rule for everybody but root: no where the condition, a JavaScript expression, is true. Files are read by name,
    and the first answer counts.
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
    """Whether a rule of ours is the first: what another one permits before it is permitted, and one that users can
    change may change what all others do. What those say is code, so it is not known.
    """
    return BlockTrial(path, lambda host: (*ALL_RULES_DIRECTORIES, path), partial(_check_rule_order, path))


def _check_rule_order(path: str, host: Host) -> str:
    own_name = path.rpartition("/")[2]
    rule_files = [
        (folder, name)
        for folder in ALL_RULES_DIRECTORIES
        for name in host.list_directory(folder)
        if name.endswith(".rules")
    ]
    for folder, name in rule_files:
        is_ours = folder == RULES_DIRECTORY and name.startswith("00-proscribe-")  # their own checks say what they are
        if name < own_name and not is_ours:
            raise ObservationError(
                f"polkit asks {folder}/{name} before {own_name}, and may permit to users what that refuses: name it 01-..."
            )
        if folder != RULES_DIRECTORY and (
            changeable_part := host.find_changeable_part(f"{folder}/{name}")
        ):  # that one may be polkit's own user's
            raise ObservationError(f"users can change {changeable_part}, and polkit runs the rules of {folder}/{name}")
    return ""
