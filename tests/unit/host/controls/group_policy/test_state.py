"""What a domain controller remembers of our objects, in its file and out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.host.controls.group_policy.state import FILE, State, read, write
from proscribe.host.system import Host

NONE: State = State({}, ())
WHOLE = {"names": {"{2}": "Ours", "{1}": "Theirs"}, "right": ["b", "a"]}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def test_it_is_written_read_and_deleted(host: Host) -> None:
    assert read(host) == NONE
    write(host, State(WHOLE["names"], WHOLE["right"]))
    assert host.text(FILE) == '{"names": {"{1}": "Theirs", "{2}": "Ours"}, "right": ["b", "a"]}\n'
    assert Path(host.root, FILE[1:]).stat().st_mode & 0o777 == 0o600
    assert read(host) == (WHOLE["names"], WHOLE["right"])
    write(host, State({}, ["a"]))
    assert host.stat(FILE) is None
