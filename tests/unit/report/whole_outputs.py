"""Writes the files of `whole/`: what test_whole_outputs.py compares with. Run it where an output is to change, and read
the difference: PYTHONPATH=module_utils:tests tests/tool python tests/unit/report/whole_outputs.py
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import rich_ends
import rich_pasts
import rich_runs
import rich_texts

WHOLE = Path(__file__).parent / "whole"


STORIES = {"past": cache(rich_pasts.texts), "ends": cache(rich_ends.texts), "texts": cache(rich_texts.texts)}
RUNS = cache(rich_runs.texts)


def texts_of(name: str) -> Mapping[str, str]:
    """What is compared with a file, and with those that are written together with it, by the names of the files."""
    return STORIES.get(name.partition(".")[0], RUNS)()


def texts() -> dict[str, str]:
    """All that is compared, by the names of the files."""
    return {name: text for written in (RUNS, *STORIES.values()) for name, text in written().items()}


def main() -> None:
    os.environ["COLUMNS"] = "10000"  # as in tests
    found = texts()
    for path in WHOLE.iterdir():
        path.unlink()
    for name, text in found.items():
        (WHOLE / f"{name}.txt").write_text("\n".join([*text.splitlines(), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
