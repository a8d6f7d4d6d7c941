"""What a waiver's commands write, and ask for: times, texts of a file, questions at a terminal."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

import pytest
import yaml
from proscribe.controller.cli.waiver import text
from proscribe.controller.cli.waiver.times import written
from proscribe.controller.compile.waivers.document import KEYS, LISTS

NOW = datetime.datetime(2026, 11, 25, 12, 30, 5, 7, tzinfo=datetime.timezone.utc)


# -- times


@pytest.fixture
def in_hong_kong(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Hong_Kong")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_hong_kong")
@pytest.mark.parametrize(
    ("given", "end", "in_file"),
    [
        ("now", False, "2026-11-25T20:30:05+08:00"),
        ("2026-12-31T18:00:00+09:00", True, "2026-12-31T18:00:00+09:00"),
        ("2026-12-31", False, "2026-12-31T00:00:00+08:00"),
        ("2026-12-31", True, "2026-12-31T23:59:59+08:00"),
        ("1d", True, "2026-11-26T20:30:05+08:00"),
    ],
)
def test_a_time_as_it_stands_in_the_file(given: str, end: bool, in_file: str) -> None:
    assert written(given, "--on", NOW, end=end) == in_file


# -- texts


def test_every_key_stands_once() -> None:
    values = {key: ["a"] if key in LISTS else "a" for key in KEYS if key not in ("revoked", "reviewed_on")}
    assert sorted(line.partition(":")[0] for line in text.render(values).splitlines()[2:]) == sorted(values)


def test_a_revocation_reads_back() -> None:
    lines = text.revocation("2026-12-31T18:00:00Z", "no", "it: ended")
    assert yaml.load(lines, yaml.BaseLoader) == {
        "revoked": {"on": "2026-12-31T18:00:00Z", "by": "no", "why": "it: ended"}
    }


# -- questions
