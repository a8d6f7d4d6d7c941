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

COLLECTIONS_DIRECTORY, PLUGINS_DIRECTORY = "ansible_collections", "plugins"


def find_collection(file: str) -> str:
    """The full name of the collection that a file of this package belongs to; "" for a checkout."""
    parts = Path(file).parts
    # .../ansible_collections/NAMESPACE/NAME/plugins/module_utils/proscribe/wire/FILE
    is_inside = len(parts) > 8 and parts[-8] == COLLECTIONS_DIRECTORY and parts[-5] == PLUGINS_DIRECTORY
    return ".".join(parts[-7:-5]) if is_inside else ""


_FILE = os.path.abspath(__file__)
COLLECTION = find_collection(_FILE)
# Not resolved: a developer's collection is often a link, and its name is in the path of the link.
CODE_DIRECTORY = Path(_FILE).parents[2]  # module_utils/
PROJECT_DIRECTORY = Path(_FILE).parents[4] if COLLECTION else Path(_FILE).resolve().parents[3]
CATALOGUE = PROJECT_DIRECTORY / "catalog"
PLAYBOOKS = PROJECT_DIRECTORY / "playbooks"
LAUNCHER_PATH = str(CODE_DIRECTORY.parent / "proscribe")  # of a checkout, as is its configuration
CONFIGURATION_PATH = str(CODE_DIRECTORY.parent / "ansible.cfg")
COMMAND_PATH = CODE_DIRECTORY / "proscribe_command.py"  # of a collection, instead of the launcher


def locate_reports(environment: Mapping[str, str] = os.environ, configured: Path | None = None) -> Path:
    """The directory of reports and of all state between runs: PROSCRIBE_REPORTS (a job's mount), else what the
    inventory has `configured` (proscribe_reports), else the usual place.
    """
    return Path(environment.get("PROSCRIBE_REPORTS") or configured or _locate_usual_reports(environment)).absolute()


def _locate_usual_reports(environment: Mapping[str, str]) -> Path:
    """`reports/` of the checkout, or, where this account cannot write there, in its own state directory. For a
    collection it is `reports/` in the directory in which the command was started, which is the project of the user.
    """
    if COLLECTION:
        return Path.cwd() / "reports"
    checkout_reports = PROJECT_DIRECTORY / "reports"
    if os.access(checkout_reports if os.path.lexists(checkout_reports) else PROJECT_DIRECTORY, os.W_OK):
        return checkout_reports
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME') or _find_home()}/.local/state"
    return Path(state, "proscribe/reports")


def _find_home() -> str:
    """The home of this account; "/" for one that has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def locate_user_project() -> Path | None:
    """The project of a collection's user: the directory in which the command was started. None in a checkout."""
    return Path.cwd() if COLLECTION else None


def qualify_name(short_name: str) -> str:
    """A module, an action, a filter or a role as a task has to name it."""
    return f"{COLLECTION}.{short_name}" if COLLECTION else short_name


def name_playbook(name: str) -> str:
    """One of the playbooks as ansible-playbook has to name it."""
    return qualify_name(name) if COLLECTION else str(PLAYBOOKS / f"{name}.yml")


def is_playbook(argument: str, folder: str = "") -> bool:
    """Whether an argument of ansible-playbook, typed in `folder`, is one of the playbooks here."""
    if COLLECTION and argument.removesuffix(".yml").removesuffix(".yaml").rpartition(".")[0] == COLLECTION:
        return True
    return os.path.dirname(os.path.realpath(os.path.join(folder, argument))) == os.path.realpath(PLAYBOOKS)


def is_below(path: str, directory: Path) -> bool:
    """Whether a path, as Ansible has it, is below one of the directories here."""
    return any(path.startswith(f"{root}/") for root in (str(directory), os.path.realpath(directory)))


def make_launcher_command(python: str) -> Sequence[str]:
    """The arguments that start a command that needs no playbook."""
    return (python, str(COMMAND_PATH)) if COLLECTION else (LAUNCHER_PATH,)
