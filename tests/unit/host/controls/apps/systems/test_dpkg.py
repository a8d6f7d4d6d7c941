"""The gate's own script, run as dpkg runs it: real archives, made answers about what is installed.

A hook that ends with anything but 0 stops dpkg for every package of a host. So the script ends with 9 where something
is restricted, and with 0 whatever else happens: an update of an innocent package never waits for a fault of ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from proscribe.host.controls.apps.systems import dpkg
from proscribe.host.controls.apps.systems.package import Block

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb, which makes the archives")

RESTRICTED = {"wechat", "linuxqq", "kept-app"}
PERMITTED = {"wechat": ["4.1.0"]}
PATHS = ["/opt/wechat/wechat", "/usr/bin/qq", "/opt/tree"]


class Gate:
    """The script with its files below a directory, and what it told the log."""

    def __init__(self, place: Path) -> None:
        self.place = place
        files = dpkg.block_parts(Block(RESTRICTED, "it@example.org", PERMITTED, PATHS))
        for file in files[:4]:
            path = place / file.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            text = file.content.replace("/etc/proscribe/", f"{place}/etc/proscribe/")
            path.write_text(text.replace("PATH=/usr/sbin", f"PATH={place}/tools:/usr/sbin"))
            path.chmod(file.mode)
        self.script = place / dpkg.SCRIPT.lstrip("/")
        self.tools = place / "tools"
        self.tools.mkdir()
        self.tool("logger", f'echo "$@" >>{place}/log')
        self.tool("dpkg-query", 'for last; do :; done; [ "$last" = kept-app ] && printf "ii "')
        (place / "log").touch()

    def tool(self, name: str, does: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (self.tools / name).chmod(0o755)

    def archive(self, name: str, fields: str = "", files: Sequence[str] = (), version: str = "1.0") -> Path:
        """A package as dpkg-deb builds it, with those files in it."""
        tree = self.place / f"tree-{name}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@example.org>\n{fields}"
        (tree / "DEBIAN/control").write_text(f"{control}Description: made\n")
        for file in files:
            (tree / file.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (tree / file.lstrip("/")).write_text("x")
        built = self.place / f"{name}_{version}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, built], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)
        return built

    def ask(self, *arguments: str | Path, action: str = "install", check: bool = True) -> tuple[int, str]:
        """How the script ends for a dpkg with these arguments, and what it says to whoever called that."""
        # A process with that command line, which the script reads in /proc; it waits until its input ends.
        line = ["dpkg", "-c", "echo; read x; :", *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(line, executable="/bin/sh", cwd=self.place, **pipes) as caller:
            assert caller.stdout
            caller.stdout.readline()  # a process that has just begun has no command line yet
            done = subprocess.run(
                ["/bin/sh", self.script, *(["--check"] if check else []), str(caller.pid)],
                env={**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}", "DPKG_HOOK_ACTION": action},
                cwd=self.place, text=True, capture_output=True, timeout=300,
            )  # fmt: skip
        return done.returncode, done.stderr

    @property
    def log(self) -> str:
        return (self.place / "log").read_text()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    yield Gate(tmp_path)


@pytest.mark.parametrize(("ends", "stops"), [(0, False), (9, True), (1, False), (127, False)])
def test_only_a_nine_stops_dpkg(tmp_path: Path, ends: int, stops: bool) -> None:
    """The line in dpkg's configuration, as dpkg runs it: a gate that is broken or missing stops no package."""
    (line,) = [line for line in dpkg.HOOK.splitlines() if line.startswith("pre-invoke=")]
    script = tmp_path / "gate"
    script.write_text(f"#!/bin/sh\nexit {ends}\n")
    script.chmod(0o755)
    if ends == 127:
        script.unlink()
    ran = subprocess.run(["sh", "-c", line.partition("=")[2].replace(dpkg.SCRIPT, str(script))], capture_output=True)
    assert bool(ran.returncode) is stops
