"""The clauses of standards that controls serve: their form, and those that several controls share."""

from __future__ import annotations

from typing import NamedTuple

HONG_KONG = "HK G3 v10.0 / S17 v8.2"
NIST = "NIST SP 800-53 Rev. 5"
NIST_CSF = "NIST CSF 2.0"
CIS_CONTROLS = "CIS Controls v8"
ISO_27001 = "ISO/IEC 27001:2022"


class Clause(NamedTuple):
    """A clause of a standard (`framework`).

    `is_verified` is True if somebody compared the clause with the standard's text. `oscal_id` is the clause's id in
    NIST's OSCAL catalogue; "" if the catalogue lacks it.
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
