"""What docs/exports.md says of the exports: the tables of them and of the clauses that they name."""

from proscribe.controller.report.evaluation.frameworks import CLAUSES
from proscribe.controller.report.exports import formats

from .part import Part, table


def all_formats():
    return table(
        ("`proscribe_exports`", "file", "for"),
        ((f"`{one.name}`", f"`{one.file}`", one.meant_for) for one in formats().values()),
    )


def unusual():
    left_out = [f"`{one.name}`" for one in formats().values() if not one.usual]
    return f"All except {', '.join(left_out[:-1])} and {left_out[-1]} are written unless the inventory changes this.\n"


def all_checks():
    return table(("format", "checked with"), ((f"`{one.name}`", one.checked_by) for one in formats().values()))


def all_clauses():
    return table(
        ("control", "framework", "clause", "about", "verified"),
        (
            (control, one.framework, one.id or "not known", one.title, "yes" if one.verified else "no")
            for control, listed in CLAUSES.items()
            for one in listed
        ),
    )


DERIVED = (
    Part("docs/exports.md", all_formats, "exports"),
    Part("docs/exports.md", unusual, "unusual"),
    Part("docs/exports.md", all_clauses, "clauses"),
    Part("docs/exports.md", all_checks, "checks"),
)
