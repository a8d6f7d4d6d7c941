"""Where this code is: a checkout of the project, or an installed collection. Every path and name that depends on it is
here, so nothing else has to know. Controller only.

A checkout may write into its own folder, and its modules have short names. A collection is written by its installer
alone: reports go to the project of the user, and modules, playbooks and filters have full names.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

COLLECTIONS, PLUGINS = "ansible_collections", "plugins"


def collection_of(file: str) -> str:
    """The full name of the collection that a file of this package belongs to; "" for a checkout."""
    parts = Path(file).parts
    # .../ansible_collections/NAMESPACE/NAME/plugins/module_utils/proscribe/wire/FILE
    inside = len(parts) > 8 and parts[-8] == COLLECTIONS and parts[-5] == PLUGINS
    return ".".join(parts[-7:-5]) if inside else ""


_FILE = os.path.abspath(__file__)
COLLECTION = collection_of(_FILE)
# Not resolved: a developer's collection is often a link, and its name is in the path of the link.
CODE = Path(_FILE).parents[2]  # module_utils/
ROOT = Path(_FILE).parents[4] if COLLECTION else Path(_FILE).resolve().parents[3]
CATALOGUE = ROOT / "catalog"
PLAYBOOKS = ROOT / "playbooks"
LAUNCHER = str(CODE.parent / "proscribe")  # of a checkout, as is its configuration
CONFIGURATION = str(CODE.parent / "ansible.cfg")
COMMAND = CODE / "proscribe_command.py"  # of a collection, instead of the launcher


def reports(environment: Mapping[str, str] = os.environ, named: Path | None = None) -> Path:
    """The directory of reports and of all state between runs: PROSCRIBE_REPORTS (a job's mount), else what the
    inventory has `named` (proscribe_reports), else the usual place.
    """
    return Path(environment.get("PROSCRIBE_REPORTS") or named or _usual_reports(environment)).absolute()


def _usual_reports(environment: Mapping[str, str]) -> Path:
    """`reports/` of the checkout, or, where this account cannot write there, in its own state directory. For a
    collection it is `reports/` in the directory in which the command was started, which is the project of the user.
    """
    if COLLECTION:
        return Path.cwd() / "reports"
    usual = ROOT / "reports"
    if os.access(usual if os.path.lexists(usual) else ROOT, os.W_OK):
        return usual
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME') or _home()}/.local/state"
    return Path(state, "proscribe/reports")


def _home() -> str:
    """The home of this account; "/" for one that has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def user_project() -> Path | None:
    """The project of a collection's user: the directory in which the command was started. None in a checkout."""
    return Path.cwd() if COLLECTION else None


def called(short: str) -> str:
    """A module, an action, a filter or a role as a task has to name it."""
    return f"{COLLECTION}.{short}" if COLLECTION else short


def playbook(name: str) -> str:
    """One of the playbooks as ansible-playbook has to name it."""
    return called(name) if COLLECTION else str(PLAYBOOKS / f"{name}.yml")


def is_playbook(named: str, folder: str = "") -> bool:
    """Whether an argument of ansible-playbook, typed in `folder`, is one of the playbooks here."""
    if COLLECTION and named.removesuffix(".yml").removesuffix(".yaml").rpartition(".")[0] == COLLECTION:
        return True
    return os.path.dirname(os.path.realpath(os.path.join(folder, named))) == os.path.realpath(PLAYBOOKS)


def is_below(path: str, directory: Path) -> bool:
    """Whether a path, as Ansible has it, is below one of the directories here."""
    return any(path.startswith(f"{one}/") for one in (str(directory), os.path.realpath(directory)))


def launcher(python: str) -> Sequence[str]:
    """The arguments that start a command that needs no playbook."""
    return (python, str(COMMAND)) if COLLECTION else (LAUNCHER,)
