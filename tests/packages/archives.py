"""The packages of Debian's archives, from the mirror of this machine's own apt.

apt fetches and checks the indexes below a directory of its own. The lists of the machine's apt stay as they are.
"""

import itertools
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from machine import outside
from proscribe.controller.compile.reading.package_names import NAMES

# The suites that hosts have today, and the next ones.
SUITES = ("bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid")
COMPONENTS = "main contrib non-free non-free-firmware"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
TIMEOUT_SECONDS = 600
SUMMARY = 500  # characters of a summary that count


class Unreadable(RuntimeError):
    """There is no index, or it does not have its form."""


class Package(NamedTuple):
    """A package of an archive."""

    name: str
    summary: str = ""
    section: str = ""
    tags: frozenset[str] = frozenset()


def read_archives(mirror, directory, suites=SUITES):
    """Yield the packages of all suites. A name may come several times."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (directory / folder).mkdir(parents=True)
    options = {
        "Dir::Etc::sourcelist": directory / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": directory / "lists",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",  # nobody else can enter the directory
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "Acquire::Languages": "none",  # summaries are in the index itself
    }
    apt = ["apt-get", *(f"--option={key}={value}" for key, value in options.items())]
    lines = (f"deb [signed-by={KEYS}] {mirror} {suite} {COMPONENTS}\n" for suite in suites)
    (directory / "sources.list").write_text("".join(lines), encoding="utf-8")
    _run([*apt, "--quiet", "--error-on=any", "update"])
    files = _run([*apt, "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"]).splitlines()
    if len(files) != len(suites) * len(COMPONENTS.split()):
        raise Unreadable(f"found {len(files)} indexes of {len(suites)} suites, expected one for each component")
    for file in files:  # apt may have compressed them
        yield from read_index(_run(["/usr/lib/apt/apt-helper", "cat-file", file]).split("\n"), Path(file).name)


def _run(argv):
    done = subprocess.run(
        outside(argv), capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT_SECONDS
    )
    if done.returncode:
        raise Unreadable(f"{argv[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def read_index(lines, index):
    """Yield the packages of an index. A package is a paragraph of fields. Raise Unreadable with the place."""
    numbered = enumerate(lines, 1)
    for is_between, paragraph in itertools.groupby(numbered, lambda line: not line[1].strip()):
        if is_between:
            continue
        fields = {}
        first = last = ""
        for number, line in paragraph:
            place = f"{index}:{number}"
            first = first or place
            if line[0] in " \t":
                fields[last] = fields.get(last, "") + line
                continue
            last, colon, value = line.partition(":")
            if not colon or last in fields:
                raise Unreadable(f"{place}: found {line[:100]!r}, expected a field, once for a package")
            fields[last] = value.strip(" \t\r")
        yield _make_package(fields, first)


def _make_package(fields, place):
    if absent := [key for key in ("Package", "Description") if not fields.get(key)]:
        raise Unreadable(f"{place}: found a package without {' and '.join(absent)}, expected one with it")
    pattern, meaning = NAMES["apt"]
    if not re.fullmatch(pattern, fields["Package"]):
        raise Unreadable(f"{place}: found {fields['Package'][:100]!r}, expected {meaning}")
    tags = frozenset(filter(None, map(str.strip, fields.get("Tag", "").split(","))))
    section = fields.get("Section", "").rpartition("/")[2]  # contrib/net is a section of contrib
    return Package(fields["Package"], fields["Description"][:SUMMARY], section, tags)
