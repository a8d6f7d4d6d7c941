"""A copy of this machine's /etc, and real browsers that see it in place of /etc, in a mount namespace of their own."""

import datetime
import json
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import missing, require_root, require_tool
from made_plans import make_plan
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.plans.browser_policy_places import list_policy_places
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import browser
from proscribe.host.system import Host
from proscribe.model.finding import COMPLIANT, NOT_APPLICABLE

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
UNSHARE = ["unshare", "--mount", "--propagation", "private"]
POLICIES = ("chromium", "chromium-browser", "opt/chrome", "opt/edge", "brave", "firefox", "thunderbird")


def made_tree(where):
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


def real_plan(**restrictions):
    """Return the plan of the own catalogue. Tests control browsers by remote debugging, which stays open by default."""
    settings = {"remote_debugging": "unmanaged", **restrictions.get("browser_settings", {})}
    restrictions = {**restrictions, "browser_settings": settings}
    read = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return compile_plan(read_catalogue([PROJECT / "catalog"]), read, [], datetime.date(2026, 11, 25))


def plan_of(services, browsers, allowed=()):
    """Return a plan of these services, settings and allowed extensions."""
    settings = {"browsers": browsers, "extensions_allowed": list(allowed)}
    places = list_policy_places(read_catalogue([PROJECT / "catalog"]))
    return make_plan("browser", services, settings=settings, browsers=places)


def enforce(tree, plan):
    for action in browser.enforce(Host(str(tree)), plan).actions:
        action.apply()


def unmet(tree, plan):
    verdicts = browser.observe(Host(str(tree)), plan)
    return [verdict for verdict in verdicts if verdict.state not in (COMPLIANT, NOT_APPLICABLE)]


def lift(tree, plan):
    for action in browser.lift(Host(str(tree)), plan).actions:
        action.apply()


def put(tree, files):
    """Write files of the organisation's own, as JSON."""
    for path, document in files.items():
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))


def in_place_of_etc(tree, script, *words, seconds=120):
    """Run a script where the tree's etc stands in place of /etc, and return the JSON that it prints."""
    bind = 'mount --bind "$1" /etc && shift && exec "$@"'
    inside = ["sh", "-c", bind, "sh", str(tree / "etc"), sys.executable, "-B", str(script), *words]
    argv = ["timeout", "-k", "5", str(seconds), *UNSHARE, *inside]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout)


def visits(tree, name, urls, *more, seconds=120):
    """Return how many connections each address leads to, and the error that the browser shows."""
    words = ["--said", "--browser", name, *more, *urls]
    answer = in_place_of_etc(tree, HERE / "browser_probe.py", *words, seconds=seconds)
    return {url: (hits, error) for url, (hits, error) in answer.items()}


def read_policies(tree, name="chromium", *words):
    """Return what browser_policies.py prints of a browser."""
    return dict(in_place_of_etc(tree, HERE / "browser_policies.py", "--browser", name, *words))
