"""Signatures over waivers, by the real ssh-keygen, the cases of `waiver_cases` and what they do not say."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from made_waivers import OURS, Keys, Organisation


@pytest.fixture
def keys(organisation, key_folder):
    return Keys(key_folder, organisation.inventory)


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
