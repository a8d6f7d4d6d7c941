"""The clauses of standards that each control serves: a single table, which all exports read.

`is_verified`: the clause and its number were checked against a copy of the text. Check the other clauses before you
rely on them. docs/exports.md shows the table.
"""

from __future__ import annotations

from typing import NamedTuple

from ....model.plan import CONTROLS

HONG_KONG = "HK G3 v10.0 / S17 v8.2"
NIST = "NIST SP 800-53 Rev. 5"
NIST_CSF = "NIST CSF 2.0"
CIS_CONTROLS = "CIS Controls v8"
ISO_27001 = "ISO/IEC 27001:2022"


class Clause(NamedTuple):
    """A clause of a standard, and whether somebody compared it with the standard's text.

    `framework` is the standard. `oscal_id` is the clause's id in NIST's OSCAL catalogue, "" if the catalogue lacks it.
    """

    framework: str
    id: str  # "" if the number is unknown
    title: str
    is_verified: bool
    oscal_id: str = ""

    @property
    def name(self) -> str:
        """The reference of the clause: `CIS Controls v8 2.3`.

        ` (unverified)` follows if nobody compared it with the text.
        """
        words = " ".join(filter(None, (self.framework, self.id)))
        return words if self.is_verified else f"{words} (unverified)"


# Clauses about the ban itself and its exceptions; every control serves them. In October 2024 the Hong Kong government
# named the three services, and the terms of an exception, to the press. The text of its clauses was not available.
BAN_CLAUSES = (
    Clause(
        HONG_KONG,
        "",
        "Personal webmail, public cloud storage and web messaging only with genuine need and approval",
        False,
    ),
    Clause(NIST, "CM-7(4)", "Least functionality: unauthorized software, deny by exception", True, "cm-7.4"),
)
BOUNDARY_CLAUSE = Clause(NIST, "SC-7", "Boundary protection", False, "sc-7")
WEB_FILTERING_CLAUSE = Clause(ISO_27001, "A.8.23", "Web filtering", True)

CONTROL_CLAUSES: dict[str, tuple[Clause, ...]] = {
    "apps": (
        *BAN_CLAUSES,
        Clause(NIST, "CM-10", "Software usage restrictions", False, "cm-10"),
        Clause(NIST, "CM-11", "User-installed software", False, "cm-11"),
        Clause(NIST_CSF, "PR.PS-05", "Unauthorized software is prevented", True),
        Clause(
            CIS_CONTROLS, "2.3", "Address unauthorized software: remove it, or document an exception; monthly", True
        ),
        Clause(ISO_27001, "A.8.19", "Installation of software on operational systems", True),
    ),
    "browser": (
        *BAN_CLAUSES,
        Clause(NIST, "AC-20", "Use of external systems", True, "ac-20"),
        Clause(CIS_CONTROLS, "9.3", "Maintain and enforce network-based URL filters", True),
        WEB_FILTERING_CLAUSE,
    ),
    "firewall": (
        *BAN_CLAUSES,
        BOUNDARY_CLAUSE,
        WEB_FILTERING_CLAUSE,
    ),
    "dns": (
        *BAN_CLAUSES,
        BOUNDARY_CLAUSE,
        Clause(CIS_CONTROLS, "9.2", "Use DNS filtering services", True),
        WEB_FILTERING_CLAUSE,
    ),
}


def list_clauses(control: str) -> tuple[Clause, ...]:
    """Return the clauses of a control.

    For a host as a whole ("host"), return the clauses that all controls serve.
    """
    return CONTROL_CLAUSES.get(control, BAN_CLAUSES)


def list_oscal_ids() -> list[str]:
    """Return the ids in NIST's OSCAL catalogue of all clauses that the catalogue has, sorted."""
    return sorted({clause.oscal_id for control in CONTROLS for clause in CONTROL_CLAUSES[control] if clause.oscal_id})
