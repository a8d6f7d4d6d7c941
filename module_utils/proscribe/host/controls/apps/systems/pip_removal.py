"""Python packages taken off a host by pip and pipx, each as the one whose installation it is in."""

from __future__ import annotations

import re
from functools import partial
from typing import Sequence

from ....system import ControlError, Host
from ...base import ControlAction
from .as_owner import OwnTools, not_whole, others_have, removals, uninstall
from .as_removed import as_removed
from .package import Package, on_behalf

PATIENCE = 15  # seconds in which a Python says whether it has a pip
# Distributions mark their Python as theirs (PEP 668). What is removed here is what was installed in spite of that.
QUIETLY = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
}
INSTALLERS = ("pip", "uv")  # what names itself in INSTALLER and leaves a RECORD that pip can remove by
PYTHON = re.compile(r"python3(?:\.\d+)?")


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """What pip installed, and it alone: pip leaves dependencies, and does not check for dependents."""
    return removals(packages, partial(_by_pip, host))


def _by_pip(host: Host, package: Package) -> ControlAction | str:
    argv = _pip(host, package)
    if reason := on_behalf(package.owner, partial(_reason, host, package, argv)):
        return reason
    own = bool(package.owner) and package.path.startswith(f"{package.owner and package.owner.home}/.local/")
    gone = as_removed(package, package.id, how="user" if own else "", tool=argv[0])
    place = package.path.rpartition("/")[0]
    return uninstall(host, package, [*argv, "uninstall", "--yes", package.id], place, QUIETLY, gone)


def _pip(host: Host, package: Package) -> list[str]:
    """The pip of the Python that a package was installed for: a host may have several, and each has its own."""
    prefix, name = interpreter(package.path)
    python = f"{prefix}/bin/{name}" if "/.pyenv/" in prefix else host.find_tool(name) or name
    # Root's Python must not look into the current directory, which may be a user's, nor at root's own packages.
    return [python, *([] if package.owner else ["-I"]), "-m", "pip"]


def interpreter(path: str) -> tuple[str, str]:
    """The prefix and the name of the Python that a path below its `lib` is for: the last one that the path has."""
    steps = path.split("/")
    for i in range(len(steps) - 1, 0, -1):
        if steps[i - 1] in ("lib", "lib64") and PYTHON.fullmatch(steps[i]):
            return "/".join(steps[: i - 1]), steps[i]
    raise ControlError(f"{path} is in no directory of a Python")


def _reason(host: Host, package: Package, argv: Sequence[str]) -> str:
    # Where root's Python looks first for its pip.
    places = [f"/usr/local/lib/{interpreter(package.path)[1]}/{kind}-packages" for kind in ("dist", "site")]
    reason = others_have(host, package, package.path, places) or _not_pips(host, package)
    # A user's own pip is his program, which runs without the host's lock: it says so itself there.
    return reason or ("" if package.owner else _no_pip(host, argv))


def _not_pips(host: Host, package: Package) -> str:
    installer = host.read_head(f"{package.path}/INSTALLER", 80).decode("utf-8", "replace").strip()
    if installer in INSTALLERS:
        return ""
    shown = f"{installer[:40]!r} did" if installer.isprintable() and installer else "nothing says who did"
    return f"pip did not install it ({shown}), so it is not pip's to remove"


def _no_pip(host: Host, argv: Sequence[str]) -> str:
    try:
        result = host.run_command([*argv, "--version"], timeout=PATIENCE)
    except ControlError as error:
        return str(error)
    return "" if result.rc == 0 else f"{argv[0]} has no pip to remove it with"


def pipx_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Whole environments, where the restricted package is what pipx was asked for."""
    tools = OwnTools(host)

    def one(package: Package) -> ControlAction | str:
        tool = tools.of(package, "pipx", own=["~/.local/bin/pipx"])
        if reason := not_whole(package, tool, "pipx"):
            return reason
        home = package.path.partition("/venvs/")[0]
        programs = f"{package.owner.home}/.local/bin" if package.owner else "/usr/local/bin"
        variables = {"PIPX_HOME": home, "PIPX_BIN_DIR": programs, "USE_EMOJI": "0"}
        gone = as_removed(package, how="" if package.owner else "system", tool=tool, place=home)
        place = package.path.rpartition("/")[0]
        return uninstall(host, package, [tool, "uninstall", package.handles[0]], place, variables, gone)

    return removals(packages, one)
