"""The templates of the page: whichever way one prints a text, it comes out printable and escaped."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import proscribe
import pytest
from proscribe.controller.report.page import rendering

EVIL = "a/b\"'><b>&\x1b[2J\u202e\r\nc"
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in (rendering.HERE / "templates").iterdir()}


def printed(template, **values):
    return rendering.environment().from_string(template).render(**values)


@pytest.mark.parametrize(
    "template",
    [
        "{{ x }}",
        "{{ x|e }}",
        "{{ x|moment }}",
        "{{ x|flowing }}",
        "{{ x ~ y }}",
        '{{ ("<i>"|safe) ~ x }}',
        '{{ [x, x]|join("<i>"|safe) }}',
        '{{ "<i>%s</i>"|safe|format(x) }}',
        "{% set text %}{{ x|e }}{% endset %}{{ text }}",
        "{% macro of(text) %}<i>{{ text|e }}</i>{% endmacro %}{{ of(x) }}",
        '{% from "macros.html.j2" import time %}{{ time(x) }}',
        "{{ [x] }}",
    ],
)
def test_a_text_is_printable_and_escaped_whichever_way_it_is_printed(template):
    text = printed(template, x=EVIL, y=EVIL)
    assert not [line for line in text.split("\n") if not line.isprintable()]
    assert "<b>" not in text
    assert "'>" not in text


def test_a_text_stays_in_its_attribute():
    assert re.fullmatch('<p title="[^"<>]*"></p>', printed('<p title="{{ x }}"></p>', x=EVIL))


def test_markup_keeps_its_lines():
    assert printed("{% set two %}<p>\n</p>{% endset %}{{ two }}") == "<p>\n</p>"


def test_templates_trust_the_style_the_scripts_and_the_data_only():
    trusted = {(name, what) for name, text in TEMPLATES.items() for what in re.findall(r"([\w.]+) *\| *safe\b", text)}
    assert trusted == {("page.html.j2", what) for what in ("style", "script", "piece")}
    assert not [name for name, text in TEMPLATES.items() if "autoescape" in text]


def test_every_attribute_that_is_printed_is_quoted():
    """What is escaped cannot leave a quoted value; a blank would end one without quotes."""
    assert not [name for name, text in TEMPLATES.items() if re.search(r"=\{\{", text)]


def test_no_template_is_left_over():
    named = set(re.findall(r'"([\w.]+\.j2)"', "".join(TEMPLATES.values())))
    assert named | {"page.html.j2", "days.svg.j2"} == set(TEMPLATES)  # these two are files of their own


def test_the_library_is_loaded_where_a_page_is_written_and_not_before():
    code = "import sys, proscribe.controller.report.end.publishing; print('jinja2' in sys.modules)"
    folder = Path(proscribe.__path__[0]).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
