"""The gate's own script, run as dpkg runs it: real archives, made answers about what is installed.

A hook that ends with anything but 0 stops dpkg for every package of a host. So the script ends with 9 where something
is restricted, and with 0 whatever else happens: an update of an innocent package never waits for a fault of ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
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


@pytest.mark.parametrize(
    ("name", "fields", "files", "why"),
    [
        ("wechat", "", [], "wechat"),
        ("x", "Provides: linuxqq\n", [], "x (which provides linuxqq)"),
        ("x", "Provides: a, wechat (= 1.0)\n", [], "x (which provides wechat)"),
        ("x", "Provides: wechat:amd64\n", [], "x (which provides wechat)"),
        ("x", "", ["/opt/wechat/wechat"], "x (which has /opt/wechat/wechat in it)"),
        ("x", "", ["/bin/qq"], "x (which has /usr/bin/qq in it)"),  # by its other name
        ("x", "", ["/opt/tree/a/b"], "x (which has /opt/tree in it)"),
    ],
)
def test_what_is_restricted_ends_it_with_nine(gate: Gate, name: str, fields: str, files: list[str], why: str) -> None:
    archive = gate.archive(name, fields, files)
    for check in (True, False):
        ended, printed = gate.ask("-i", archive, check=check)
        assert ended == 9
        assert f"does not allow {why} on this host" in printed and "ask it@example.org" in printed
    assert f"auth.notice -- the package gate refused {why}" in gate.log


@pytest.mark.parametrize(
    "package",
    [
        pytest.param({"name": "innocent"}, id="another name"),
        pytest.param({"name": "wechat-theme"}, id="a longer name"),
        pytest.param({"name": "we"}, id="a shorter one"),
        pytest.param({"name": "x", "fields": "Provides: wechat-theme, linuxqq2\n"}, id="it provides another"),
        pytest.param({"name": "x", "fields": "Depends: wechat\nSuggests: linuxqq\n"}, id="it only wants one"),
        pytest.param({"name": "x", "fields": "Conflicts: wechat\n"}, id="it keeps one out"),
        pytest.param({"name": "x", "files": ["/opt/wechat2/wechat", "/opt/wechat/other"]}, id="paths beside"),
        pytest.param({"name": "x", "files": ["/srv/opt/wechat/wechat"]}, id="the path elsewhere"),
        pytest.param({"name": "wechat", "version": "4.1.0", "files": ["/opt/wechat/wechat"]}, id="a waived version"),
        pytest.param({"name": "kept-app"}, id="an update of what is still installed"),
    ],
)
def test_what_is_innocent_passes(gate: Gate, package: Mapping[str, object]) -> None:
    assert gate.ask("-i", gate.archive(**package)) == (0, "")  # type: ignore[arg-type]
    assert gate.log == ""


@pytest.mark.parametrize(("action", "ends"), [("install", 9), ("unpack", 9), ("remove", 0), ("configure", 0), ("", 0)])
def test_only_what_brings_something_is_checked(gate: Gate, action: str, ends: int) -> None:
    """A gate that fired on a removal would keep what it is against."""
    assert gate.ask("-i", gate.archive("wechat"), action=action)[0] == ends


def test_one_among_many_is_found_wherever_it_stands(gate: Gate) -> None:
    others = [gate.archive(f"innocent{number}") for number in range(3)]
    wrong = gate.archive("linuxqq")
    for arguments in ([wrong, *others], [*others, wrong], ["--force-all", others[0], wrong, others[1]]):
        assert gate.ask("-i", *arguments)[0] == 9
    assert gate.ask("-i", *others)[0] == 0


def test_names_of_files_say_nothing_and_break_nothing(gate: Gate) -> None:
    """What counts is what is in the archive; spaces, dashes and what a shell would run are only characters."""
    made = gate.archive("wechat")
    for name in ("innocent.deb", "-x.deb", "a b.deb", "$(touch ran).deb", "a\nb.deb", "*.deb"):
        shutil.copy(made, gate.place / name)
        assert gate.ask("-i", name)[0] == 9, name
        (gate.place / name).unlink()
    made.rename(gate.place / "moved")
    shutil.copy(gate.archive("innocent"), gate.place / "wechat_1.0.deb")
    assert gate.ask("-i", "wechat_1.0.deb")[0] == 0
    assert not (gate.place / "ran").exists()


@pytest.mark.parametrize(
    ("options", "ends"), [(["-iR"], 9), (["-i", "--recursive"], 9), (["-R", "-i"], 9), (["-i"], 0)]
)
def test_a_directory_of_archives(gate: Gate, options: list[str], ends: int) -> None:
    (gate.place / "many/deep").mkdir(parents=True)
    gate.archive("innocent").rename(gate.place / "many/a.deb")
    gate.archive("wechat").rename(gate.place / "many/deep/b.deb")
    assert gate.ask(*options, "many")[0] == ends


@pytest.mark.parametrize("content", [b"", b"no archive", b"!<arch>\n" + bytes(100)])
def test_what_is_no_archive_is_left_to_dpkg(gate: Gate, content: bytes) -> None:
    (gate.place / "odd.deb").write_bytes(content)
    assert gate.ask("-i", "odd.deb", "gone.deb") == (0, "")
    assert gate.ask("-i", "odd.deb", gate.archive("wechat"))[0] == 9


@pytest.mark.parametrize("path", [dpkg.PATHS, dpkg.CONTACT])
def test_without_one_of_its_files_names_are_refused_all_the_same(gate: Gate, path: str) -> None:
    (gate.place / path[1:]).unlink()
    assert gate.ask("-i", gate.archive("wechat"))[0] == 9
    assert gate.ask("-i", gate.archive("innocent"))[0] == 0


def test_a_gate_without_its_list_lets_pass_and_says_so(gate: Gate) -> None:
    archive = gate.archive("wechat")
    (gate.place / dpkg.LIST[1:]).unlink()
    assert gate.ask("-i", archive)[0] == 0
    assert "auth.err -- the package gate cannot read" in gate.log


@pytest.mark.parametrize("result", [1, 124, 127])
def test_a_check_that_breaks_or_gets_stuck_lets_pass_and_says_so(gate: Gate, result: int) -> None:
    """timeout(1) ends a check that hangs on a dead mount; dpkg goes on."""
    gate.tool("timeout", f"exit {result}")
    assert gate.ask("-i", gate.archive("wechat"), check=False)[0] == 0
    assert f"the package gate failed with {result}, and let dpkg pass" in gate.log


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


def test_a_refusal_has_the_organisations_own_words_in_each_language_and_in_their_order(gate: Gate) -> None:
    messages = ("# not a comment \\c $(id)", "本電腦不得安裝此軟件。")
    contact = next(
        file
        for file in dpkg.block_parts(Block(RESTRICTED, "it@example.org", messages=messages))
        if file.path == dpkg.CONTACT
    )
    (gate.place / dpkg.CONTACT.lstrip("/")).write_text(contact.content, encoding="utf-8")
    _, printed = gate.ask("-i", gate.archive(name="wechat"))
    assert printed.splitlines()[-3:] == [
        "proscribe: nothing was installed; ask it@example.org",
        *(f"proscribe: {message}" for message in messages),
    ]
