"""What a run says of its hosts, and how long that is kept."""

from __future__ import annotations

from dataclasses import dataclass

from ...finding import GATES
from ...report import exports as formats
from ..readers import read_exports, read_history
from ..values import choice, length, length_of, length_or_forever, line
from .variable import variable


@dataclass(frozen=True)
class Reporting:
    """Verdict, reports and history."""

    compliance_gate: str = variable(
        "never",
        choice(*GATES),
        "What makes a host, and the run, fail: never, noncompliant, or incomplete (also what is unknown).",
    )
    gate_baseline: str = variable(
        "",
        line,
        "Only what was not there in this earlier run makes the run fail: latest (the latest that passed and covers "
        "this one), a run's id, or the path of its report.",
    )
    stale_after: int = variable(  # seconds
        "3d", length, "A host record older than this says nothing of how the host stands now."
    )
    # A look takes a second, and one whose homes are read whole for the first time may take minutes on a slow disk.
    observe_timeout: int = variable(  # seconds
        "5m",
        length_of(1, 6 * 60),
        "How long one look at a host may take, 1m to 6h. Then it is given up, and the host is unknown for this reason; "
        "the others go on.",
    )
    exports: tuple[str, ...] = variable(
        list(formats.usual()),
        read_exports,
        f"Other formats that each report is written in: some of {', '.join(formats.formats())}; docs/exports.md. "
        "One for all hosts.",
    )
    history: str = variable(
        "sqlite",
        read_history,
        "Where runs are remembered: sqlite (reports/history.db), a postgresql:// URL, or off. One for all hosts.",
    )
    history_keep: int = variable(  # seconds; 0 keeps everything
        "400d", length_or_forever, "How long runs are remembered: 400d, 2w, or forever."
    )
    reports_keep: int = variable(  # seconds; 0 keeps everything
        "forever",
        length_or_forever,
        "How long the folders of reports are kept: 400d, 2w, or forever; the latest always is. One for all hosts.",
    )
