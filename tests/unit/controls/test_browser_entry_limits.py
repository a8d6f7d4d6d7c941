"""How many entries a list of a browser may have: measured, so another number here is a mistake."""

from __future__ import annotations

from proscribe.controls.browser import rendering


def test_what_browsers_take() -> None:
    """See tests/integration/test_browser_limits.py: what is above is ignored, and nobody is told."""
    assert (rendering.MOST_ENTRIES, rendering.CHROMIUM_ENTRIES) == (1000, 1500)
