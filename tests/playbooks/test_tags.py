"""A run with a tag that no task has would check nothing, or less than was meant: it stops and prints why."""

import pytest
from checkout import Site

pytestmark = pytest.mark.playbook


def tried(tmp_path, *options):
    return Site(tmp_path)("audit", *options)


def test_a_tag_that_no_task_has_is_named_with_the_one_that_is_close(tmp_path):
    ended = tried(tmp_path, "--tags", "appz")
    said = " ".join(ended.said.split())
    assert ended.code == 2 and "exit 12" not in said, ended.said  # a mistake, as where others are right
    assert "no task has the tag 'appz', did you mean 'apps'?" in said and "apps, browser, firewall, dns" in said


@pytest.mark.parametrize("options", [("--tags", "dns,brwoser"), ("--tags", "dns", "--skip-tags", "firewal")])
def test_one_wrong_tag_among_others_stops_the_run_before_any_host_is_touched(tmp_path, options):
    ended = tried(tmp_path, *options)
    assert ended.code == 2, ended.said
    assert "did you mean" in ended.said and not (tmp_path / "reports").exists()


def test_existing_tags_are_accepted(tmp_path):
    ended = tried(tmp_path, "--tags", "dns", "--skip-tags", "never,molecule-notest,notest")
    assert "no task has the tag" not in ended.said
    assert (tmp_path / "reports" / "latest").exists(), ended.said
