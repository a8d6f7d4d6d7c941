"""Removal of Python packages by pip and pipx. Each tool runs as the owner of the installation."""

from __future__ import annotations

import re
from functools import partial
from typing import Sequence

from ....system import ControlError, Host
from ...base import ControlAction
from .package import Package, ask_for_user
from .removed_record import make_removed_record
from .uninstall_actions import (
    PackageTools,
    explain_environment_refusal,
    explain_foreign_ownership,
    make_uninstall_action,
    plan_package_removals,
)

PIP_TIMEOUT_SECONDS = 15  # time limit for `python -m pip --version`
# Distributions mark their Python as externally managed (PEP 668), so pip refuses to change packages. The packages to
# remove were installed in spite of the mark.
PIP_ENVIRONMENT = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
}
# Programs that write their name into a package's file INSTALLER. They also write a file RECORD, with which pip can
# remove the package.
PIP_INSTALLERS = ("pip", "uv")
PYTHON_NAME_PATTERN = re.compile(r"python3(?:\.\d+)?")


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove packages of pip, and the packages that stay, each with the reason.

    pip leaves the dependencies of a package installed. It does not check whether other packages need the package.
    """
    return plan_package_removals(packages, partial(_plan_pip_removal, host))


def _plan_pip_removal(host: Host, package: Package) -> ControlAction | str:
    """Return the action that removes a package with pip, or the reason why the package stays.

    Raises ControlError if the package is in no directory of a Python.
    """
    argv = _make_pip_command(host, package)
    if reason := ask_for_user(package.owner, partial(_find_refusal_reason, host, package, argv)):
        return reason
    is_in_home = bool(package.owner) and package.path.startswith(f"{package.owner and package.owner.home}/.local/")
    removed_record = make_removed_record(package, package.id, how="user" if is_in_home else "", tool=argv[0])
    place = package.path.rpartition("/")[0]
    return make_uninstall_action(
        host, package, [*argv, "uninstall", "--yes", package.id], place, PIP_ENVIRONMENT, removed_record
    )


def _make_pip_command(host: Host, package: Package) -> list[str]:
    """Return the command that starts the pip of a package's Python.

    A host may have several Pythons, each with its own pip.
    """
    prefix, name = find_interpreter(package.path)
    python = f"{prefix}/bin/{name}" if "/.pyenv/" in prefix else host.find_tool(name) or name
    # Option -I: a Python that runs as root must load no packages from the current directory or from root's home. The
    # current directory may belong to a user.
    return [python, *([] if package.owner else ["-I"]), "-m", "pip"]


def find_interpreter(path: str) -> tuple[str, str]:
    """Return the prefix and the name of the Python that loads packages from `path`.

    For a path below /usr/lib/python3.11 these are "/usr" and "python3.11". If the path has several such directories,
    the last one counts. Raises ControlError if it has none.
    """
    steps = path.split("/")
    for i in range(len(steps) - 1, 0, -1):
        if steps[i - 1] in ("lib", "lib64") and PYTHON_NAME_PATTERN.fullmatch(steps[i]):
            return "/".join(steps[: i - 1]), steps[i]
    raise ControlError(f"{path} is in no directory of a Python")


def _find_refusal_reason(host: Host, package: Package, argv: Sequence[str]) -> str:
    """Return the reason why a package stays, or "".

    `argv` is the command that starts the pip of its Python. A package stays if another tool installed it. A package of
    the host also stays if the distribution owns it, or if its Python has no pip. It stays, too, if users can change the
    directories that root's pip loads code from.
    """
    # A Python that runs as root searches these directories first for pip.
    places = [f"/usr/local/lib/{find_interpreter(package.path)[1]}/{kind}-packages" for kind in ("dist", "site")]
    reason = explain_foreign_ownership(host, package, package.path, places) or _explain_other_installer(host, package)
    # A user's pip must not run while this run holds the host's lock, because it may never end. It runs later, without
    # the lock. If that Python has no pip, the removal fails then.
    return reason or ("" if package.owner else _explain_missing_pip(host, argv))


def _explain_other_installer(host: Host, package: Package) -> str:
    """Return the reason why pip does not remove a package that another program installed, or "".

    The file INSTALLER of the package names the program that installed it.
    """
    installer = host.read_head(f"{package.path}/INSTALLER", 80).decode("utf-8", "replace").strip()
    if installer in PIP_INSTALLERS:
        return ""
    installer_text = f"{installer[:40]!r} did" if installer.isprintable() and installer else "nothing says who did"
    return f"pip did not install it ({installer_text}), so it is not pip's to remove"


def _explain_missing_pip(host: Host, argv: Sequence[str]) -> str:
    """Explain why the pip that the command `argv` starts does not work, or return ""."""
    try:
        result = host.run_command([*argv, "--version"], timeout=PIP_TIMEOUT_SECONDS)
    except ControlError as error:
        return str(error)
    return "" if result.rc == 0 else f"{argv[0]} has no pip to remove it with"


def plan_pipx_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove packages of pipx, and the packages that stay, each with the reason.

    pipx puts each program into an environment with the packages that it needs, and can remove only a whole environment.
    So a restricted package is removed only if the environment was made for it. It stays if it is only a dependency of
    another program.
    """
    tools = PackageTools(host)

    def plan_package_removal(package: Package) -> ControlAction | str:
        """Return the action that removes the environment of a package, or the reason why it stays."""
        tool = tools.find_tool(package, "pipx", user_paths=["~/.local/bin/pipx"])
        if reason := explain_environment_refusal(package, tool, "pipx"):
            return reason
        home = package.path.partition("/venvs/")[0]
        programs = f"{package.owner.home}/.local/bin" if package.owner else "/usr/local/bin"
        variables = {"PIPX_HOME": home, "PIPX_BIN_DIR": programs, "USE_EMOJI": "0"}
        removed_record = make_removed_record(package, how="" if package.owner else "system", tool=tool, place=home)
        place = package.path.rpartition("/")[0]
        return make_uninstall_action(
            host, package, [tool, "uninstall", package.handles[0]], place, variables, removed_record
        )

    return plan_package_removals(packages, plan_package_removal)
