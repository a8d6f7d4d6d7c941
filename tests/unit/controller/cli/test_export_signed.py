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
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from proscribe.controller.cli.command_line import main

from unit.controller.cli.test_export import INVENTORY

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")

NAMESPACE = "proscribe-export"
AT = ["--at", "2026-11-27T08:00:00Z"]
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
