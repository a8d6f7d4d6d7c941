"""The location of Proscribe's code: a checkout of the project, or an installed collection.

Every path and name that depends on the location is here. Controller only.

Proscribe may write into the directory of a checkout, and its modules have short names there. Only its installer writes
into a collection. Reports of a collection go to the project of the user; modules, playbooks and filters have full
names.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

COLLECTIONS_DIRECTORY, PLUGINS_DIRECTORY = "ansible_collections", "plugins"


def find_collection(file: str) -> str:
    """Return the full name of the collection that a file of this package belongs to; "" for a checkout."""
    parts = Path(file).parts
    # .../ansible_collections/NAMESPACE/NAME/plugins/module_utils/proscribe/wire/FILE
    is_inside = len(parts) > 8 and parts[-8] == COLLECTIONS_DIRECTORY and parts[-5] == PLUGINS_DIRECTORY
    return ".".join(parts[-7:-5]) if is_inside else ""


_FILE = os.path.abspath(__file__)
COLLECTION = find_collection(_FILE)
# Symbolic links are not resolved: a developer's collection is often a link, and only the link's path has its name.
CODE_DIRECTORY = Path(_FILE).parents[2]  # module_utils/
PROJECT_DIRECTORY = Path(_FILE).parents[4] if COLLECTION else Path(_FILE).resolve().parents[3]
CATALOGUE = PROJECT_DIRECTORY / "catalog"
PLAYBOOKS = PROJECT_DIRECTORY / "playbooks"
LAUNCHER_PATH = str(CODE_DIRECTORY.parent / "proscribe")  # only in a checkout, like the configuration
CONFIGURATION_PATH = str(CODE_DIRECTORY.parent / "ansible.cfg")
COMMAND_PATH = CODE_DIRECTORY / "proscribe_command.py"  # only in a collection, which has no launcher


def locate_reports(environment: Mapping[str, str] = os.environ, configured: Path | None = None) -> Path:
    """Return the directory of reports and of all state between runs.

    It is the environment variable PROSCRIBE_REPORTS (for a job in a container, the mounted directory). Without it, it
    is `configured` (proscribe_reports in the inventory), else the usual directory.
    """
    return Path(environment.get("PROSCRIBE_REPORTS") or configured or _locate_usual_reports(environment)).absolute()


def _locate_usual_reports(environment: Mapping[str, str]) -> Path:
    """Return the directory of reports that is used if no setting names another.

    In a checkout this is `reports/`, or a state directory if this account cannot write there. In a collection this is
    `reports/` in the directory in which the command was started: the project of the user.
    """
    if COLLECTION:
        return Path.cwd() / "reports"
    checkout_reports = PROJECT_DIRECTORY / "reports"
    if os.access(checkout_reports if os.path.lexists(checkout_reports) else PROJECT_DIRECTORY, os.W_OK):
        return checkout_reports
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME') or _find_home()}/.local/state"
    return Path(state, "proscribe/reports")


def _find_home() -> str:
    """Return the home directory of this process's account; "/" if the system does not know the account."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def locate_user_project() -> Path | None:
    """Return the directory in which the user of a collection started the command; None in a checkout."""
    return Path.cwd() if COLLECTION else None


def qualify_name(short_name: str) -> str:
    """Return the name by which a task calls a module, an action, a filter or a role of Proscribe.

    The full name is needed in a collection; a checkout uses the short name.
    """
    return f"{COLLECTION}.{short_name}" if COLLECTION else short_name


def name_playbook(name: str) -> str:
    """Return the name by which ansible-playbook finds a playbook of the project."""
    return qualify_name(name) if COLLECTION else str(PLAYBOOKS / f"{name}.yml")


def is_playbook(argument: str, folder: str = "") -> bool:
    """Return whether an argument of ansible-playbook names a playbook of Proscribe.

    A playbook is named by its full name in a collection, or by its path. A relative path is relative to `folder`.
    """
    if COLLECTION and argument.removesuffix(".yml").removesuffix(".yaml").rpartition(".")[0] == COLLECTION:
        return True
    return os.path.dirname(os.path.realpath(os.path.join(folder, argument))) == os.path.realpath(PLAYBOOKS)


def is_below(path: str, directory: Path) -> bool:
    """Return whether a path that Ansible reports is below `directory`, a directory of Proscribe.

    Ansible's path may have the symbolic links of `directory`, or none.
    """
    return any(path.startswith(f"{root}/") for root in (str(directory), os.path.realpath(directory)))


def make_launcher_command(python: str) -> Sequence[str]:
    """Return the first arguments of a command line for a Proscribe command that runs no playbook.

    In a checkout this is the launcher. A collection has no launcher, so the interpreter `python` runs a file.
    """
    return (python, str(COMMAND_PATH)) if COLLECTION else (LAUNCHER_PATH,)
