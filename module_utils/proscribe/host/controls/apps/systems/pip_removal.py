"""Python packages taken off a host by pip and pipx, each as the one whose installation it is in."""

from __future__ import annotations

import re
from functools import partial
from typing import Mapping, Sequence

from .....model.removed import Removed
from ....system import ControlError, Host, Unseen
from ...base import Action
from ..file_owner import owner
from .as_removed import as_removed
from .package import Package, on_behalf, there
from .site_packages import normal

LIMIT = 300  # seconds
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


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """What pip installed, and it alone: pip leaves dependencies, and does not check for dependents."""
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    for package in packages:
        try:
            argv = _pip(host, package)
            reason = on_behalf(package.owner, partial(_reason, host, package, argv))
        except (ControlError, Unseen) as error:
            reason = str(error)
        if reason:
            refused.append((package, reason))
        else:
            own = bool(package.owner) and package.path.startswith(f"{package.owner and package.owner.home}/.local/")
            gone = as_removed(package, package.id, how="user" if own else "", tool=argv[0])
            actions.append(_action(host, package, [*argv, "uninstall", "--yes", package.id], QUIETLY, gone))
    return actions, refused


def _pip(host: Host, package: Package) -> list[str]:
    """The pip of the Python that a package was installed for: a host may have several, and each has its own."""
    prefix, name = interpreter(package.path)
    python = f"{prefix}/bin/{name}" if "/.pyenv/" in prefix else host.tool(name) or name
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
    return _not_pips(host, package) or _others(host, package) or _without_pip(host, package, argv)


def _others(host: Host, package: Package) -> str:
    """Why root runs no pip: where its Python looks for it first, others can put something; "" for a user's own."""
    if package.owner:
        return ""
    places = (f"/usr/local/lib/{interpreter(package.path)[1]}/{kind}-packages" for kind in ("dist", "site"))
    place = next(filter(None, map(host.changeable, places)), "")
    return f"users may write to {place}, and root runs nothing of theirs" if place else ""


def _not_pips(host: Host, package: Package) -> str:
    installer = host.head(f"{package.path}/INSTALLER", 80).decode("utf-8", "replace").strip()
    if not package.owner and (whose := owner(host, package.path)):
        return f"it belongs to {whose}"
    if installer not in INSTALLERS:
        shown = f"{installer[:40]!r} did" if installer.isprintable() and installer else "nothing says who did"
        return f"pip did not install it ({shown}), so it is not pip's to remove"
    return ""


def _without_pip(host: Host, package: Package, argv: Sequence[str]) -> str:
    try:
        result = host.run([*argv, "--version"], user=package.owner, timeout=PATIENCE)
    except ControlError as error:
        return str(error)
    return "" if result.rc == 0 else f"{argv[0]} has no pip to remove it with"


def pipx_removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """Whole environments, where the restricted package is what pipx was asked for."""
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    for package in packages:
        environment = package.handles[0]
        own = f"{package.owner.home}/.local/bin/pipx" if package.owner else ""
        tool = host.tool("pipx") or (own if own and there(host, package.owner, own) else "")
        if normal(environment) != normal(package.id):
            refused.append((package, f"it came along with {environment!r}, which pipx installed and nothing restricts"))
        elif not tool:
            refused.append((package, "pipx itself is not installed on this host"))
        else:
            home = package.path.partition("/venvs/")[0]
            programs = f"{package.owner.home}/.local/bin" if package.owner else "/usr/local/bin"
            places = {"PIPX_HOME": home, "PIPX_BIN_DIR": programs, "USE_EMOJI": "0"}
            gone = as_removed(package, how="" if package.owner else "system", tool=tool, place=home)
            actions.append(_action(host, package, [tool, "uninstall", environment], places, gone))
    return actions, refused


def _action(host: Host, package: Package, argv: Sequence[str], environment: Mapping[str, str], gone: Removed) -> Action:
    place = re.sub(r"/[^/]*$", "", package.path)
    before = f"{package.id} {package.version}\n"
    apply = partial(_uninstall, host, package, argv, environment)
    return Action("remove", f"{package.id} ({package.scope}) from {place}", apply, before, takes=(gone,))


def _uninstall(host: Host, package: Package, argv: Sequence[str], environment: Mapping[str, str]) -> None:
    host.must(argv, user=package.owner, environment=environment, timeout=LIMIT)
    if host.stat(package.path):  # another copy came first, or the user's own tool only said that it did it
        raise ControlError(f"{argv[0]} ended well, and {package.path} is still there")
