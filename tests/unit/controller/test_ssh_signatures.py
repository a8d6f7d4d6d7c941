"""Signatures by the real ssh-keygen, and why one does not count."""

import datetime
import subprocess

import pytest
from proscribe.controller import ssh_signatures
from proscribe.controller.ssh_signatures import NotSigned, Signature, Signer, line_of, sign, verify

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
SIGNER = Signer("head of press", "proscribe-x", "exports")
CONTENT = b"what \xff was signed"


class Signed:
    def __init__(self, root):
        self.root, self.signers, self.signature = root, root / "allowed_signers", root / "content.sig"
        self.keys = [self.key("one"), self.key("two")]
        self.signature.write_bytes(sign(CONTENT, self.keys[0], SIGNER.namespace))
        self.signers.write_text(line_of(self.keys[0], SIGNER) + "\n")

    def key(self, name):
        path = self.root / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path

    def verified(self, content=CONTENT, signer=SIGNER):
        return verify(content, self.signature, self.signers, signer, NOW)


@pytest.fixture
def signed(tmp_path):
    return Signed(tmp_path)


def test_a_signature_counts_and_says_which_key_made_it(signed):
    shown = subprocess.run(["ssh-keygen", "-lf", signed.keys[0]], capture_output=True, text=True).stdout
    assert signed.verified() == Signature("", f"ED25519 key {shown.split()[1]}")


def test_why_one_does_not_count(signed):
    other = line_of(signed.keys[1], Signer("b", SIGNER.namespace, ""))
    own, changed = signed.signers.read_text(), "it does not fit the file, which was changed after it was signed"
    expired = own.replace("namespaces=", 'valid-before="20261129",namespaces=')
    begins = own.replace("namespaces=", 'valid-before="20261202",namespaces=')
    for signers, content, signer, why in (
        (own, b"another", SIGNER, changed),
        (own, CONTENT, SIGNER._replace(namespace="other"), changed),
        (own, CONTENT, SIGNER._replace(name="b"), "it is by head of press, not by b"),
        (other, CONTENT, SIGNER, "allowed_signers has no such key of head of press for exports now"),
        (expired, CONTENT, SIGNER, "allowed_signers has no such key of head of press for exports now"),
        (begins, CONTENT, SIGNER, ""),
    ):
        signed.signers.write_text(signers)
        found = signed.verified(content, signer)
        assert found.problem.startswith(why) and bool(found.problem) == bool(why) != bool(found.key), why
        assert "\n" not in found.problem and (why != changed or found.problem.endswith(")")), "what ssh-keygen says"


@pytest.mark.parametrize("missing", ["signers", "signature", "tool"])
def test_missing_file_or_tool_is_named(signed, monkeypatch, missing):
    if missing == "tool":
        monkeypatch.setenv("PATH", str(signed.root))
        with pytest.raises(NotSigned, match="no ssh-keygen"):
            sign(CONTENT, signed.keys[0], SIGNER.namespace)
    else:
        getattr(signed, missing).unlink()
        getattr(signed, missing).mkdir()
    why = {"signers": str(signed.signers), "signature": "it is no file", "tool": "no ssh-keygen"}[missing]
    found = signed.verified()
    assert why in found.problem and not found.key


@pytest.mark.parametrize(
    ("program", "why"), [("exit 3", "exit code 3"), ("echo bad >&2; exit 1", "bad"), ("echo x; exit 1", "")]
)
def test_failed_signing_says_why(tmp_path, monkeypatch, program, why):
    with pytest.raises(NotSigned, match=f"there is no key {tmp_path}/key"):
        sign(CONTENT, tmp_path / "key", SIGNER.namespace)
    (tmp_path / "key").touch()
    (tmp_path / "ssh-keygen").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(NotSigned, match=rf"could not sign with {tmp_path}/key: {why}"):
        sign(CONTENT, tmp_path / "key", SIGNER.namespace)


def test_check_that_times_out_trusts_no_signature(signed, monkeypatch):
    place = signed.root / "bin"
    place.mkdir()
    (place / "ssh-keygen").write_text("#!/bin/sh\nexec sleep 600\n")
    (place / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    monkeypatch.setattr(ssh_signatures, "PATIENCE", 0.1)
    assert "timed out" in signed.verified().problem


@pytest.mark.parametrize(
    ("name", "public", "line"),
    [
        ("a", "ssh-ed25519 AAAA a comment\n", 'a namespaces="proscribe-x" ssh-ed25519 AAAA'),
        ("a b", "ssh-ed25519 AAAA", '"a b" namespaces="proscribe-x" ssh-ed25519 AAAA'),
        ("a", "ssh-ed25519", ""),
        ("a", None, ""),
    ],
)
def test_the_line_of_a_key_for_those_who_check(tmp_path, name, public, line):
    if public is not None:
        (tmp_path / "my.key.pub").write_text(public, encoding="latin-1")
    for key in ("my.key", "my.key.pub"):
        assert line_of(tmp_path / key, Signer(name, "proscribe-x", "")) == line
