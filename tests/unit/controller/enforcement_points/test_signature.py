"""What the signature of an export is worth before any key counts, and which formats there are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_export import AT
from proscribe.controller.enforcement_points import formats, registry, signature
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.signature import Signing
from proscribe.controller.ssh_signatures import Signature

TOOL = "#!/bin/sh\n[ $2 = sign ] && echo made\n"


@pytest.fixture(autouse=True)
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh-keygen that signs, and to which no signature fits."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh-keygen").write_text(TOOL)
    (tmp_path / "bin/ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


NO_INVENTORY = "it cannot be checked: no inventory says where allowed_signers is"
NOWHERE = "it cannot be checked: there is no /nowhere/a, which says who has which key"


@pytest.mark.parametrize(
    ("there", "signing", "problem"),
    [
        (None, Signing(), ""),
        (None, Signing("key"), "there is no manifest.json.sig"),
        ("a link", Signing(), "manifest.json.sig is no signature"),
        (65_537, Signing(), "manifest.json.sig is no signature"),
        (65_536, Signing(), NO_INVENTORY),
        (1, Signing(signers=("/nowhere/a", "/nowhere/b")), NOWHERE),
    ],
)
def test_a_signature_is_there_and_can_be_checked_or_that_is_said(
    tmp_path: Path, there: int | str | None, signing: Signing, problem: str
) -> None:
    if isinstance(there, int):
        (tmp_path / "manifest.json.sig").write_bytes(b"x" * there)
    elif there:
        (tmp_path / "manifest.json.sig").symlink_to("nowhere")
    assert signature.checked(tmp_path, b"{}", signing, AT) == Signature(problem)


@pytest.mark.parametrize("public", [True, False])
def test_a_signature_that_would_not_count_is_not_written(tmp_path: Path, public: bool) -> None:
    """Whose key that is, is said where its public half is there."""
    key, signers = tmp_path / "key", tmp_path / "allowed_signers"
    assert signature.signed(b"{}", Signing(), AT) == {}
    with pytest.raises(NotExportable, match="^there is no key .*/key; name the right one with --key$"):
        signature.signed(b"{}", Signing(str(key)), AT)
    key.touch()
    signers.touch()
    if public:
        key.with_name("key.pub").write_text("ssh-ed25519 AAAA me\n")
    with pytest.raises(NotExportable) as refused:
        signature.signed(b"{}", Signing(str(key), (str(signers),)), AT)
    why = "it does not fit the file, which was changed after it was signed, or it is no such signature"
    line = f'\n{signers} needs this line:\n  proscribe-export namespaces="proscribe-export" ssh-ed25519 AAAA'
    said = f"that signature would not count, so nothing was written: {why}"
    assert str(refused.value) == said + line * public


def test_a_format_is_called_as_its_module_is(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = SimpleNamespace(FORMAT=registry.FORMATS["rpz"])
    monkeypatch.setitem(sys.modules, f"{formats.__name__}.owl", declared)
    monkeypatch.setattr(registry, "names", lambda: ("rpz", "owl"))
    with pytest.raises(ValueError, match="^formats/owl.py declares 'rpz': a format is called as its module is$"):
        registry._found()
