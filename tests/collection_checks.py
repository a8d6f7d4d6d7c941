"""The checks of Ansible's makers: `python tests/collection_checks.py sanity | lint | docs | changelog | importer`."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import CACHE, PATH, PROJECT

# All of `ansible-test sanity --list-tests` but for two, which docs/limits.md names: `import` (what the controller
# alone runs is in module_utils, too, and imports what modules may not) and `pylint`.
SANITY = """
action-plugin-docs ansible-doc changelog compile empty-init ignores line-endings no-assert no-get-exception
no-illegal-filenames no-smart-quotes pep8 pslint replace-urlopen runtime-metadata shebang shellcheck symlinks
use-argspec-type-path use-compat-six validate-modules yamllint
"""
# Its findings that stay, each with the reason.
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
REPOSITORY = "https://git.example.org/it-security/proscribe"  # that of a clone
LONGEST_LINE = 160  # columns, of ansible-test's pep8
CORES = ("2.19", "2.20", "2.21")
# ansible-test fetches this script from a server of its makers where an environment has no pip. Python has one itself.
PIP = """\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip"])
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *words]))
"""
PIP_VERSIONS = ("24_2", "25_2")  # of ansible-core 2.19 to 2.21


def run(argv, cwd, **environment):
    """Run a program in a directory and return its exit code."""
    return subprocess.run(argv, cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL).returncode


def build(directory, *options):
    """Build the file of the collection."""
    command = PROJECT / "module_utils/proscribe_command.py"
    argv = [sys.executable, str(command), "collection", "--output", str(directory), *options]
    subprocess.run(argv, check=True)
    (path,) = directory.glob("*.tar.gz")
    return path


def install(directory):
    """Install the collection as a checkout of its own, in the directories that ansible-test wants."""
    galaxy = [sys.executable, "-m", "ansible", "galaxy", "collection", "install", "--offline", "-p", str(directory)]
    own = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(directory)}
    subprocess.run([*galaxy, str(build(directory))], env=own, check=True, stdout=subprocess.DEVNULL)
    (place,) = directory.glob("ansible_collections/*/*/")
    return place


def check_sanity(directory):
    """Run ansible-test sanity with the Python that runs this."""
    place = install(directory)
    for name in ("MANIFEST.json", "FILES.json"):  # it is a source tree now, which git has
        (place / name).unlink()
    (place / "galaxy.yml").write_text(GALAXY)
    (place / "tests/sanity").mkdir(parents=True)
    ignored = IGNORED + "".join(f"{path} pep8:E501 # imports of a collection\n" for path in list_long_files(place))
    for core in CORES:
        (place / f"tests/sanity/ignore-{core}.txt").write_text(ignored)
    subprocess.run(["git", "init", "--quiet", place], check=True)
    subprocess.run(["git", "-C", place, "add", "--all"], check=True)
    home = CACHE / "ansible-test"
    scripts = home / ".ansible/test/cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for version in PIP_VERSIONS:
        (scripts / f"get_pip_{version}.py").write_text(PIP)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    tests = [word for name in SANITY.split() for word in ("--test", name)]
    argv = [find_tool("ansible-test"), "sanity", "--color", "no", "--python", python, *tests]
    return run(argv, place, HOME=str(home), LC_ALL="C.UTF-8")


def list_long_files(place):
    """List the files with longer lines than ansible-test permits: a collection's imports have longer names.

    Only those lines can be too long. In the checkout, ruff permits 120 columns.
    """
    paths = sorted(place.glob("plugins/**/*.py"))
    return [
        path.relative_to(place)
        for path in paths
        if any(len(line) > LONGEST_LINE for line in path.read_text().splitlines())
    ]


def check_lint(directory):
    """Run ansible-lint with the profile `production`. The examples for other schedulers need others' collections."""
    argv = [find_tool("ansible-lint"), "--offline", "--profile", "production", "-q", "--exclude", "examples/schedules"]
    return run(argv, install(directory), ANSIBLE_COLLECTIONS_PATH=str(directory), NO_COLOR="1")


def check_docs(directory):
    """Run antsibull-docs on the documentation of plugins and roles."""
    argv = [find_tool("antsibull-docs"), "lint-collection-docs", "--plugin-docs", "."]
    return run(argv, install(directory), ANSIBLE_COLLECTIONS_PATH=str(directory))


def check_changelog(directory):
    """Run antsibull-changelog on its settings, and on the file that is generated from CHANGELOG.md."""
    place = install(directory)
    words = (["lint"], ["lint-changelog-yaml", "--strict", "changelogs/changelog.yaml"])
    return max(run([find_tool("antsibull-changelog"), *options], place) for options in words)


def check_importer(directory):
    """Run galaxy-importer, by which Galaxy accepts a file, on the file of a clone."""
    file = build(directory, "--repository", REPOSITORY)
    return run([sys.executable, "-m", "galaxy_importer.main", str(file)], directory)


def find_tool(name):
    """Find a program of the environment of this Python."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}:{PATH}")
    assert path, f"{name} is not in the environment"
    return path


ALL = (check_sanity, check_lint, check_docs, check_changelog, check_importer)
CHECKS = {check.__name__.removeprefix("check_"): check for check in ALL}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check the collection that this checkout builds.")
    parser.add_argument("check", choices=CHECKS)
    check = CHECKS[parser.parse_args().check]
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{PATH}"
    with tempfile.TemporaryDirectory(prefix="proscribe-collection-checks-") as directory:
        sys.exit(check(Path(directory)))
