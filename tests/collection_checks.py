"""What the makers of Ansible check in a collection, on the one that this checkout builds.

    python tests/collection_checks.py sanity | lint | docs | changelog | importer

Each builds it in a directory of its own. `sanity` is `ansible-test sanity` with the tests below; it makes environments
from PyPI in .cache. The other tools are those of the extra `test-collection`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from machine import CACHE, PATH, PROJECT

# All of `ansible-test sanity --list-tests` but for two, which docs/coverage.md names: `import` (what the controller
# alone runs is in module_utils, too, and imports what modules may not) and `pylint`.
SANITY = (
    "action-plugin-docs",
    "ansible-doc",
    "changelog",
    "compile",
    "empty-init",
    "ignores",
    "line-endings",
    "no-assert",
    "no-get-exception",
    "no-illegal-filenames",
    "no-smart-quotes",
    "pep8",
    "pslint",
    "replace-urlopen",
    "runtime-metadata",
    "shebang",
    "shellcheck",
    "symlinks",
    "use-argspec-type-path",
    "use-compat-six",
    "validate-modules",
    "yamllint",
)
# What it finds and is meant so, each with its reason.
IGNORED = """\
plugins/modules/compile_plans.py validate-modules:ansible-module-not-initialized # all of it is in its action plugin
plugins/modules/compliance_state.py validate-modules:import-error # it is a WANT_JSON module, without AnsibleModule
plugins/modules/compliance_state.py validate-modules:use-fail-json-not-sys-exit # the same
plugins/modules/host_firewall.py validate-modules:doc-required-mismatch # the action plugin alone leaves plan out
plugins/modules/quarantine_choice.py validate-modules:ansible-module-not-initialized # as compile_plans
plugins/modules/rollout.py validate-modules:ansible-module-not-initialized # as compile_plans
plugins/modules/schedule_plan.py validate-modules:ansible-module-not-initialized # as compile_plans
plugins/modules/show_report.py validate-modules:ansible-module-not-initialized # as compile_plans
plugins/module_utils/proscribe/host/programs/dpkg_block.sh shellcheck:SC2016 # single quotes for dpkg-query
plugins/module_utils/proscribe/host/programs/pulling/commits.py pep8:E101 # a text that git reads
plugins/module_utils/proscribe/host/programs/pulling/commits.py pep8:W191 # a text that git reads
"""
GALAXY = "namespace: proscribe\nname: ban\nversion: 0.1.0\nreadme: README.md\nauthors: [x]\n"
REPOSITORY = "https://git.example.org/it-security/proscribe"  # as it has it that was cloned from there
CORES = ("2.19", "2.20", "2.21")
# ansible-test fetches this script from a server of its makers where an environment has no pip. Python has one itself.
PIP = """\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip"])
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *words]))
"""
PIP_VERSIONS = ("24_2", "25_2")  # of ansible-core 2.19 to 2.21


def run(argv: Sequence[str | Path], cwd: Path, **environment: str) -> int:
    """Run a program in that directory and return its exit code."""
    return subprocess.run(argv, cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL).returncode


def built(directory: Path, *options: str) -> Path:
    """The file of the collection."""
    command = PROJECT / "module_utils/proscribe_command.py"
    argv = [sys.executable, str(command), "collection", "--output", str(directory), *options]
    subprocess.run(argv, check=True)
    (path,) = directory.glob("*.tar.gz")
    return path


def installed(directory: Path) -> Path:
    """The collection as a checkout of its own, in the directories that ansible-test wants."""
    galaxy = [sys.executable, "-m", "ansible", "galaxy", "collection", "install", "--offline", "-p", str(directory)]
    own = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(directory)}
    subprocess.run([*galaxy, str(built(directory))], env=own, check=True, stdout=subprocess.DEVNULL)
    (place,) = directory.glob("ansible_collections/*/*/")
    return place


def sanity(directory: Path) -> int:
    """ansible-test sanity, with the Python that runs this."""
    place = installed(directory)
    for name in ("MANIFEST.json", "FILES.json"):  # it is a source tree now, which git knows
        (place / name).unlink()
    (place / "galaxy.yml").write_text(GALAXY)
    (place / "tests/sanity").mkdir(parents=True)
    for core in CORES:
        (place / f"tests/sanity/ignore-{core}.txt").write_text(IGNORED)
    subprocess.run(["git", "init", "--quiet", place], check=True)
    subprocess.run(["git", "-C", place, "add", "--all"], check=True)
    home = CACHE / "ansible-test"
    for version in PIP_VERSIONS:
        script = home / f".ansible/test/cache/get_pip_{version}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(PIP)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    test = Path(sys.executable).with_name("ansible-test")
    chosen = [word for name in SANITY for word in ("--test", name)]
    argv = [test, "sanity", "--color", "no", "--python", python, *chosen]
    return run(argv, place, HOME=str(home), LC_ALL="C.UTF-8")


def lint(directory: Path) -> int:
    """ansible-lint with the profile `production`; the examples for other schedulers need collections of others."""
    argv = [tool("ansible-lint"), "--offline", "--profile", "production", "-q", "--exclude", "examples/schedules"]
    return run(argv, installed(directory), ANSIBLE_COLLECTIONS_PATH=str(directory), NO_COLOR="1")


def docs(directory: Path) -> int:
    """The checks of antsibull-docs: whether the documentation of plugins and roles is sound."""
    place = installed(directory)
    argv = [tool("antsibull-docs"), "lint-collection-docs", "--plugin-docs", "."]
    return run(argv, place, ANSIBLE_COLLECTIONS_PATH=str(directory))


def changelog(directory: Path) -> int:
    """The checks of antsibull-changelog: of its settings, and of what is generated from CHANGELOG.md."""
    place = installed(directory)
    words = (["lint"], ["lint-changelog-yaml", "--strict", "changelogs/changelog.yaml"])
    return max(run([tool("antsibull-changelog"), *each], place) for each in words)


def importer(directory: Path) -> int:
    """galaxy-importer, which decides whether Galaxy takes the file: that of a checkout from a server."""
    file = built(directory, "--repository", REPOSITORY)
    return run([sys.executable, "-m", "galaxy_importer.main", str(file)], directory)


def tool(name: str) -> str:
    """A program of the environment of this Python."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{PATH}")
    assert found, f"{name} is not in the environment"
    return found


CHECKS = {"sanity": sanity, "lint": lint, "docs": docs, "changelog": changelog, "importer": importer}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check the collection that this checkout builds.")
    parser.add_argument("check", choices=CHECKS)
    chosen = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{PATH}"
    with tempfile.TemporaryDirectory(prefix="proscribe-collection-checks-") as made:
        sys.exit(CHECKS[chosen.check](Path(made)))
