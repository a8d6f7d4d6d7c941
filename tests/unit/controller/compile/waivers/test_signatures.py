"""Signatures over waivers, by the real ssh-keygen, the cases of `waiver_cases` and what they do not say."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from made_waivers import NOW, OURS, Keys, Organisation, at
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


# -- clocks, certificates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ("2026-10-25T00:30:00Z", "active"),  # 02:30 in Berlin, before the clocks go back
        ("2026-10-25T00:59:59Z", "active"),
        ("2026-10-25T01:00:01Z", "bad_signature"),  # 02:00:01, the second time: the key has ended
        ("2026-10-25T01:30:00Z", "bad_signature"),  # 02:30 again
        ("2026-10-25T02:30:00Z", "bad_signature"),
    ],
)
def test_a_key_ends_once_where_an_hour_comes_twice(
    organisation: Organisation, keys: Keys, now: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        file = organisation.waiver(approved_on="2026-10-01T00:00:00Z", requested_on=None, valid_from=None)
        keys.allow("head.of.press", keys.make("head"), OURS, 'valid-before="20261025010000Z"')
        keys.sign(file, keys.make("head"))
        assert organisation.status(now) == status
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("certified", "options", "status"),
    [
        ("head.of.press", (), "active"),  # so that the others show something
        ("mallory", (), "bad_signature"),
        ("head.of.press,mallory", (), "active"),
        ("head.of.press", ("-V", "20250101:20251231"), "bad_signature"),
        ("", (), "bad_signature"),  # for everybody
    ],
)
def test_a_certificate_signs_for_whom_its_authority_named_and_while_it_is_valid(
    organisation: Organisation, keys: Keys, tmp_path: Path, certified: str, options: tuple[str, ...], status: str
) -> None:
    file = organisation.waiver()
    authority, key = keys.make("authority"), tmp_path / "certified"
    shutil.copy(keys.make("head"), key)
    shutil.copy(f"{keys.make('head')}.pub", f"{key}.pub")
    names = ("-n", certified) if certified else ()
    argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", *names, *options, f"{key}.pub"]
    subprocess.run(argv, check=True, capture_output=True)
    keys.allow("*", authority, "cert-authority", OURS)
    keys.sign(file, Path(f"{key}-cert.pub"))
    assert organisation.status() == status


@pytest.mark.parametrize("made_for", ["file", "git", "proscribe-export"])
def test_a_signature_for_another_purpose_is_none_where_the_key_may_sign_for_all(
    organisation: Organisation, keys: Keys, made_for: str
) -> None:
    file = organisation.waiver()
    keys.allow("head.of.press", keys.make("head"))
    keys.sign(file, keys.make("head"), made_for)
    assert organisation.status() == "bad_signature"
    keys.sign(file, keys.make("head"))
    assert organisation.status() == "active"
