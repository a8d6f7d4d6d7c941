"""The namespaces of root's tests: changes of the machine go with them, and the checkout stays visible."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import isolated
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces")]
TESTS = Path(isolated.__file__).resolve().parent


def test_files_that_root_writes_on_the_machine_go_with_the_namespaces(tmp_path):
    name = f"proscribe-written-{os.getpid()}"
    places = ["/etc", "/var/lib", "/var/tmp", "/run/netns"]
    (tmp_path / "hosts").write_text("192.0.2.1 mounted\n")
    writing = [f"echo > {place}/{name}" for place in places]
    inside = isolated.command(
        tmp_path / "own", ["sh", "-ec", "; ".join([*writing, "cat /etc/hosts; test -s /etc/passwd"])]
    )
    # As in a container, where the machine's /etc/hosts is a mount of its own.
    # And a container of somebody, which has its mounts below a place that the part has of its own.
    script = """
    mount --bind "$0" /etc/hosts
    mkdir -p /var/lib/containers
    mount -t tmpfs others /var/lib/containers
    mkdir /var/lib/containers/shm
    mount -t tmpfs shm /var/lib/containers/shm
    exec "$@"
    """
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, str(tmp_path / "hosts"), *inside]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "192.0.2.1 mounted\n"), done.stderr
    assert [place for place in places if Path(place, name).exists()] == []


@pytest.mark.parametrize(
    ("place", "is_covered"),
    [("/tmp", True), ("/etc", False), ("/var/lib", False), ("/var/lib/containers", True), ("~/.ansible", True)],
)
def test_checkout_at_any_place_runs_its_tests(tmp_path, monkeypatch, place, is_covered):
    # Of a covered place nothing else is visible.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(isolated.OUTSIDE, raising=False)
    above = Path(place).expanduser()
    above.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="proscribe-", dir=above))
    try:
        checkout = beside / "a b,c:d"
        (checkout / "tests").mkdir(parents=True)
        for name in ("isolated.py", "machine.py"):
            shutil.copy(TESTS / name, checkout / "tests")
        shutil.copytree(TESTS / "suite", checkout / "tests/suite")
        subprocess.run(["git", "init", "-q", str(beside / "main")], check=True)
        (checkout / ".git").write_text(f"gitdir: {beside}/main/.git\n")
        script = (
            'test "$(pwd -P)" = "$0"; test -r "$0/tests/machine.py"; echo written >"$0/.cache/written"; '
            'echo written >tests/written; git rev-parse --git-dir >/dev/null; test -e "$PROSCRIBE_TESTS_OUTSIDE"; '
            "touch /etc/gone /tmp/gone /var/lib/gone; if test -e ../other; then echo visible; fi"
        )
        (beside / "other").touch()
        argv = [sys.executable, "-I", "tests/isolated.py", "--own", "/bin/sh", "-ec", script, str(checkout)]
        done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, "" if is_covered else "visible\n"), done.stderr
        files = [checkout / "tests/written", checkout / ".cache/written"]
        assert [path.read_text() for path in files] == ["written\n", "written\n"]
        assert not Path("/etc/gone").exists() and list((checkout / ".cache/runs").iterdir()) == []
    finally:
        shutil.rmtree(beside)
