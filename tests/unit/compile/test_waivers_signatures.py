"""Signatures over waivers, by the real ssh-keygen: whose they are, what they are over, and what else waives nothing."""

from __future__ import annotations

import pytest
from made_waivers import NOW, OURS, Keys, Organisation, at
from proscribe.compile.waivers import verify
from proscribe.plan import CONTROLS

OPEN, SHUT = {"press01": CONTROLS}, {}


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def organisation(tmp_path, monkeypatch):
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    return Organisation(tmp_path)


@pytest.fixture
def keys(organisation, key_folder):
    return Keys(key_folder, organisation.inventory)


def signed(organisation, keys, allow="head.of.press", options=(OURS,), **changes):
    """The made waiver, signed by the key of the head of press, which is allowed to somebody."""
    file = organisation.waiver(**changes)
    key = keys.make("head")
    keys.allow(allow, key, *options)
    keys.sign(file, key)
    return file


@pytest.mark.parametrize("mode", ["required", "optional", "off"])
def test_the_approvers_signature_stands(organisation, keys, mode):
    organisation.variables = {"waiver_signatures": mode}
    signed(organisation, keys)
    assert organisation.opened() == OPEN
    (waiver,) = organisation.run()["waivers"]
    assert ("ED25519 key SHA256:" in waiver["signed_with"]) == (mode != "off")


@pytest.mark.parametrize("mode", ["required", "optional"])
def test_one_changed_byte_and_it_waives_nothing(organisation, keys, mode):
    organisation.variables = {"waiver_signatures": mode}
    file = signed(organisation, keys)
    content = file.read_bytes()
    for changed in (content + b"\n", content.replace(b"press01", b"press02"), content.replace(b"2026-12", b"2027-01")):
        file.write_bytes(changed)
        assert organisation.status() == "bad_signature"
        assert "changed after it was signed" in organisation.why()
        assert organisation.opened() == SHUT
    file.write_bytes(content)
    assert organisation.opened() == OPEN


def test_a_signature_taken_off_counts_as_none(organisation, keys):
    organisation.variables = {"waiver_signatures": "required"}
    file = signed(organisation, keys)
    file.with_name("w1.yml.sig").unlink()
    assert organisation.status() == "unsigned"


@pytest.mark.parametrize(
    ("allow", "options", "status", "why"),
    [
        ("head.of.press", (), "active", ""),
        ("somebody,head.of.press", (OURS,), "active", ""),
        ("head.of.press", (OURS, 'valid-after="20260101"', 'valid-before="20270101"'), "active", ""),
        ("chan.tai.man", (OURS,), "bad_signature", "it is by chan.tai.man, not by head.of.press"),
        ("head.of.press", ('namespaces="file"',), "bad_signature", "is not permitted for use in signature namespace"),
        ("head.of.press", (OURS, 'valid-before="20261101"'), "bad_signature", "key has expired"),
        ("head.of.press", (OURS, 'valid-after="20261201"'), "bad_signature", "key is not yet valid"),
    ],
)
def test_the_key_has_to_be_the_approvers_for_waivers_and_now(organisation, keys, allow, options, status, why):
    signed(organisation, keys, allow, options)
    assert organisation.status() == status
    assert why in organisation.why()
    assert organisation.opened() == (OPEN if status == "active" else SHUT)


def test_a_key_that_expires_ends_what_it_signed(organisation, keys):
    """Nobody could tell a waiver signed then from one that is signed with the same key, and dated back, today."""
    signed(organisation, keys, options=(OURS, 'valid-before="20261201"'))
    assert organisation.status("2026-11-30T00:00:00Z") == "active"
    assert organisation.status("2026-12-02T00:00:00Z") == "bad_signature"


def test_a_key_that_nobody_listed_signs_nothing(organisation, keys):
    file = signed(organisation, keys)
    keys.sign(file, keys.make("stranger"))
    assert organisation.status() == "bad_signature"
    assert "has no such key of head.of.press for waivers now" in organisation.why()


def test_a_deputys_waiver_needs_the_deputys_signature(organisation, keys):
    signed(organisation, keys, approved_by="deputy.of.press")
    assert "it is by head.of.press, not by deputy.of.press" in organisation.why()
    keys.allow("deputy.of.press", keys.make("deputy"), OURS)
    keys.sign(organisation.waivers / "w1.yml", keys.make("deputy"))
    assert organisation.opened() == OPEN


def test_a_signature_for_another_purpose_does_not_count(organisation, keys):
    file = signed(organisation, keys, options=())
    keys.sign(file, keys.make("head"), "git")
    assert organisation.status() == "bad_signature"


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"]
)
def test_a_damaged_signature_does_not_count(organisation, keys, content):
    file = signed(organisation, keys)
    file.with_name("w1.yml.sig").write_bytes(content)
    assert organisation.status() == "bad_signature"


def test_without_allowed_signers_a_signature_cannot_be_checked(organisation, keys):
    signed(organisation, keys)
    keys.signers.unlink()
    assert organisation.status() == "bad_signature"
    assert "allowed_signers, which says who has which key" in organisation.why()


def test_without_ssh_keygen_a_signature_cannot_be_checked(organisation, keys, monkeypatch, tmp_path):
    signed(organisation, keys)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert organisation.status() == "bad_signature"
    assert "openssh-client" in organisation.why()
    assert organisation.opened() == SHUT
    (organisation.waivers / "w1.yml.sig").unlink()
    assert organisation.opened() == OPEN  # optional, and there is none to check


def test_a_revocation_counts_although_the_signature_does_not_fit_any_more(organisation, keys):
    signed(organisation, keys)
    back = {"on": "2026-11-20T00:00:00Z", "by": "head.of.press", "why": "not needed"}
    organisation.waiver(revoked=back)
    assert organisation.status() == "revoked"


def test_who_may_not_approve_is_told_before_the_signature(organisation, keys):
    signed(organisation, keys, allow="mallory", approved_by="mallory")
    assert organisation.status() == "unauthorised"


def test_a_signer_whose_name_looks_like_an_option_is_only_a_name(tmp_path, keys):
    file = tmp_path / "w1.yml"
    file.write_text("id: w1\n", encoding="utf-8")
    keys.sign(file, keys.make("head"))
    keys.allow("head.of.press", keys.make("head"))
    assert verify(file.read_bytes(), file, keys.signers, "-f/dev/null", at(NOW)).problem
