"""The site's navigation is the index, and a link out of docs/ leads to a file of the checkout or fails the build."""

import logging
from types import SimpleNamespace

import pytest
import site_pages


@pytest.mark.parametrize(
    ("source", "link", "there"),
    [
        ("a.md", "[the launcher](../proscribe)", '<span title="proscribe">the launcher</span>'),
        ("how-to/a.md", "[`run`](../../tests/run#L1)", '<span title="tests/run">`run`</span>'),
        ("how-to/a.md", "[b](../b.md)", "[b](../b.md)"),
        ("a.md", "[c](#c) [d](https://d.example/../e)", "[c](#c) [d](https://d.example/../e)"),
    ],
)
def test_link_to_a_file_outside_the_site_becomes_text(source, link, there, caplog):
    assert _written(source, link) == there
    assert caplog.records == []


def test_a_link_to_what_is_not_there_is_a_warning_of_mkdocs(caplog):
    _written("how-to/a.md", "[gone](../../tests/gone.py)")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and record.name.startswith("mkdocs.")
    assert record.getMessage() == "how-to/a.md: the link leads to tests/gone.py, which is not there"


def _written(source, markdown):
    return site_pages.on_page_markdown(markdown, page=SimpleNamespace(file=SimpleNamespace(src_uri=source)))
