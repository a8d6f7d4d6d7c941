"""The table of how restricted apps reach a host, in docs/coverage.md."""

from __future__ import annotations

from proscribe.controls.apps.routes import table

from .part import Part

DERIVED = (Part("docs/coverage.md", table, "installation routes"),)
