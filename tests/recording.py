"""What code makes of one rich input, compared to the byte with a file that was recorded. What differs is meant, or a
mistake. Who means it removes the file: the test writes it again, and fails that once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest


def compare(file: Path, found: str) -> None:
    """Fails where a text is not as it was recorded."""
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8", newline="")
        pytest.fail(f"{file.name} is written now: read it")
    assert found == file.read_bytes().decode("utf-8")


def joined(parts: Mapping[str, str]) -> str:
    """Files as one text, each below its name."""
    return "".join(f"==> {path}\n{text}\n" for path, text in parts.items())
