"""Tags that no task has are a mistake: a run with them does less than was meant."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.inventory.tags import unknown_tags

KNOWN = ("apps", "dns", "report")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], ""),
        (["apps"], ""),
        (["apps,dns", " report , "], ""),
        (["all,always,never", "tagged", "untagged"], ""),  # Ansible's own
        (["notest,molecule-notest", "molecule-idempotence-notest"], ""),  # Molecule's
        (["firewall"], "no task has the tag 'firewall'; there are apps, dns"),
        (["app"], "no task has the tag 'app', did you mean 'apps'?; there are apps, dns"),
        (["xx,apps", "yy", "xx"], "no task has the tag 'xx', and 'yy'; there are apps, dns"),
    ],
)
def test_a_tag_that_no_task_has_is_named(given: list[str], message: str) -> None:
    assert unknown_tags(given, KNOWN) == message


def test_where_no_control_has_tasks_none_is_offered() -> None:
    assert unknown_tags(["xx"], ["report"]) == "no task has the tag 'xx'"
