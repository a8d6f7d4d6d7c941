"""Debian's archives, as apt fetches and checks them: their package indexes, from the mirror of this machine's own apt.

Everything is below a directory of its own. What the machine's apt knows stays as it is.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from machine import outside
from metadata import lines_of

# What hosts have today, and what they get next.
SUITES = ("bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid")
COMPONENTS = "main contrib non-free non-free-firmware"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
LIMIT = 600  # seconds


class Unreachable(RuntimeError):
    """apt has no index to read."""


def indexes(mirror: str, directory: Path, suites: Sequence[str] = SUITES) -> Iterator[tuple[str, Iterator[str]]]:
    """The indexes by suite and component, each with its lines."""
    apt = _options(directory)
    lines = (f"deb [signed-by={KEYS}] {mirror} {suite} {COMPONENTS}\n" for suite in suites)
    (directory / "sources.list").write_text("".join(lines), encoding="utf-8")
    _run(["apt-get", *apt, "--quiet", "--error-on=any", "update"])
    form = "$(SUITE) $(CODENAME) $(COMPONENT) $(FILENAME)"
    targets = _run(["apt-get", *apt, "indextargets", "--format", form, "Created-By: Packages"]).splitlines()
    if len(targets) != len(suites) * len(COMPONENTS.split()):
        raise Unreachable(f"found {len(targets)} indexes of {len(suites)} suites, expected one for each component")
    for target in targets:
        _, suite, component, file = target.split(" ", 3)
        yield f"{suite}/{component}", _text(file)


def _options(directory: Path) -> list[str]:
    for folder in ("lists/partial", "cache/archives/partial"):
        (directory / folder).mkdir(parents=True)
    own = {
        "Dir::Etc::sourcelist": directory / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": directory / "lists",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",  # the directory is ours alone
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "Acquire::Languages": "none",  # summaries are in the index itself
    }
    return [f"--option={key}={value}" for key, value in own.items()]


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(outside(argv), capture_output=True, text=True, timeout=LIMIT)
    if done.returncode:
        raise Unreachable(f"{argv[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def _text(file: str) -> Iterator[str]:
    """The lines of an index, whatever it is compressed with."""
    argv = ["/usr/lib/apt/apt-helper", "cat-file", file]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace") as process:
        assert process.stdout is not None
        yield from lines_of(process.stdout)
    if process.returncode:
        raise Unreachable(f"{file}: apt-helper could not read it")
