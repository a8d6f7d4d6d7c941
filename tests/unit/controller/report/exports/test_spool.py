"""What comes early and stands late in an export is all there, in memory or in a file."""

from __future__ import annotations

import io

import pytest
from proscribe.controller.report.exports.spool import FEW, Spool


@pytest.mark.parametrize("pieces", [[], ["a"], ["a", "b", "\u7981\r\n"], ["a" * FEW, "b" * FEW, "c"]])
def test_it_is_poured_as_it_came(pieces: list[str]) -> None:
    spool, stream = Spool(), io.StringIO(newline="")
    for piece in pieces:
        spool.add(piece, ",\n")
    spool.pour(stream)
    assert stream.getvalue() == ",\n".join(pieces)
