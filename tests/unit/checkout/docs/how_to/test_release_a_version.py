"""A release, by the commands of docs/how-to/release-a-version.md: built, signed, checked, and refused where changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import commands

PROJECT = Path(__file__).resolve().parents[5]
PAGE = "docs/how-to/release-a-version.md"
WHO = ("-c", "user.name=A", "-c", "user.email=a@example.org")
VERSION = "7.8.9"

pytestmark = pytest.mark.slow  # it packs the observing code


def typed(first):
    """The commands of the page, from the first that begins so, up to the next block of another kind."""
    every = [command.text for command in commands(PAGE, (PROJECT / PAGE).read_text())]
    return every[next(number for number, text in enumerate(every) if text.startswith(first)) :]


def run(script, cwd, home):
    bin_directory = Path(sys.executable).parent
    own = {
        "HOME": str(home),
        "PATH": f"{bin_directory}:{os.environ['PATH']}",
        "PROSCRIBE_ANSIBLE_PLAYBOOK": str(bin_directory / "ansible-playbook"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    argv = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(argv, cwd=cwd, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = tmp_path_factory.mktemp("home")
    (made / ".ssh").mkdir(mode=0o700)
    key = made / ".ssh/proscribe_release"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return made


@pytest.fixture(scope="module")
def released(home, tmp_path_factory):
    """A fresh clone at the tag of a release, after the commands that build and sign it."""
    source, clone = tmp_path_factory.mktemp("source") / "proscribe", tmp_path_factory.mktemp("clone") / "proscribe"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(source)], check=True)
    for name, pattern, new in (
        ("pyproject.toml", r'^version = ".*"$', f'version = "{VERSION}"'),
        ("CHANGELOG.md", r"^## \[.*\] - .*$", f"## [{VERSION}] - 2026-12-24"),
    ):
        text = (source / name).read_text()
        (source / name).write_text(re.sub(pattern, new, text, count=1, flags=re.MULTILINE))
    subprocess.run(["git", *WHO, "commit", "--quiet", "--all", "--message", "release"], cwd=source, check=True)
    subprocess.run(["git", "tag", f"v{VERSION}"], cwd=source, check=True)
    subprocess.run(["git", "clone", "--quiet", "--branch", f"v{VERSION}", str(source), str(clone)], check=True)
    script = [text for text in typed("./proscribe --version") if not text.startswith("ssh-keygen -Y verify")][:5]
    done = run("\n".join(script), clone, home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"proscribe {VERSION}\n")
    return clone / "dist"


def checked(directory, home):
    return run("\n".join(typed("ssh-keygen -Y verify")), directory, home).returncode == 0


@pytest.fixture
def download(released, home, tmp_path):
    """What a team has got: the published files, and the line of the signer."""
    for path in released.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    key = (home / ".ssh/proscribe_release.pub").read_text()
    (tmp_path / "allowed_signers").write_text(f'release@example.org namespaces="proscribe-release" {key}')
    return tmp_path


def test_a_release_is_checked_and_installed(download, home):
    names = {path.name for path in download.iterdir()}
    archive = f"proscribe-ban-{VERSION}.tar.gz"
    assert names == {archive, "SHA256SUMS", "SHA256SUMS.sig", "allowed_signers"} and checked(download, home)
    done = run(f"ansible-galaxy collection install --offline -p collections {archive}", download, home)
    assert f"proscribe.ban:{VERSION} was installed successfully" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "change",
    [
        "echo x >>*.tar.gz",
        "echo x >>*.tar.gz; sha256sum *.tar.gz >SHA256SUMS",
        "sed -i s/proscribe-release/git/ allowed_signers",  # signed by the same key, as something else
    ],
)
def test_changed_release_is_refused(download, home, change):
    assert run(change, download, home).returncode == 0 and not checked(download, home)


def test_another_version_than_that_of_the_tag_is_not_built(released, home):
    clone = released.parent
    subprocess.run(["git", "tag", "v7.9.0"], cwd=clone, check=True)
    subprocess.run(["git", "tag", "--delete", f"v{VERSION}"], cwd=clone, check=True, capture_output=True)
    done = run("./proscribe collection --output elsewhere", clone, home)
    assert done.returncode == 2 and not (clone / "elsewhere").exists()
    assert f"pyproject.toml: version: found '{VERSION}', expected 7.9.0 as the tag" in " ".join(done.stderr.split())
