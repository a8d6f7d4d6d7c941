"""The diagrams of the documents: each is drawn from the text beside it, and can be read without seeing it."""

import re
import shutil
from xml.etree import ElementTree

import pytest
from diagrams import PICTURES, describe_origin, draw, find_line

DOCUMENTS = PICTURES.parent
SOURCES = sorted(PICTURES.glob("*.dot"))
SVG = "{http://www.w3.org/2000/svg}"

pytestmark = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def list_labels(source):
    lines = [line for label in re.findall(r'label="([^"]*)"', source) for line in label.split(r"\n")]
    return {" ".join(line.split()) for line in lines}


def test_picture_is_drawn_from_the_text_beside_it(source):
    picture = source.with_suffix(".svg").read_text(encoding="utf-8")
    assert picture.startswith(describe_origin(source.read_text(encoding="utf-8"))), "run `python tests/diagrams.py`"


def test_picture_shows_every_label_and_has_a_description(source):
    text = source.read_text(encoding="utf-8")
    root = ElementTree.fromstring(source.with_suffix(".svg").read_text(encoding="utf-8"))
    shown = {" ".join((element.text or "").split()) for element in root.iter(f"{SVG}text")}
    assert shown == list_labels(text)
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title desc")
    assert [part.text for part in root if part.get("id") in ("title", "desc")] == [
        find_line(text, "title"),
        find_line(text, "desc"),
    ]
    assert "prefers-color-scheme:dark" in (root.findtext(f"{SVG}style") or "")


def test_document_shows_the_picture_with_a_text_instead(source):
    pages = [*DOCUMENTS.rglob("*.md"), DOCUMENTS.parent / "README.md"]
    shown = re.compile(rf"!\[[^\]]{{20,}}\]\((?:docs/|\.\./)?pictures/{source.stem}\.svg\)")
    assert any(shown.search(page.read_text(encoding="utf-8")) for page in pages)


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_graphviz_draws_the_text(source):
    root = ElementTree.fromstring(draw(source.read_text(encoding="utf-8")))
    assert len(root.findall(f".//{SVG}g[@class]")) > 5
