"""What docs/exports.md says of the exports: the tables of them and of the clauses that they name."""

from proscribe.controller.controls import DECLARATIONS
from proscribe.controller.report.exports import list_export_formats

from .part import parts_of, table


def all_formats():
    rows = ((f"`{one.name}`", f"`{one.file_name}`", one.purpose) for one in list_export_formats().values())
    return table(("`proscribe_exports`", "file", "for"), rows)


def unusual():
    left_out = [f"`{one.name}`" for one in list_export_formats().values() if not one.is_default]
    return f"All except {', '.join(left_out[:-1])} and {left_out[-1]} are written unless the inventory changes this.\n"


def all_checks():
    return table(
        ("format", "checked with"), ((f"`{one.name}`", one.verification) for one in list_export_formats().values())
    )


def all_clauses():
    clauses = [(control, clause) for control, declared in DECLARATIONS.items() for clause in declared.clauses]
    verified = {True: "yes", False: "no"}
    rows = ((control, c.framework, c.id or "not known", c.title, verified[c.is_verified]) for control, c in clauses)
    return table(("control", "framework", "clause", "about", "verified"), rows)


TEXTS = {"exports": all_formats, "unusual": unusual, "clauses": all_clauses, "checks": all_checks}
DERIVED = parts_of("docs/exports.md", TEXTS)
