"""Names that are looked up as by the programs of an ordinary user, with the real C library."""

import _socket
import os
import subprocess
import sys
import time

import pytest
from proscribe.host.system import Unseen, names
from proscribe.host.system.names import Resolution, resolve
from proscribe.wire import installation
from refusals import make_refusal

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_lookup_ends_with_its_timeout(monkeypatch):
    monkeypatch.setattr(_socket, "getaddrinfo", lambda *_: time.sleep(5) or [])
    began = time.monotonic()
    with pytest.raises(Unseen, match=r"no answer for slow\.example within 0\.1 s"):
        resolve("slow.example", 0, 0.1)
    assert time.monotonic() - began < 4


@ROOT
@pytest.mark.parametrize(
    ("order", "mode", "addresses"),
    [
        ("hosts: files dns", 0o644, ["0.0.0.0", "::"]),
        ("hosts: dns", 0o644, []),
        ("hosts: files [SUCCESS=continue] dns", 0o644, []),
        ("hosts: files dns", 0o600, []),  # which root could read
    ],
)
def test_real_c_library_answers_as_for_an_ordinary_user(tmp_path, order, mode, addresses):
    for name, text in {"hosts": "0.0.0.0 a.example\n:: a.example\n", "nsswitch.conf": f"{order}\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")  # where nobody answers: it has no network
    (tmp_path / "hosts").chmod(mode)
    files = ("hosts", "nsswitch.conf", "resolv.conf")
    mounts = "".join(f"mount --bind {tmp_path}/{name} /etc/{name}; " for name in files)
    code = "import sys; sys.path.insert(0, sys.argv[1]); from proscribe.host.system.names import resolve; "
    asks = code + "print(*resolve('A.EXAMPLE', 0, 20).addresses)"
    script = f'{mounts} exec "$0" -I -S -c "$1" "$2"'
    argv = ["unshare", "--mount", "--net", "sh", "-c", script, sys.executable, asks, str(installation.CODE)]
    assert sorted(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()) == addresses


def test_library_is_asked_for_the_name_and_the_family(monkeypatch):
    def answer(name, service, family, kind):
        return [(family, kind, 0, "", (name.decode(), 0)), (family, kind, 0, "", ("::1", 0))]

    monkeypatch.setattr(_socket, "getaddrinfo", answer)
    assert resolve("a.example", _socket.AF_INET, 600) == Resolution(("a.example", "::1"))


def test_ordinary_user_asks_without_giving_up_rights(monkeypatch):
    monkeypatch.setattr(names.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(names.os, "setgroups", lambda _: pytest.fail("it is not root"), raising=False)
    monkeypatch.setattr(names, "_resolution", lambda *_: Resolution(("192.0.2.1",)))
    assert resolve("a.example", 0, 600).addresses == ("192.0.2.1",)


@ROOT
def test_lookup_has_no_rights_of_root_and_gives_none_away(monkeypatch):
    rights, groups = [], os.getgroups()

    def note_rights(*_):
        rights.append((os.geteuid(), os.getegid(), os.getgroups()))
        return Resolution()

    monkeypatch.setattr(names, "_resolution", note_rights)
    try:
        os.setgroups([0, 7])
        before = os.getresuid(), os.getresgid(), os.getgroups()
        resolve("name.example", 0, 5)
        assert rights == [(65534, 65534, [])] and (os.getresuid(), os.getresgid(), os.getgroups()) == before
    finally:
        os.setgroups(groups)


@pytest.mark.parametrize(
    ("error", "resolution"),
    [
        (_socket.gaierror(_socket.EAI_NONAME, "no such name"), Resolution()),
        (_socket.gaierror(_socket.EAI_NODATA, "no address"), Resolution()),
        (_socket.gaierror(_socket.EAI_AGAIN, "try again"), Resolution(failure="try again")),
        (OSError(24, "too many open files"), Resolution(failure="too many open files")),
    ],
)
def test_missing_name_is_no_failure(monkeypatch, error, resolution):
    monkeypatch.setattr(_socket, "getaddrinfo", make_refusal(error))
    assert resolve("a.example", 0, 600) == resolution
