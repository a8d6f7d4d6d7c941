"""The tables of docs/exports.md: the exports, and the clauses that they name."""

from __future__ import annotations

from proscribe.controller.report.evaluation.frameworks import CLAUSES
from proscribe.controller.report.exports import formats

from .part import Part, table


def all_formats() -> str:
    return table(
        ("`proscribe_exports`", "file", "for"),
        ((f"`{one.name}`", f"`{one.file}`", one.meant_for) for one in formats().values()),
    )


def all_clauses() -> str:
    return table(
        ("control", "framework", "clause", "about", "verified"),
        (
            (control, one.framework, one.id or "not known", one.title, "yes" if one.verified else "no")
            for control, listed in CLAUSES.items()
            for one in listed
        ),
    )


DERIVED = (Part("docs/exports.md", all_formats, "exports"), Part("docs/exports.md", all_clauses, "clauses"))
