"""Every file of a policy that a stranger may have written, by each of its readers: what stands for more than it is,
what never ends, and what a link has borrowed. The run stops soon, and prints nothing of the borrowed file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from made_catalogue import GOOD
from patience import processor
from proscribe.controller.cli.catalog.public_lists import read_sources
from proscribe.controller.cli.catalog.publishers import read_publishers
from proscribe.controller.cli.explain.expectations import read as read_expectations
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.reading.yaml_file import MOST
from proscribe.controller.compile.waivers.authority import read_register
from proscribe.controller.compile.waivers.document import load_waivers
from proscribe.controller.compile.waivers.signatures import verify
from proscribe.controller.policy_errors import PolicyError, PolicyErrors

FEED = "id: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources: [a test]\n"
SECRET = "a-secret-of-the-controllers"


def catalogue(root: Path) -> None:
    load([root])


READERS: dict[str, Callable[[Path], object]] = {
    "instant_messaging/parrot.yml": catalogue,
    "amends/parrot.yml": catalogue,
    "feeds/birds.yml": catalogue,
    "feeds/birds.txt": catalogue,
    "browsers.yml": catalogue,
    "release.yml": catalogue,
    "known_good.txt": catalogue,
    "known_good_networks.txt": catalogue,
    "publishers.yml": read_publishers,
    "recall.yml": lambda root: read_sources([root]),
    "waivers/w1.yml": lambda root: load_waivers([root / "waivers"]),
    "approvers.yml": lambda root: read_register([root], {}),
    "expectations.yml": lambda root: read_expectations(root / "expectations.yml", {}, ()),
}
LEVELS = "".join(f"{name}: &{name} [{','.join([f'*{above}'] * 9)}]\n" for above, name in zip("abcdefgh", "bcdefghi"))
CONTENTS = {
    "names that stand for 9 to the power of 9 values": f"a: &a [{','.join('x' * 9)}]\n{LEVELS}",
    "a value that holds itself": "a: &a [*a]\n",
    "a merged mapping": "a: &a {b: c}\nd: {<<: *a}\n",
    "an object of Python": "!!python/object/apply:os.abort []\n",
    "a file of Ansible's": "a: !unsafe '{{ 1 }}'\n",
    "lists in lists": "[" * (1 << 19),
    "keys of keys": "? " * (1 << 18),
    "more lists than count": f"[{'[],' * MOST}]",
    "as many keys as count": "".join(f"domain{number}: x\n" for number in range(MOST // 2)),
    "as many names as count": "domains:\n" + "".join(f"- x{number}.example\n" for number in range(MOST - 9)),
    "as many mappings as count": f"domains: [{'{},' * (MOST - 9)}]",
    "control characters": "a: \x1b[2J\x07\n",
}


def refused(root: Path, file: str) -> str:
    with pytest.raises((PolicyError, PolicyErrors)) as wrong:
        READERS[file](root)
    assert str(wrong.value).isprintable() or all(line.isprintable() for line in str(wrong.value).splitlines())
    return str(wrong.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    for file, text in {"instant_messaging/parrot.yml": GOOD, "feeds/birds.yml": FEED, "feeds/birds.txt": ""}.items():
        (made / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).write_text(text)
    return made


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("file", READERS)
def test_what_stands_for_more_than_it_is_is_refused(root: Path, file: str, content: str) -> None:
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(CONTENTS[content])
    began = processor()
    said = refused(root, file)
    assert ("more than 20000 values" in said) == (content == "more lists than count" and file.endswith(".yml"))
    assert processor() - began < 30  # ten times what it takes


@pytest.mark.parametrize("file", READERS)
def test_what_never_ends_holds_nobody(root: Path, file: str) -> None:
    path = root / file
    for make in (os.mkfifo, lambda place: os.symlink("/dev/zero", place)):
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)
        if "waiver" in file or path.suffix == ".yml":
            assert "expected a file" in refused(root, file)
        else:
            assert "/dev/zero" not in refused(root, file)


@pytest.mark.parametrize("text", [f"{SECRET}\n", f"{SECRET}\n{SECRET}\n", f"a: {SECRET}\n"], ids=range(3))
@pytest.mark.parametrize("file", READERS)
def test_what_a_link_has_borrowed_is_not_printed(root: Path, file: str, text: str) -> None:
    (root.parent / "borrowed").write_text(text)
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).unlink(missing_ok=True)
    (root / file).symlink_to(root.parent / "borrowed")
    assert SECRET not in refused(root, file)


NAMED = {
    "instant_messaging/parrot.yml": GOOD.replace("id: parrot", "id: {id}"),
    "amends/parrot.yml": "amends: {id}\nadd: {{domains: [owl.example]}}\nsources: [a test]\n",
    "feeds/birds.yml": FEED.replace("id: birds", "id: {id}"),
    "publishers.yml": "- {{id: {id}, url: https://a.example/, format: lines, into: feed, of: birds, least: 1}}\n",
    "recall.yml": "- {{id: {id}, family: x, about: [vpn], folder: x, paths: [x], format: lines, least: 1}}\n",
    "waivers/w1.yml": "id: {id}\n",
}


@pytest.mark.parametrize("id_", ["../../x", "/etc/x", "..", "a/b", '"a\\0b"', "{{ x }}", "~root"])
@pytest.mark.parametrize("file", NAMED)
def test_no_id_is_a_path(root: Path, file: str, id_: str) -> None:
    (root / file).parent.mkdir(exist_ok=True)
    before = set(root.parent.rglob("*")) | {root / file}
    (root / file).write_text(NAMED[file].format(id=id_ if id_[0] == '"' else f"'{id_}'"))
    assert f"{file}:" in refused(root, file)
    assert set(root.parent.rglob("*")) <= before


def test_a_signature_that_never_ends_is_none(tmp_path: Path) -> None:
    (tmp_path / "allowed_signers").write_text("a ssh-ed25519 AAAA\n")
    os.mkfifo(tmp_path / "w1.yml.sig")
    seen = verify(b"id: w1\n", tmp_path / "w1.yml", tmp_path / "allowed_signers", "a", datetime.now(timezone.utc))
    assert seen.problem == "it is no file"
