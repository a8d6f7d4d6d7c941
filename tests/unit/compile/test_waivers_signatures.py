"""Signatures over waivers, by the real ssh-keygen, the cases of `waiver_cases` and what they do not say."""

from __future__ import annotations

import pytest
from made_waivers import NOW, OURS, Keys, at
from proscribe.controller.compile.waivers.signatures import verify
from waiver_cases import OPEN, SIGNED


@pytest.fixture
def keys(organisation, key_folder):
    return Keys(key_folder, organisation.inventory)


def signed(organisation, keys, *options):
    """The made waiver, signed by the head of press."""
    file = organisation.waiver()
    key = keys.make("head")
    keys.allow("head.of.press", key, OURS, *options)
    keys.sign(file, key)
    return file


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.shows)
def test_a_signed_case_has_its_status_and_its_effect(organisation, keys, case, monkeypatch):
    file = organisation.waiver(**case.waiver)
    organisation.variables = case.variables
    keys.follow(case.signing, file, monkeypatch)
    (waiver,) = organisation.run(case.now)["waivers"]
    assert waiver["status"] == case.status and case.why in waiver["why"]
    assert organisation.opened(now=case.now) == case.opened


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
    file.write_bytes(content)
    assert organisation.opened() == OPEN


def test_a_key_that_expires_ends_what_it_signed(organisation, keys):
    """Nobody could tell a waiver signed then from one that is signed with the same key, and dated back, today."""
    signed(organisation, keys, 'valid-before="20261201"')
    assert organisation.status("2026-11-30T00:00:00Z") == "active"
    assert organisation.status("2026-12-02T00:00:00Z") == "bad_signature"


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"]
)
def test_a_damaged_signature_does_not_count(organisation, keys, content):
    file = signed(organisation, keys)
    file.with_name("w1.yml.sig").write_bytes(content)
    assert organisation.status() == "bad_signature"


def test_where_there_is_no_signature_no_ssh_keygen_is_needed(organisation, monkeypatch, tmp_path):
    organisation.waiver()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert organisation.opened() == OPEN


def test_a_signer_whose_name_looks_like_an_option_is_only_a_name(tmp_path, keys):
    file = tmp_path / "w1.yml"
    file.write_text("id: w1\n", encoding="utf-8")
    keys.sign(file, keys.make("head"))
    keys.allow("head.of.press", keys.make("head"))
    assert verify(file.read_bytes(), file, keys.signers, "-f/dev/null", at(NOW)).problem
