"""A command reads an inventory in which a vault is, with the passwords that its options name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from patience import LONGEST

PASSWORD = b"of the vault"
OTHER = b"another"
# Ansible has the secrets once for a process.
CONTACT = """
import sys
from proscribe.controller.cli.inventory import question
from proscribe.controller.cli.scheduled.sending import inventory_arguments
(host,) = question(inventory_arguments(sys.argv[1:])).hosts
print(host.values["proscribe_contact"])
"""
MODULES = Path(__file__).resolve().parents[4] / "module_utils"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """One host, whose contact is in a vault of the given id; each password is in a file."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts").write_text("web1\n")
    (tmp_path / "password").write_bytes(PASSWORD)
    (tmp_path / "other").write_bytes(OTHER)
    secret = VaultLib([("prod", VaultSecret(PASSWORD))]).encrypt("proscribe_contact: helpdesk\n", vault_id="prod")
    (tmp_path / "group_vars/all.yml").write_bytes(secret)
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        ["--vault-password-file", "{}/other", "--vault-password-file", "{}/password"],
        ["--vault-id", "{}/other", "--vault-id", "prod@{}/password"],
    ],
)
def test_its_variables_are_those_that_it_hides(inventory: Path, options: list[str]) -> None:
    words = ["-i", str(inventory / "hosts"), *(word.format(inventory) for word in options)]
    environment = {**os.environ, "PYTHONPATH": str(MODULES)}
    done = subprocess.run(
        [sys.executable, "-c", CONTACT, *words], env=environment, capture_output=True, text=True, timeout=LONGEST
    )
    assert done.stdout == "helpdesk\n", done.stderr
