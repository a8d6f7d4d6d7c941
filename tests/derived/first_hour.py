"""How long docs/first-hour.md takes, by step: reading and typing counted, waiting as a test has measured it."""

import math
import re
from pathlib import Path
from typing import NamedTuple

from .part import Part, table

PROJECT = Path(__file__).resolve().parents[2]

PAGE = "docs/first-hour.md"
MINUTES_IN_ALL, MINUTES_OF_WAITING = 60, 15
WORDS_A_MINUTE = 200
BEFORE = "Before"
TABLE = re.compile(r"<!-- derived: .*?<!-- end of [^>]*>", re.DOTALL)
# Minutes by the step's number: what tests/integration/test_first_hour.py has measured (120, 8, 16 and 53 seconds on a
# busy machine), rounded up and doubled. The first one includes two minutes in which the launcher downloads Ansible.
WAITING = {"1": 6, "2": 2, "3": 2, "4": 2}


class Step(NamedTuple):
    """A section of the page, with its minutes; `line` is that of its heading."""

    title: str
    line: int
    reading: int
    typing: int


def read_steps(text):
    lines = text.splitlines()
    heads = [0, *(number for number, line in enumerate(lines) if line.startswith("## ")), len(lines)]
    for begin, end in zip(heads, heads[1:], strict=False):
        section = lines[begin:end]
        words = len(TABLE.sub("", "\n".join(section)).split())
        title = section[0].removeprefix("## ") if begin else BEFORE
        typing = sum(line.startswith("$ ") for line in section)
        yield Step(title, begin, math.ceil(words / WORDS_A_MINUTE), typing)


def waiting_of(title):
    return WAITING.get(title.partition(".")[0], 0)


def minutes():
    steps = read_steps((PROJECT / PAGE).read_text())
    rows = [(step.title, step.reading, step.typing, waiting_of(step.title)) for step in steps]
    sums = [sum(row[column] for row in rows) for column in (1, 2, 3)]
    cells = [(title, *map(str, numbers)) for title, *numbers in [*rows, ("in all", *sums)]]
    heads = ("step", "reading", "typing", "waiting", "minutes")
    return table(heads, [(*row, str(sum(map(int, row[1:])))) for row in cells])


DERIVED = (Part(PAGE, minutes, "minutes"),)
