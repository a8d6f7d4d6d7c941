"""The page of a department in a real browser: the trend of 90 days, the days of waivers."""

import pytest
import shown_to_heads
from test_report_page import browser_fixture, violations

__all__ = ["browser_fixture"]
VIEWS = [{"width": 1280, "height": 900}, {"width": 390, "height": 844, "scheme": "dark"}]  # a desk, a phone
BOXES = """[...document.querySelectorAll('figure.days > svg g')].map(g => {
    const box = g.getBoundingClientRect(); return [box.left, box.right, box.height]; })"""
COLOUR = "getComputedStyle(document.querySelector('figure.days rect.%s')).fill"


@pytest.fixture(scope="module", name="files")
def files_fixture(tmp_path_factory):
    """The addresses of the whole page, of a department's page, and of the trend's file."""
    return {name: path.as_uri() for name, path in shown_to_heads.written(tmp_path_factory.mktemp("pages")).items()}


@pytest.mark.parametrize("view", VIEWS)
def test_a_day_has_its_place_and_a_day_without_a_run_is_empty(browser, files, view):
    page = browser.open(files["whole"], **view)
    assert page.evaluate("document.documentElement.scrollWidth") <= view["width"]
    boxes = page.evaluate(BOXES)
    box = "document.querySelector('figure.days > svg').getBoundingClientRect()"
    begin, width = page.evaluate(f"(b => [b.left, b.width])({box})")
    assert [round((start - begin) * 90 / width) for start, _, _ in boxes] == shown_to_heads.PLACES
    assert all(height >= 2 for _, _, height in boxes)  # a day on which all was well is to be seen, too
    assert all(after[0] - before[1] > 0.5 for before, after in zip(boxes, boxes[1:]))
    colours = [page.evaluate(COLOUR % state) for state in ("error", "noncompliant", "unknown", "compliant", "ran")]
    assert len(set(colours)) == len(colours)
    assert page.complaints() == [] and page.requests() == []
    page.close()


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_of_a_department_has_nothing_of_others_and_the_days_of_each_waiver(browser, files, view):
    page = browser.open(files["press"], **view)
    assert page.evaluate("document.documentElement.scrollWidth") <= view["width"]
    text = page.evaluate("document.documentElement.innerText.replace(/\\s+/g, ' ')")
    for name in shown_to_heads.HIDDEN:
        assert name not in text and name not in page.evaluate("document.documentElement.outerHTML")
    assert page.evaluate("document.querySelector('h1').textContent") == "1 of 4 hosts of press is not compliant"
    assert "department press alone" in text
    assert page.evaluate("document.querySelectorAll('#next, figure.days').length") == 0
    assert page.evaluate("document.querySelectorAll('#list tbody th').length") == 4
    days = page.evaluate("[...document.querySelectorAll('.waiver .until b')].map(e => e.textContent)")
    assert days == ["ended", "ends today", "126 days left"]
    assert page.evaluate("[...document.querySelectorAll('.waiver .until b')].every(e => e.checkVisibility())")
    assert page.complaints() == [] and page.requests() == []
    page.close()


@pytest.mark.parametrize("name", ["whole", "press"])
def test_printed_it_is_all_there(browser, files, name):
    page = browser.open(files[name], width=1280)
    page.ask("Emulation.setEmulatedMedia", {"media": "print"})
    elements = "[...document.querySelectorAll('figure.days svg, .waiver .until')]"
    shown = page.evaluate(f"{elements}.map(e => e.checkVisibility())")
    assert len(shown) > 2 and all(shown) and "/Type /Page" in page.pdf().decode("latin-1")
    page.close()


def test_the_pages_are_accessible_by_the_rules_of_axe(browser, files):
    for name in ("whole", "press"):
        for scheme, width in (("light", 390), ("dark", 1280)):
            page = browser.open(files[name], scheme=scheme, width=width)
            assert violations(page) == [], (name, scheme, width)
            page.close()


@pytest.mark.parametrize("view", VIEWS)
def test_the_file_of_the_trend_stands_alone(browser, files, view):
    page = browser.open(files["trend"], **view)
    assert page.evaluate("document.documentElement.tagName") == "svg"
    assert page.evaluate("document.querySelectorAll('g > g').length") == len(shown_to_heads.PLACES)
    inside = """[...document.querySelectorAll('text')].every(t => { const box = t.getBBox();
        return box.x >= 0 && box.x + box.width <= 760; })"""
    assert page.evaluate(inside)
    assert page.complaints() == [] and page.requests() == []
    page.close()
