"""Writes the files of `whole/`: what test_whole_outputs.py compares with. Run it where an output is to change, and read
the difference: PYTHONPATH=module_utils:tests tests/tool python tests/unit/report/whole_outputs.py
"""

from __future__ import annotations

import os
from pathlib import Path

import rich_pasts
import rich_runs

WHOLE = Path(__file__).parent / "whole"


def texts() -> dict[str, str]:
    """All that is compared, by the name of its file."""
    return {**rich_runs.texts(), **rich_pasts.texts()}


def main() -> None:
    os.environ["COLUMNS"] = "10000"  # as in tests
    for path in WHOLE.iterdir():
        path.unlink()
    for name, text in texts().items():
        (WHOLE / f"{name}.txt").write_text("\n".join([*text.splitlines(), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
