"""Somebody who is not root and may not write the checkout: what is made goes to a place of their own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import PROJECT, Ended, clean_environment, made_checkout, made_wheel
from machine import outside
from processes import MERGED

pytestmark = [pytest.mark.playbook, pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")]
NOBODY = 65534
NOT_OF_THE_CHECKOUT = shutil.ignore_patterns(".*", "reports", "__pycache__", "tests")


@pytest.fixture
def base():
    """A directory that everybody may enter, which those of pytest are not, with a state directory of nobody's."""
    made = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    made.chmod(0o755)
    (made / "state").mkdir()
    os.chown(made / "state", NOBODY, NOBODY)
    yield made
    shutil.rmtree(made)


def audit_as_nobody(launcher, state):
    """`proscribe audit`, with the Python of the system's, since nobody may use those of others."""
    environment = clean_environment(PATH="/usr/bin:/bin", XDG_STATE_HOME=str(state), HOME=str(state))
    python = subprocess.run(["python3", "-c", "import ensurepip, tomllib"], env=environment, capture_output=True)
    assert python.returncode == 0, "needs a Python 3.11 of the system's: apt-get install python3 python3-venv"
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", str(launcher), "audit"]
    done = subprocess.run(outside(argv), env=environment, cwd="/", **MERGED)  # the launcher downloads what it needs
    return Ended(done.returncode, done.stdout)


def test_the_environment_goes_to_the_users_state_directory(base):
    launcher = made_checkout(base / "checkout", made_wheel(base))
    before = set(launcher.parent.rglob("*"))
    ended = audit_as_nobody(launcher, base / "state")
    assert ended.code == 0 and ended.said.endswith("made ansible 1\n"), ended.said
    assert (base / "state/proscribe/venv/made-by-proscribe").exists()
    assert set(launcher.parent.rglob("*")) == before, "nothing else is in the checkout"


@pytest.mark.parametrize("whose", ["somebody else's", "everybody's"])
def test_a_state_directory_that_others_can_change_is_refused(base, whose):
    """Below a place such as /tmp somebody else may have been there first, and could change what is run from it."""
    launcher = made_checkout(base / "checkout", made_wheel(base))
    (base / "state").chmod(0o1777)
    theirs = base / "state" / "proscribe"
    theirs.mkdir()
    os.chown(theirs, *((NOBODY, NOBODY) if whose == "everybody's" else (12345, 12345)))
    theirs.chmod(0o777)
    ended = audit_as_nobody(launcher, base / "state")
    assert ended.code == 2 and f"{theirs} is a link, or others can change it" in ended.said, ended.said
    assert list(theirs.iterdir()) == []


def test_an_audit_says_what_it_could_not_see_and_asks_for_no_password(base):
    checkout = Path(shutil.copytree(PROJECT, base / "checkout", ignore=NOT_OF_THE_CHECKOUT, symlinks=True))
    ended = audit_as_nobody(checkout / "proscribe", base / "state")
    assert ended.code == 0, ended.said
    record = json.loads(((base / "state/proscribe/reports/latest") / "hosts.jsonl").read_text())
    unseen = [rule for rule in record["rules"] if rule["state"] == "unknown"]
    assert unseen and all(rule["reason"] for rule in unseen)
    assert "root" in ended.said, "it says how to see it all"
