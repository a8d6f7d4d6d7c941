"""Each way of docs/how-to/use-it-from-your-repository.md, from a repository that knows nothing of this checkout."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from vendored import EXAMPLE, PROJECT, Repository, bin_directory, collection, collection_repository, downloaded, image

__all__ = ["bin_directory", "collection", "collection_repository"]  # fixtures
INVENTORY = "press: {hosts: {localhost: {ansible_connection: local}}}\n"
# Restrictions with which an audit of this machine is short.
VARIABLES = """\
proscribe_categories: [webmail]
proscribe_controls: {apps: 'off', browser: 'off', firewall: 'off', dns: audit}
proscribe_dns_backend: hosts
"""
CONFIGURATION = "[defaults]\ncollections_path = collections\n"
SITE = """\
- name: Our own play
  hosts: all
  gather_facts: false
  tasks:
    - name: Our own task
      ansible.builtin.debug:
        msg: our own task

- name: The ban
  import_playbook: proscribe.ban.audit
"""


@pytest.fixture
def team(tmp_path, bin_directory):
    """A team's repository with an inventory and a play, and nothing of Proscribe."""
    team = Repository(tmp_path / "team", bin_directory, tmp_path / "home")
    team.write({"inventory/hosts.yml": INVENTORY, "inventory/group_vars/all.yml": VARIABLES, "site.yml": SITE})
    team.commit("before Proscribe")
    return team


def evaluated(reports):
    """The playbook of the newest report, in which the one host has answered."""
    report = json.loads((reports / "latest/report.json").read_text())
    assert report["summary"]["coverage"]["numerator"] == 1, report["summary"]
    return str(report["run"]["playbook"])


def test_a_submodule_runs_by_its_launcher_without_any_setting(team):
    team.git("submodule", "--quiet", "add", "--depth", "1", PROJECT.as_uri(), "vendor/proscribe")
    playbook = str(Path(team.environment["PATH"].split(":")[0]) / "ansible-playbook")
    environment = {"PROSCRIBE_ANSIBLE_PLAYBOOK": playbook, "PROSCRIBE_REPORTS": str(team.directory / "reports")}
    team.run("vendor/proscribe/proscribe", "audit", "-i", "inventory/hosts.yml", **environment)
    assert evaluated(team.directory / "reports") == "audit"
    assert team.run("git", "-C", "vendor/proscribe", "status", "--porcelain") == ""
    # In plays of their own: the collection, built from the submodule.
    team.write({"ansible.cfg": CONFIGURATION})
    built = team.run("vendor/proscribe/proscribe", "collection", "--output", "vendor", **environment).split()[-1]
    team.run("ansible-galaxy", "collection", "install", "--offline", built, "-p", "collections")
    shutil.rmtree(team.directory / "reports")
    assert "our own task" in team.run("ansible-playbook", "-i", "inventory/hosts.yml", "site.yml")
    assert evaluated(team.directory / "reports") == "audit"


@pytest.mark.parametrize("source", ["git", "file"])
def test_requirements_name_a_repository_or_a_file(team, source, collection, collection_repository):
    entry = {"git": f"{{name: '{collection_repository}', type: git, version: v1.0.0}}", "file": f"name: {collection}"}
    team.write({"requirements.yml": f"collections:\n  - {entry[source]}\n", "ansible.cfg": CONFIGURATION})
    said = team.run("ansible-galaxy", "collection", "install", "-r", "requirements.yml", "-p", "collections")
    version = collection.name.removeprefix("proscribe-ban-").removesuffix(".tar.gz")
    assert f"proscribe.ban:{version} was installed successfully" in said
    assert "our own task" in team.run("ansible-playbook", "-i", "inventory/hosts.yml", "site.yml")
    assert evaluated(team.directory / "reports") == "audit"


def test_ansible_navigator_runs_it_without_an_image(team, collection):
    team.write({"ansible.cfg": CONFIGURATION})
    team.run("ansible-galaxy", "collection", "install", "--offline", str(collection), "-p", "collections")
    run = ("ansible-navigator", "run", "proscribe.ban.audit", "-i", "inventory/hosts.yml")
    options = ("--execution-environment", "false", "--mode", "stdout", "--playbook-artifact-enable", "false")
    team.run(*run, *options)
    assert evaluated(team.directory / "reports") == "audit"


def test_a_controllers_job_runs_the_project_with_its_collections(team, tmp_path, collection_repository):
    """AWX syncs a project and its collections into two directories, and the inventory is a script elsewhere."""
    entry = f"collections:\n  - {{name: '{collection_repository}', type: git, version: v1.0.0}}\n"
    team.write({"requirements.yml": entry})
    team.commit("with requirements")
    runner = tmp_path / "runner"
    job = Repository(runner, Path(team.environment["PATH"].split(":")[0]), tmp_path / "home")
    job.git("clone", "--quiet", team.directory.as_uri(), "project")
    install = ("ansible-galaxy", "collection", "install", "-r", "requirements.yml", "--collections-path")
    job.run(*install, str(runner / "requirements_collections"), cwd="project")
    variables = {"ansible_connection": "local", **yaml.safe_load(VARIABLES)}
    hosts = {"press": {"hosts": ["localhost"]}, "_meta": {"hostvars": {"localhost": variables}}}
    job.write({"inventory/hosts": f"#!/bin/sh\ncat <<'END'\n{json.dumps(hosts)}\nEND\n"})
    (runner / "inventory/hosts").chmod(0o755)
    environment = {"ANSIBLE_COLLECTIONS_PATH": f"{runner}/requirements_collections"}
    environment["PROSCRIBE_REPORTS"] = str(tmp_path / "reports")
    job.run("ansible-playbook", "-i", str(runner / "inventory/hosts"), "site.yml", cwd="project", **environment)
    assert evaluated(tmp_path / "reports") == "audit"


@pytest.mark.parametrize("definition", [EXAMPLE, PROJECT], ids=["example", "project"])
def test_the_execution_environments_are_what_ansible_builder_takes(team, collection, definition):
    shutil.copy(definition / "execution-environment.yml", team.directory)
    team.write({"requirements.yml": "collections:\n  - name: proscribe.ban\n"})
    team.run("ansible-builder", "create", "--output-filename", "Containerfile")
    made = (team.directory / "context/Containerfile").read_text()
    assert "ansible-core>=2.19,<2.22" in made
    if definition == EXAMPLE:
        assert "proscribe.ban" in (team.directory / "context/_build/requirements.yml").read_text()
        assert "ansible-galaxy collection install" in made


# A build has no network either, so the image has what ansible-builder installs.
BASE = """\
FROM {image}
COPY wheels /usr/share/wheels
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/usr/share/wheels
"""
INSTALLED = ("ansible-runner", "bindep", "dumb-init==1.2.5", "packaging", "pyyaml")
FOR_DEBIAN = ("--python-version", "3.13", "--only-binary", ":all:")
# A base image of Debian's, which has pip and what bindep asks for.
OF_DEBIAN = """\
additional_build_files:
  - src: {file}
    dest: galaxy
options:
  skip_pip_install: true
  package_manager_path: /usr/bin/apt-get
"""
# A build in a container that may not raise its limits.
BUILD = "--layers=false --network=host --pull=never --ulimit nofile=20000:20000 --ulimit nproc=20000:20000"
UID = 1000  # of a job in an image of ansible-builder


@pytest.mark.nightly
def test_an_execution_environment_is_built_and_audits(team, tmp_path, collection):
    configuration = tmp_path / "containers.conf"
    configuration.write_text('[engine]\nruntime = "runc"\n')
    environment = {"CONTAINERS_CONF_OVERRIDE": str(configuration), "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    base, tag = "localhost/proscribe-test-base", "localhost/proscribe-test-ee"
    build = tmp_path / "build"
    build.mkdir()
    downloaded(build / "wheels", "ansible-core>=2.19,<2.22", *FOR_DEBIAN, *INSTALLED)
    try:
        with image("trixie-builder", environment) as name:
            (build / "Containerfile").write_text(BASE.format(image=name))
            team.run("podman", "build", "--quiet", "--tag", base, str(build), **environment)
        shutil.copy(collection, team.directory)
        definition = (EXAMPLE / "execution-environment.yml").read_text() + OF_DEBIAN.format(file=collection.name)
        entry = f"{{name: ./galaxy/{collection.name}, type: file}}"
        team.write({"execution-environment.yml": definition, "requirements.yml": f"collections:\n  - {entry}\n"})
        options = ("--build-arg", f"EE_BASE_IMAGE={base}", "--build-arg", "PKGMGR_PRESERVE_CACHE=always")
        target = ("--container-runtime", "podman", "--tag", tag, f"--extra-build-cli-args={BUILD}")
        team.run("ansible-builder", "build", *target, *options, **environment)

        reports = tmp_path / "reports"
        reports.mkdir(mode=0o755)
        os.chown(reports, UID, UID)
        mounts = ("--volume", f"{team.directory}:/runner/project:ro", "--volume", f"{reports}:/reports")
        where = ("--workdir", "/runner/project", "--env", "PROSCRIBE_REPORTS=/reports", "--env", "HOME=/tmp")
        job = ("ansible-playbook", "-i", "inventory/hosts.yml", "site.yml")
        said = team.run("podman", "run", "--rm", "--network=none", *mounts, *where, tag, *job, **environment)
        assert "our own task" in said and evaluated(reports) == "audit"
    finally:
        team.run("podman", "rmi", "--force", tag, base, code=None, **environment)
