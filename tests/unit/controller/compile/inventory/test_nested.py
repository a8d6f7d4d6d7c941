"""Hosts whose own variables and waivers a run does not read are asked for nothing."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from proscribe.controller.compile.inventory import nested
from proscribe.controller.compile.inventory.inventory import Question
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.policy_errors import PolicyErrors

HOSTS = "department: {hosts: {one: {}}}\n"


def made(top: Path, *paths: str) -> Path:
    for path in paths:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(HOSTS)
    return top


def mistakes(*sources: Path) -> list[str]:
    return [str(mistake) for mistake in nested.nested([str(source) for source in sources])]


@pytest.mark.parametrize(
    "own", ["group_vars/all.yml", "host_vars/one.yml", "waivers/w.yml", "approvers.yml", "allowed_signers"]
)
def test_an_inventory_in_an_inventory_is_a_mistake_since_its_own_policy_would_not_be_read(
    tmp_path: Path, own: str
) -> None:
    top = made(tmp_path, "hosts.yml", "prod/hosts.yml", f"prod/{own}")
    (mistake,) = mistakes(top)
    assert mistake.startswith(f"{top}/prod: found {own.partition('/')[0]}, which no run over the inventory")
    assert f"expected an inventory of its own: -i {top}/prod, or -i {top}/hosts.yml " in mistake


@pytest.mark.parametrize("name", ["hosts", "hosts.ini", "hosts.yaml"])
def test_the_file_around_it_is_named_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    others = (".gitkeep", "aws.py", "cloud/hosts.yml", "notes.txt")
    top = made(tmp_path, name, *others, "prod/hosts.yml", "prod/approvers.yml")
    assert f"or -i {top}/{name} for the hosts around it" in mistakes(top)[0]


def test_where_no_file_is_around_it_none_is_named(tmp_path: Path) -> None:
    top = made(tmp_path, "prod/hosts.yml", "prod/approvers.yml")
    assert mistakes(top)[0].endswith(f"expected an inventory of its own: -i {top}/prod")


def test_a_source_with_a_comma_is_looked_into_where_it_is_a_folder(tmp_path: Path) -> None:
    top = made(tmp_path / "Acme, Inc", "hosts.yml", "prod/hosts.yml", "prod/approvers.yml")
    assert len(mistakes(top)) == 1 and [*nested.nested(["web1,web2"])] == []


def test_a_run_over_it_is_refused_before_any_host_is_touched(tmp_path: Path, project: Path) -> None:
    top = made(tmp_path, "hosts.yml", "prod/hosts.yml", "prod/group_vars/all.yml")
    question = Question(project, "audit", "audit", [str(top)], "", [], [], {})
    with pytest.raises(PolicyErrors, match=f"{top}/prod: found group_vars"):
        compile_hosts(question, datetime.datetime.now(datetime.timezone.utc))


def test_what_is_named_by_itself_or_has_no_policy_of_its_own_is_none(tmp_path: Path) -> None:
    top = made(tmp_path, "hosts.yml", "group_vars/all/group_vars/x.yml", "more/hosts.yml", "catalog/webmail/waivers")
    assert mistakes(top) == []
    made(top, "prod/hosts.yml", "prod/group_vars/all.yml")
    assert mistakes(top, top / "prod") == []
    assert mistakes(top / "hosts.yml", top / "prod") == []
    assert len(mistakes(top)) == 1


@pytest.mark.parametrize(("link", "to"), [("a/again", "."), ("a/again", "a"), ("c", "a/b")])
def test_a_folder_that_several_paths_lead_to_is_looked_into_once(tmp_path: Path, link: str, to: str) -> None:
    top = made(tmp_path, "hosts.yml", "a/b/approvers.yml")
    (top / link).symlink_to(top / to)
    assert len(mistakes(top)) == 1


@pytest.mark.parametrize(("deep", "found"), [(nested.DEEPEST, 1), (nested.DEEPEST + 1, 0)])
def test_folders_are_looked_into_down_to_a_depth(tmp_path: Path, deep: int, found: int) -> None:
    top = made(tmp_path, "hosts.yml", f"{'a/' * deep}approvers.yml")
    assert len(mistakes(top)) == found
