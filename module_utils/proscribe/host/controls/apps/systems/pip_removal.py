"""Removal of Python packages by pip and pipx, each as the owner of its installation."""

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

PIP_TIMEOUT_SECONDS = 15  # limit for a Python to report its pip
# Distributions mark their Python as externally managed (PEP 668). These packages were installed in spite of that.
PIP_ENVIRONMENT = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
}
# Installers that write their name into INSTALLER, and a RECORD that pip can use for a removal.
PIP_INSTALLERS = ("pip", "uv")
PYTHON_NAME_PATTERN = re.compile(r"python3(?:\.\d+)?")


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the removal of packages that pip installed: pip leaves dependencies, and does not check for dependents."""
    return plan_package_removals(packages, partial(_plan_pip_removal, host))


def _plan_pip_removal(host: Host, package: Package) -> ControlAction | str:
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
    """Return the command of the pip for a package's Python: a host may have several Pythons, each with its own pip."""
    prefix, name = find_interpreter(package.path)
    python = f"{prefix}/bin/{name}" if "/.pyenv/" in prefix else host.find_tool(name) or name
    # Root's Python must not load packages from the current directory, which may be a user's, or from root's home.
    return [python, *([] if package.owner else ["-I"]), "-m", "pip"]


def find_interpreter(path: str) -> tuple[str, str]:
    """Return the prefix and the name of the Python that a path below its `lib` belongs to: the last in the path."""
    steps = path.split("/")
    for i in range(len(steps) - 1, 0, -1):
        if steps[i - 1] in ("lib", "lib64") and PYTHON_NAME_PATTERN.fullmatch(steps[i]):
            return "/".join(steps[: i - 1]), steps[i]
    raise ControlError(f"{path} is in no directory of a Python")


def _find_refusal_reason(host: Host, package: Package, argv: Sequence[str]) -> str:
    # Root's Python searches these first for its pip.
    places = [f"/usr/local/lib/{find_interpreter(package.path)[1]}/{kind}-packages" for kind in ("dist", "site")]
    reason = explain_foreign_ownership(host, package, package.path, places) or _explain_other_installer(host, package)
    # A user's own pip runs later, without the host's lock, and reports the problem itself.
    return reason or ("" if package.owner else _explain_missing_pip(host, argv))


def _explain_other_installer(host: Host, package: Package) -> str:
    installer = host.read_head(f"{package.path}/INSTALLER", 80).decode("utf-8", "replace").strip()
    if installer in PIP_INSTALLERS:
        return ""
    installer_text = f"{installer[:40]!r} did" if installer.isprintable() and installer else "nothing says who did"
    return f"pip did not install it ({installer_text}), so it is not pip's to remove"


def _explain_missing_pip(host: Host, argv: Sequence[str]) -> str:
    try:
        result = host.run_command([*argv, "--version"], timeout=PIP_TIMEOUT_SECONDS)
    except ControlError as error:
        return str(error)
    return "" if result.rc == 0 else f"{argv[0]} has no pip to remove it with"


def plan_pipx_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the removal of whole environments, if the restricted package is the environment's own package."""
    tools = PackageTools(host)

    def plan_package_removal(package: Package) -> ControlAction | str:
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
