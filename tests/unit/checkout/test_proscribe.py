"""What stands at the repository's front door: hooks, CI and forms name what there is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
FORMS = ["bug", "package_system", "service"]


def read(path):
    return yaml.safe_load((PROJECT / path).read_text(encoding="utf-8"))


def test_hooks_fetch_nothing():
    """A hook of another repository is cloned when it runs first, and an environment is made for one of a language."""
    config = read(".pre-commit-config.yaml")
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert all(hook["entry"].startswith("tests/tool ") for hook in hooks)


def test_a_tool_is_that_of_the_environment_with_its_ansible(tmp_path):
    place = tmp_path / ".cache/core2.19-python3.11/bin"
    place.mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    shutil.copy(PROJECT / "tests/tool", tmp_path / "tests/tool")
    (place / "made").write_text('#!/bin/sh\necho "$@" "$PROSCRIBE_ANSIBLE_PLAYBOOK"\nexit 3\n')
    (place / "made").chmod(0o755)
    pre_release = tmp_path / ".cache/core-next-python3.13/bin/made"
    pre_release.parent.mkdir(parents=True)
    pre_release.symlink_to("/bin/false")
    done = subprocess.run([tmp_path / "tests/tool", "made", "a b"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, f"a b {place}/ansible-playbook\n")
    done = subprocess.run([tmp_path / "tests/tool", "nosuch"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (127, "")
    assert "there is no nosuch here; ./proscribe test fast makes" in done.stderr


@pytest.mark.parametrize(
    ("path", "commands", "expected"),
    [
        (".github/workflows/ci.yml", lambda ci: [step.get("run") for step in ci["jobs"]["all"]["steps"]], ".ci/run"),
        (
            ".github/workflows/nightly.yml",
            lambda ci: [step.get("run") for step in ci["jobs"]["nightly"]["steps"]],
            "./proscribe test nightly",
        ),
        (".gitlab-ci.yml", lambda ci: ci["all"]["script"], ".ci/run"),
        (".gitlab-ci.yml", lambda ci: ci["nightly"]["script"], "./proscribe test nightly"),
    ],
)
def test_ci_runs_the_one_command_and_everything_at_night(path, commands, expected):
    assert expected in commands(read(path))


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_one_that_is_shown_and_links_to_what_there_is(name):
    form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    fields = [item for item in form["body"] if item["type"] != "markdown"]
    assert {item["type"] for item in fields} <= {"input", "textarea", "dropdown"}
    assert len({item["id"] for item in fields}) == len(fields)
    assert all(item["attributes"]["label"] for item in fields)
    text = (PROJECT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text()
    assert [link for link in re.findall(r"\]\(\.\./blob/HEAD/([^)]+)\)", text) if not (PROJECT / link).exists()] == []


def test_the_form_for_a_service_has_the_categories_that_there_are():
    (category,) = (item for item in read(".github/ISSUE_TEMPLATE/service.yml")["body"] if item.get("id") == "category")
    there = {path.name for path in (PROJECT / "catalog").iterdir() if path.is_dir()} - {"feeds"}
    assert set(category["attributes"]["options"]) == there
