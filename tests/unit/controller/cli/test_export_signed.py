"""Exports that are signed: what `--check` says of them with the real ssh-keygen, what a device checks that fetched one
from a real web server, and what an attacker gets past neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from proscribe.controller.cli.command_line import main
from proscribe.controller.enforcement_points import writing

from unit.controller.cli.test_export import INVENTORY

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")

NAMESPACE = "proscribe-export"
AT = ["--at", "2026-11-27T08:00:00Z"]
ENDED = ["--at", "2026-12-24T18:00:00Z"]
WAIVER = (
    "{id: w1, services: [telegram], controls: [dns], groups: [office], reason: r, requested_by: a, approved_by: head,"
    " approved_on: 2026-11-01T00:00:00Z, expires: 2026-12-24T18:00:00Z, risk: r, compensating_controls: [c],"
    " ticket: t}\n"
)


class Organisation:
    """An inventory that signs its exports, and the keys of a few people."""

    def __init__(self, root: Path, keys: Path) -> None:
        self.root, self.keys, self.out = root, keys, root / "out"
        self.inventory = root / "inventory"
        (self.inventory / "waivers").mkdir(parents=True)
        (self.inventory / "waivers/w1.yml").write_text(WAIVER)
        (self.inventory / "approvers.yml").write_text("office: {head: head}\n")
        self.signs(self.key("controller"))
        self.allow(NAMESPACE, "controller", f'namespaces="{NAMESPACE}"')
        self.allow("head", "head", 'namespaces="proscribe-waiver"')

    def key(self, name: str) -> Path:
        file = self.keys / name
        if not file.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file], check=True)
        return file

    def signs(self, key: object) -> None:
        extra = f"    proscribe_exports_key: {json.dumps(str(key))}\n    proscribe_waiver_signatures: 'off'\n"
        (self.inventory / "hosts.yml").write_text(INVENTORY.replace("  vars:\n", f"  vars:\n{extra}", 1))

    def allow(self, principal: str, key: str, options: str = "") -> None:
        public = " ".join(self.key(key).with_suffix(".pub").read_text().split()[:2])
        with (self.inventory / "allowed_signers").open("a") as stream:
            stream.write(f"{principal} {options} {public}\n")

    def sign(self, key: str, namespace: str = NAMESPACE) -> None:
        """As an attacker does who can write into the directory."""
        (self.out / "manifest.json.sig").unlink(missing_ok=True)
        file = self.out / "manifest.json"
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", self.key(key), "-n", namespace, file]
        subprocess.run(command, check=True, capture_output=True)

    def export(self, *options: str) -> int:
        hosts = str(self.inventory / "hosts.yml")
        return main(["export", "rpz", "-i", hosts, "--group", "office", "-o", str(self.out), *options])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def ours(tmp_path: Path, keys: Path) -> Organisation:
    return Organisation(tmp_path, keys)


def longer(ours: Organisation) -> None:
    """The export of a permissive day stays valid for ever."""
    file = ours.out / "manifest.json"
    file.write_text(file.read_text().replace('"2026-12-24T18:00:00Z"', "null"))


def emptied(ours: Organisation) -> None:
    """A zone that blocks nothing, and a manifest with its digest."""
    zone, file = ours.out / "proscribe.rpz", ours.out / "manifest.json"
    zone.write_text("; nothing\n")
    document = json.loads(file.read_text())
    document["files"][0]["sha256"] = hashlib.sha256(zone.read_bytes()).hexdigest()
    file.write_text(json.dumps(document))


ATTACKS: dict[str, tuple[Callable[[Organisation], object], str]] = {
    "a manifest that is valid for longer": (longer, "it does not fit the file"),
    "a file and its digest": (emptied, "it does not fit the file"),
    "both, signed by a stranger": (lambda o: (emptied(o), o.sign("stranger")), "allowed_signers has no such key of"),
    "signed by an approver of waivers": (
        lambda o: (emptied(o), o.sign("head")),
        "it is by head, not by proscribe-export",
    ),
    "signed for another purpose": (lambda o: o.sign("controller", "proscribe-waiver"), "it does not fit the file"),
    "no signature": (lambda o: (o.out / "manifest.json.sig").unlink(), "there is no manifest.json.sig"),
    "a link to a signature": (
        lambda o: (
            (o.out / "manifest.json.sig").rename(o.root / "sig"),
            (o.out / "manifest.json.sig").symlink_to(o.root / "sig"),
        ),
        "manifest.json.sig is no signature",
    ),
    "a pipe": (
        lambda o: ((o.out / "manifest.json.sig").unlink(), os.mkfifo(o.out / "manifest.json.sig")),
        "manifest.json.sig is no signature",
    ),
    "a signature without end": (
        lambda o: os.truncate(o.out / "manifest.json.sig", 1 << 30),
        "manifest.json.sig is no signature",
    ),
    "an escape sequence": (
        lambda o: (o.out / "manifest.json.sig").write_text("\x1b]0;owned\x07"),
        "it does not fit the file",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_an_attacker_writes_does_not_count(ours: Organisation, capsys: pytest.CaptureFixture, attack: str) -> None:
    assert ours.export(*AT) == 0
    assert ours.export("--check", *AT) == 0
    capsys.readouterr()
    do, why = ATTACKS[attack]
    do(ours)
    assert ours.export("--check", *AT) == 4
    printed = capsys.readouterr()
    assert f"its signature does not count: {why}" in printed.out
    assert "\x1b" not in printed.out + printed.err
    assert ours.export(*AT) == 0 and ours.export("--check", *AT) == 0, "it is written again"


@pytest.mark.parametrize(
    ("what", "more", "code", "said"),
    [
        ("nothing", AT, 0, "up to date"),
        ("a file", AT, 1, "proscribe.rpz was changed, or is gone"),
        ("the end of a waiver", ENDED, 3, "it was valid until 2026-12-24T18:00:00Z"),
        ("both", ENDED, 3, "proscribe.rpz was changed, or is gone"),
        ("both, and the signature", ENDED, 4, "it was valid until 2026-12-24T18:00:00Z"),
        ("the directory", AT, 2, "has no export to check"),
    ],
)
def test_a_check_says_which_it_is(ours, capsys, what: str, more: list[str], code: int, said: str) -> None:
    assert ours.export(*AT) == 0
    if what in ("a file", "both", "both, and the signature"):
        (ours.out / "proscribe.rpz").write_text("")
    if "signature" in what:
        (ours.out / "manifest.json.sig").unlink()
    if what == "the directory":
        shutil.rmtree(ours.out)
    capsys.readouterr()
    assert ours.export("--check", *more) == code
    printed = capsys.readouterr()
    assert said in printed.out + printed.err


def test_a_key_that_nobody_knows_writes_nothing_and_the_line_that_is_printed_helps(ours, capsys) -> None:
    assert ours.export(*AT, "--key", str(ours.key("new"))) == 2
    printed = capsys.readouterr().err
    assert "that signature would not count, so nothing was written" in printed and not ours.out.exists()
    place, line = ours.inventory / "allowed_signers", printed.splitlines()[-1].strip()
    assert f"{place} needs this line:" in printed
    with place.open("a") as stream:
        stream.write(line + "\n")
    assert ours.export(*AT, "--key", str(ours.key("new"))) == 0
    assert ours.export(*AT, "--check") == 0


def test_who_signs_nothing_needs_no_signature_and_one_that_is_there_has_to_count(ours, capsys) -> None:
    ours.signs("")
    assert ours.export(*AT) == 0 and not (ours.out / "manifest.json.sig").exists()
    assert ours.export(*AT, "--check") == 0
    assert ours.export(*AT, "--check", "--key", str(ours.key("controller"))) == 4
    ours.sign("stranger")
    assert ours.export(*AT, "--check") == 4
    ours.sign("controller")
    assert ours.export(*AT, "--check") == 0
    ours.signs("export_key")
    assert ours.export(*AT, "--check") == 2
    assert "proscribe_exports_key: found 'export_key', expected an absolute path" in capsys.readouterr().err


def test_where_no_signers_are_the_first_place_is_named(ours, capsys) -> None:
    ours.export(*AT)
    (ours.inventory / "allowed_signers").unlink()
    capsys.readouterr()
    assert ours.export("--check", *AT) == 4
    assert f"{ours.inventory / 'allowed_signers'}" in " ".join(capsys.readouterr().out.split())


def test_a_key_that_has_expired_signs_nothing_any_more(ours, capsys) -> None:
    ours.export(*AT)
    (ours.inventory / "allowed_signers").unlink()
    ours.allow(NAMESPACE, "controller", f'namespaces="{NAMESPACE}",valid-before="20261130"')
    assert ours.export("--check", *AT) == 0
    assert ours.export("--check", "--at", "2026-12-02T00:00:00Z") == 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real web server over the directory."""
    (tmp_path / "out").mkdir()
    code = "import http.server as h; s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)"
    code += "; print(s.server_port, flush=True); s.serve_forever()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        yield f"http://127.0.0.1:{run.stdout.readline().strip()}/out"
        run.terminate()


def test_a_device_that_fetches_it_checks_it_without_proscribe(ours: Organisation, server: str, tmp_path: Path) -> None:
    assert ours.export(*AT) == 0
    fetched = tmp_path / "device"
    fetched.mkdir()
    for name in ("manifest.json", "manifest.json.sig", "proscribe.rpz"):
        with urllib.request.urlopen(f"{server}/{name}") as answer:
            (fetched / name).write_bytes(answer.read())
    shutil.copy(ours.inventory / "allowed_signers", fetched)

    def verified() -> bool:  # as docs/enforcement_points.md has it
        verify = f"ssh-keygen -Y verify -f allowed_signers -I {NAMESPACE} -n {NAMESPACE} -s manifest.json.sig".split()
        content = (fetched / "manifest.json").read_bytes()
        done = subprocess.run(verify, cwd=fetched, input=content, capture_output=True)
        said = json.loads((fetched / "manifest.json").read_text())["files"]
        sums = "".join(f"{one['sha256']}  {one['path']}\n" for one in said).encode()
        return not (done.returncode or subprocess.run(["sha256sum", "-c"], cwd=fetched, input=sums).returncode)

    assert verified()
    (fetched / "proscribe.rpz").write_text("; nothing\n")
    assert not verified()
    with urllib.request.urlopen(f"{server}/proscribe.rpz") as answer:
        (fetched / "proscribe.rpz").write_bytes(answer.read())
    (fetched / "manifest.json").write_text((fetched / "manifest.json").read_text() + "\n")
    assert not verified()


def test_whoever_fetches_while_it_is_written_gets_the_one_or_the_other(ours: Organisation, server: str) -> None:
    """An export before and after the end of a waiver, written over one another as scheduled runs do."""
    exports = []
    for moment in (AT, ENDED):
        assert ours.export(*moment) == 0
        exports.append({path.name: path.read_bytes() for path in ours.out.iterdir()})
    assert exports[0]["proscribe.rpz"] != exports[1]["proscribe.rpz"]
    written = threading.Event()

    def write() -> None:
        for number in range(60):
            writing.write(ours.out, exports[number % 2])
        written.set()

    whole = {name: {one[name] for one in exports} for name in exports[0]}
    seen: set[bytes] = set()
    thread = threading.Thread(target=write)
    thread.start()
    while not written.is_set():
        for name in whole:
            with urllib.request.urlopen(f"{server}/{name}") as answer:
                content = answer.read()
            assert content in whole[name], name
            seen.add(content)
    thread.join()
    assert seen & whole["proscribe.rpz"]
    assert sorted(path.name for path in ours.root.iterdir()) == ["inventory", "out"], "nothing is left beside it"
