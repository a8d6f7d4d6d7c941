"""How each tool of an owner is called, word by word, with all of its environment: a lost word asks somebody, goes to
the network, or takes more away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import brew, conda, guix, nix, npm, uv
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import ControlError, Host, Result

HOME = "/home/alice"
STORE = f"/nix/store/{'a' * 32}-owl-1"


def of(manager: str, *handles: str, path: str, owner: Any = ALICE) -> Package:
    return Package(manager, "owl", "1", handles, owner, path)


BREW = {
    f"HOMEBREW_NO_{what}": "1" for what in ("ANALYTICS", "AUTO_UPDATE", "AUTOREMOVE", "ENV_HINTS", "INSTALL_FROM_API")
}
UV = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
NPM = "--ignore-scripts --offline --no-audit --no-fund --no-update-notifier --loglevel=error"
NIX = {"NIX_CONFIG": "experimental-features = nix-command\nsubstitute = false"}
CONDA = {"CONDA_OFFLINE": "1", "MAMBA_OFFLINE": "1"}
# By system: a package, the tool, the words after it, and the environment.
ROWS: list[Any] = [
    (
        brew.FORMULAE,
        of("brew", f"{HOME}/b", path=f"{HOME}/b/owl"),
        f"{HOME}/b/bin/brew",
        "uninstall --formula --force owl",
        BREW,
    ),
    (
        brew.CASKS,
        of("brew_cask", f"{HOME}/b", path=f"{HOME}/b/owl"),
        f"{HOME}/b/bin/brew",
        "uninstall --cask owl",
        BREW,
    ),
    (
        uv,
        of("uv", "Owl", path=f"{HOME}/t/Owl/lib/python3.13/site-packages/owl"),
        f"{HOME}/.local/bin/uv",
        "tool uninstall Owl",
        {**UV, "UV_TOOL_DIR": f"{HOME}/t"},
    ),
    (
        npm,
        of("npm", f"{HOME}/n", path=f"{HOME}/n/lib/node_modules/owl"),
        f"{HOME}/n/bin/npm",
        f"uninstall --global --prefix {HOME}/n {NPM} owl",
        {"PATH": f"{HOME}/n/bin:{npm.TOOL_PATH}"},
    ),
    (
        nix,
        of("nix", f"{HOME}/p", "profile", "", path=STORE),
        f"{HOME}/.nix-profile/bin/nix",
        f"profile remove --profile {HOME}/p {STORE}",
        NIX,
    ),
    (
        nix,
        of("nix", f"{HOME}/p", "env", "", path=STORE),
        "/nix/var/nix/profiles/default/bin/nix-env",
        f"--profile {HOME}/p -e {STORE}",
        NIX,
    ),
    (
        guix,
        of("guix", f"{HOME}/p", "profile", path=STORE),
        f"{HOME}/.config/guix/current/bin/guix",
        f"package --profile={HOME}/p --remove=owl",
        {},
    ),
    (
        conda,
        of("conda", f"{HOME}/miniconda3/envs/e", path=f"{HOME}/miniconda3/envs/e/conda-meta/owl-1-0.json"),
        f"{HOME}/miniconda3/bin/mamba",
        f"remove --prefix {HOME}/miniconda3/envs/e --yes --offline owl",
        CONDA,
    ),
]


@pytest.mark.parametrize(("system", "package", "tool", "words", "environment"), ROWS, ids=[row[3] for row in ROWS])
def test_how_it_is_called(
    root: Path, monkeypatch: pytest.MonkeyPatch, system: Any, package: Package, tool: str, words: str, environment: Any
) -> None:
    put(root, tool, mode=0o755)
    put(root, package.path)
    ran: list[Any] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        ran.append(([*argv], options))
        return Result(0, json.dumps({"actions": {"UNLINK": [{"name": "owl"}]}}), "")

    for module in (nix, guix):
        monkeypatch.setattr(module, "query_of", lambda *_: ([package], ""))
    ((action,), refused) = system.removal(Host(str(root), run), [package])
    assert refused == [] and action.takes[0].tool == tool
    with pytest.raises(ControlError, match="is still there"):
        action.apply()
    (argv, options) = ran[-1]
    assert argv == [tool, *words.split(" ")]
    assert options == {"user": ALICE, "environment": environment, "timeout": 300}
    if system is conda:
        assert ran[0] == (
            [*argv[:-1], "--dry-run", "--json", "owl"],
            {"user": ALICE, "environment": environment, "timeout": conda.PATIENCE},
        )
    assert len(ran) == 1 + (system is conda)


def test_roots_npm_runs_nothing_out_of_a_prefix(root: Path) -> None:
    put(root, "/usr/bin/npm", mode=0o755)
    package = of("npm", "/usr/local", path="/usr/local/lib/node_modules/owl", owner=None)
    put(root, package.path)
    said: list[Any] = []
    host = Host(str(root), lambda argv, **options: said.append(options) or Result(0, "", ""))
    ((action,), _) = npm.removal(host, [package])
    with pytest.raises(ControlError):
        action.apply()
    assert said[-1]["environment"] == {"PATH": npm.TOOL_PATH}


@pytest.mark.parametrize(
    ("listed", "come", "why"),
    [
        ([], ["owl"], "it would take along owl (changed)"),
        (["a", "b", "a"], [], "it would take along a, b"),
        ([*"abcd"], [*"ef"], "it would take along a, b, c, d, e (changed)"),
    ],
)
def test_so_much_of_what_would_go_along_is_named(root: Path, listed: list[str], come: list[str], why: str) -> None:
    *_, (_, package, tool, _, _) = ROWS
    put(root, tool, mode=0o755)
    rows = {"UNLINK": [{"name": name} for name in ["owl", *listed]], "LINK": [{"name": name} for name in come]}

    def run(argv: Sequence[str], **_: Any) -> Result:
        return Result(0, "x\n" + json.dumps({"actions": rows}), "")

    put(root, package.path)
    ((action,), _) = conda.removal(Host(str(root), run), [package])
    with pytest.raises(ControlError, match=f"^{re.escape(why)}$"):
        action.apply()
    assert conda.parse_dry_run('{"actions": {"UNLINK": [5, {}], "LINK": 5}}') == (["?", "?"], [])
