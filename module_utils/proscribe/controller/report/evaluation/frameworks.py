"""The clauses of standards that each control serves: a single table, which all exports read.

`is_verified`: the clause and its number were checked against a copy of the text. Check the other clauses before you
rely on them. docs/exports.md shows the table.
"""

from __future__ import annotations

from ...controls import DECLARATIONS
from ...controls.clauses import BAN_CLAUSES, Clause


def list_clauses(control: str) -> tuple[Clause, ...]:
    """Return the clauses of a control.

    For a host as a whole ("host"), return the clauses that all controls serve.
    """
    return DECLARATIONS[control].clauses if control in DECLARATIONS else BAN_CLAUSES


def list_oscal_ids() -> list[str]:
    """Return the ids in NIST's OSCAL catalogue of all clauses that the catalogue has, sorted."""
    clauses = (clause for declaration in DECLARATIONS.values() for clause in declaration.clauses)
    return sorted({clause.oscal_id for clause in clauses if clause.oscal_id})
