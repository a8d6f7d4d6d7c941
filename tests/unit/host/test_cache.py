"""The cache of a host for parts of the stream."""

from pathlib import Path

import pytest
from proscribe.host import cache
from proscribe.host.system import ControlError, Host, ObservationError
from refusals import make_refusal


@pytest.fixture
def host(tmp_path, monkeypatch):
    (tmp_path / "var/lib").mkdir(parents=True)
    monkeypatch.setattr(Host, "privileged", True)
    return Host(str(tmp_path))


def read_cache(host: Host) -> dict[str, tuple[str, int]]:
    place = Path(host.root + cache.CACHE_DIRECTORY)
    paths = place.iterdir() if place.is_dir() else ()
    return {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in paths}


def test_new_parts_are_cached_and_older_ones_removed(host):
    assert cache.keep(host, {"code-1": b"code", "plan-1": b"plan"})
    assert read_cache(host) == {"code-1": ("code", 0o600), "plan-1": ("plan", 0o600)}
    assert cache.keep(host, {"code-1": None, "plan-2": b"other"})
    assert read_cache(host) == {"code-1": ("code", 0o600), "plan-2": ("other", 0o600)}
    cache.clear_cache(host)
    assert read_cache(host) == {}


def test_ordinary_user_caches_nothing(host, monkeypatch):
    assert cache.keep(host, {"code-1": b"code"})
    monkeypatch.setattr(Host, "privileged", False)
    assert not cache.keep(host, {"code-2": b"code"}) and list(read_cache(host)) == ["code-1"]


@pytest.mark.parametrize("error", [ControlError("no"), ObservationError("no")])
def test_cache_that_cannot_be_written_is_left(host, monkeypatch, error):
    assert cache.keep(host, {"code-1": b"code"})
    for name in ("write_file", "delete_file"):
        monkeypatch.setattr(Host, name, make_refusal(error))
    assert not cache.keep(host, {"code-1": b"code"})
    cache.clear_cache(host)
    assert list(read_cache(host)) == ["code-1"]
