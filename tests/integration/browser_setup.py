"""A made tree with a copy of this machine's /etc, and real browsers that see it in place of /etc.

They do so in a mount namespace of their own, so that no policy is ever in force on the machine itself.
"""

import datetime
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conftest import missing, require_root, require_tool
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import browser
from proscribe.host.system import Host
from proscribe.model.finding import COMPLIANT, NOT_APPLICABLE, Verdict

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
UNSHARE = ["unshare", "--mount", "--propagation", "private"]
POLICIES = ("chromium", "chromium-browser", "opt/chrome", "opt/edge", "brave", "firefox", "thunderbird")


def made_tree(where: Path) -> Iterator[Path]:
    """A tree with /etc, but for secrets and for browser policies that this machine may have; gone after the test."""
    require_root()
    require_tool("unshare")
    if subprocess.run([*UNSHARE, "true"], check=False).returncode:
        missing("needs mount namespaces: run the tests on a machine or in a container with CAP_SYS_ADMIN")
    secrets = shutil.ignore_patterns("*shadow*", "private", "ssh", "sudoers*")  # no browser needs these
    shutil.copytree("/etc", where / "etc", symlinks=True, ignore=secrets)
    for folder in POLICIES:
        shutil.rmtree(where / "etc" / folder, ignore_errors=True)
    (where / "var/lib").mkdir(parents=True)
    where.chmod(0o755)
    yield where
    shutil.rmtree(where)


def real_plan(**restrictions: Any) -> dict[str, Any]:
    """Return the plan of the project's own catalogue and some restrictions.

    Tests control browsers by remote debugging. So it stays open, unless `browser_settings` has it.
    """
    settings = {"remote_debugging": "unmanaged", **restrictions.get("browser_settings", {})}
    restrictions = {**restrictions, "browser_settings": settings}
    read = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return compile_plan(load([PROJECT / "catalog"]), read, [], datetime.date(2026, 11, 25))


def enforce(tree: Path, plan: Mapping[str, Any]) -> None:
    """Bring the tree in line with a plan."""
    for action in browser.enforce(Host(str(tree)), plan).actions:
        action.apply()


def unmet(tree: Path, plan: Mapping[str, Any]) -> list[Verdict]:
    """Observe the tree, and return the verdicts of the rules that it does not comply with."""
    seen = browser.observe(Host(str(tree)), plan)
    return [verdict for verdict in seen if verdict.state not in (COMPLIANT, NOT_APPLICABLE)]


def lift(tree: Path, plan: Mapping[str, Any]) -> None:
    """Take out of the tree what was enforced."""
    for action in browser.lift(Host(str(tree)), plan).actions:
        action.apply()


def put(tree: Path, files: Mapping[str, Any]) -> None:
    """Files of the organisation's own, as JSON."""
    for path, document in files.items():
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))


def in_place_of_etc(tree: Path, script: Path, *words: str, seconds: int = 120) -> Any:
    """What a script of ours prints (as JSON) that is run where the tree's etc stands in place of /etc."""
    bind = 'mount --bind "$1" /etc && shift && exec "$@"'
    inside = ["sh", "-c", bind, "sh", str(tree / "etc"), sys.executable, "-B", str(script), *words]
    argv = ["timeout", "-k", "5", str(seconds), *UNSHARE, *inside]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout)


def connections(tree: Path, name: str, urls: list[str]) -> dict[str, int]:
    """How many connections each address leads to."""
    counted: dict[str, int] = in_place_of_etc(tree, HERE / "browser_probe.py", "--browser", name, *urls)
    return counted


def visits(tree: Path, name: str, urls: list[str], *more: str, seconds: int = 120) -> dict[str, tuple[int, str]]:
    """How many connections each address leads to, and what the browser says of it."""
    words = ["--said", "--browser", name, *more, *urls]
    came = in_place_of_etc(tree, HERE / "browser_probe.py", *words, seconds=seconds)
    return {url: (n, said) for url, (n, said) in came.items()}
