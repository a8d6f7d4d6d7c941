"""Reading files: how much of each, at what cost, and what an observation that changes nothing reads only once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, Host, Unseen, reading
from proscribe.host.system.budget import Budget


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/file").write_bytes(b"0123456789")
    return Host(str(tmp_path))


def test_a_search_finds_what_lies_across_two_pieces(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SEARCHED", 4)
    assert host.search("/etc/file", re.compile(rb"34|5|67|89|0123"), 2) == [b"0123", b"34", b"5", b"67", b"89"]
    (Path(host.root) / "etc/file").write_bytes(b"aXbbXbaXb")
    assert host.search("/etc/file", re.compile(rb"[ab]X"), 2) == [b"aX", b"bX"], "each once"


# -- an observation that changes nothing -------------------------------------------------------------------------------


def test_what_a_user_has_is_not_kept(host: Host) -> None:
    """It may be as much as he likes; what was known before is not asked again."""
    file = Path(host.root) / "etc/file"
    with host.still():
        host.budget = Budget()
        assert host.stat("/etc/file") and host.stat("/etc/new") is None
        (file.parent / "new").touch()
        assert host.stat("/etc/new") is not None and host.list("/etc") == ["file", "new"]
        host.budget = None
        assert host.list("/etc") == ["file", "new"]
        (file.parent / "newer").touch()
        host.budget = Budget()
        assert host.list("/etc") == ["file", "new"]


# -- what cannot be seen -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "privileged", "message"),
    [
        (PermissionError(13, "Permission denied"), False, "can only be read by root"),
        (PermissionError(13, "Permission denied"), True, "cannot be read: Permission denied"),
        (OSError(5, "Input/output error"), False, "cannot be read: Input/output error"),
    ],
)
def test_what_cannot_be_read_is_unseen_with_the_reason(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: OSError, privileged: bool, message: str
) -> None:
    def refuse(path: str) -> None:
        raise error

    monkeypatch.setattr(Host, "privileged", property(lambda self: privileged))
    monkeypatch.setattr(host, "_open_directory", refuse)
    for ask in (host.stat, host.list):
        with pytest.raises(Unseen) as wrong:
            ask("/etc/file")
        assert str(wrong.value) == f"/etc/file {message}"
    permission = isinstance(error, PermissionError)
    with pytest.raises(Unseen if permission else ControlError) as other:
        host.read("/etc/file")
    assert str(other.value) == (f"/etc/file {message}" if permission else "cannot read /etc/file: Input/output error")
