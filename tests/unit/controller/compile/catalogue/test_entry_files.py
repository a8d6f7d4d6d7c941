"""Catalogue files that are misplaced or hostile."""

import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml
from file_hosts import write_files
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from made_catalogue import GOOD, errors_of
from patience import processor
from properties import examples
from proscribe.controller.cli.catalog import public_lists, publishers
from proscribe.controller.cli.explain.expectations import read_expectations as read_expectations
from proscribe.controller.compile.catalogue import catalogue_loader, schema
from proscribe.controller.compile.reading import yaml_file
from proscribe.controller.compile.reading.yaml_file import MAX_VALUES
from proscribe.controller.compile.waivers import approvers, document, signatures
from proscribe.controller.policy_errors import PolicyError, PolicyErrors


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("instant_messaging/owl.yaml", "owl.yaml", "a file named <service id>.yml, not .yaml"),
        ("instant_messaging/owl.yml.bak", "owl.yml.bak", "a file named <service id>.yml"),
        ("instant_messaging/more/owl.yml", "more", "a file named <service id>.yml"),
        ("owl.yml", "owl.yml", "browsers.yml or <category>/<service id>.yml"),
        ("browsers.yaml", "browsers.yaml", "browsers.yml or <category>/<service id>.yml"),
        ("web_mail/owl.yml", "web_mail", "did you mean 'webmail'?"),
    ],
)
def test_a_misplaced_file_is_reported(name, value, expected, write):
    directory = write(GOOD, name)
    (error,) = errors_of(directory)
    assert (error.found_value, error.key) == (value, "")
    assert expected in error.expected


@pytest.mark.parametrize(
    ("content", "value", "expected"),
    [
        (b"\xff\xfe\xfa", "byte 0, which is not UTF-8", "text in UTF-8"),
        (b"# nothing\n", None, "a YAML document"),
        (b"a: \x01\n", "a syntax error (control characters are not allowed)", "valid YAML"),
        (b"x" * (1 << 20) + b"y", "more than 1048576 bytes", "a smaller file"),
    ],
)
def test_a_file_that_is_not_text_is_reported(content, value, expected, write):
    directory = write("")
    (directory / "instant_messaging" / "parrot.yml").write_bytes(content)
    (error,) = errors_of(directory)
    assert (error.found_value, error.expected) == (value, expected)


def test_name_of_a_file_never_speaks_to_the_terminal(write):
    (error,) = errors_of(write(GOOD, "instant_messaging/owl\x1b[2J\u202e.yml"))
    assert str(error).isprintable() and r"owl\x1b[2J\u202e.yml" in str(error)


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("instant_messaging/owl.yml", "{outside}/webmail/owl.yml"),
        ("webmail", "{outside}/webmail"),
        ("instant_messaging/owl.yml", "nowhere.yml"),
        ("instant_messaging/owl.yml", "owl.yml"),
        ("feeds/owl.txt", "owl.txt"),
    ],
)
def test_link_to_outside_or_nothing_is_refused(place, target, write, tmp_path):
    owl = GOOD.replace("parrot", "owl").replace("Parrot", "Owl")
    write(owl.replace("instant_messaging", "webmail"), "webmail/owl.yml", "outside")
    write(FEED.replace("birds", "owl"), "feeds/owl.yml")
    write("owl.example\n", "feeds/owl.txt")
    path = write(GOOD) / place
    path.unlink(missing_ok=True)
    path.symlink_to(target.format(outside=tmp_path / "outside"))
    (error,) = errors_of(tmp_path / "catalog")
    assert error.expected.startswith("a file of this directory, not a link" if "outside" in target else "a file")


def test_a_missing_directory_is_reported(tmp_path):
    (error,) = errors_of(tmp_path / "nowhere")
    assert (error.location, error.found_value) == (str(tmp_path / "nowhere"), "No such file or directory")


KNOWN = "id domains packages apt linux name true parrot a.example 10.0.0.0/8 1.2.3.4/32 ~ /"
_words = st.text(max_size=12) | st.sampled_from(KNOWN.split())
_keys = st.sampled_from(list(schema.SERVICE.keys))
_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _words | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words | _keys, inner, max_size=6),
    max_leaves=25,
)


@pytest.mark.slow
@given(tree=_data)
@examples(200, HealthCheck.function_scoped_fixture)
def test_file_of_any_data_loads_or_is_a_policy_error(tree, write):
    assert all(str(error).isprintable() for error in errors_of(write(yaml.safe_dump(tree, allow_unicode=True))))


@pytest.mark.slow
@given(changes=st.dictionaries(_keys, _data, min_size=1, max_size=3))
@examples(200, HealthCheck.function_scoped_fixture)
def test_a_good_entry_with_arbitrary_changes_loads_or_is_refused(changes, write):
    directory = write(yaml.safe_dump({**yaml.safe_load(GOOD), **changes}))
    for error in errors_of(directory):
        assert error.location.startswith(str(directory))


@given(text=st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@? \n\t,.0\u2028"), max_size=60))
@examples(200, HealthCheck.function_scoped_fixture)
def test_file_of_any_text_loads_or_is_a_policy_error(text, write):
    errors_of(write(text))


@pytest.mark.slow
@pytest.mark.parametrize("loader", [yaml_file._LOADER, yaml.BaseLoader], ids=["libyaml", "python"])
def test_a_hostile_document_is_refused_soon(loader, write, monkeypatch):
    monkeypatch.setattr(yaml_file, "_LOADER", loader)
    nested = ["[" * 5_000, "[" * 5_000 + "]" * 5_000, "{a: " * 5_000 + "}" * 5_000, "- " * 5_000]
    for text in (*nested, "&a [*a]", "a: &a {b: *a}"):
        directory = write(text)
        started = time.process_time()
        assert len(errors_of(directory)) == 1
        assert time.process_time() - started < 5


FEED = "id: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources: [a test]\n"
SECRET = "a-secret-of-the-controllers"


LISTED = "feeds/birds.yml feeds/birds.txt browsers.yml release.yml known_good.txt known_good_networks.txt"
LISTED += " known_good_programs.txt"


def load_catalogue(root: Path) -> None:
    catalogue_loader.read_catalogue([root])


def raise_mistakes(mistakes: list[PolicyError]) -> None:
    if mistakes:
        raise PolicyErrors(mistakes)


READERS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(("instant_messaging/parrot.yml", "amends/parrot.yml", *LISTED.split()), load_catalogue),
    "publishers.yml": lambda root: publishers.read_publishers([root]),
    "recall.yml": lambda root: public_lists.read_public_lists([root]),
    "waivers/w1.yml": lambda root: raise_mistakes(document.read_waivers([root / "waivers"])[2]),
    "approvers.yml": lambda root: approvers.read_approver_list([root], {}),
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
    "more lists than count": f"[{'[],' * MAX_VALUES}]",
    "as many keys as count": "".join(f"domain{number}: x\n" for number in range(MAX_VALUES // 2)),
    "as many names as count": "domains:\n" + "".join(f"- x{number}.example\n" for number in range(MAX_VALUES - 9)),
    "as many mappings as count": f"domains: [{'{},' * (MAX_VALUES - 9)}]",
    "control characters": "a: \x1b[2J\x07\n",
}


def get_refusal(root: Path, file: str) -> str:
    with pytest.raises((PolicyError, PolicyErrors)) as wrong:
        READERS[file](root)
    assert str(wrong.value).isprintable() or all(line.isprintable() for line in str(wrong.value).splitlines())
    return str(wrong.value)


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "made"
    write_files(made, {"instant_messaging/parrot.yml": GOOD, "feeds/birds.yml": FEED, "feeds/birds.txt": ""})
    return made


@pytest.mark.slow
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("file", READERS)
def test_yaml_that_expands_without_bound_is_refused(root, file, content):
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(CONTENTS[content])
    began = processor()
    message = get_refusal(root, file)
    assert ("more than 20000 values" in message) == (content == "more lists than count" and file.endswith(".yml"))
    assert processor() - began < 30  # ten times what it takes


@pytest.mark.parametrize("file", READERS)
def test_pipe_or_endless_device_is_refused(root, file):
    path = root / file
    for make in (os.mkfifo, lambda place: os.symlink("/dev/zero", place)):
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)
        if "waiver" in file or path.suffix == ".yml":
            assert "expected a file" in get_refusal(root, file)
        else:
            assert "/dev/zero" not in get_refusal(root, file)


@pytest.mark.parametrize("text", [f"{SECRET}\n", f"{SECRET}\n{SECRET}\n", f"a: {SECRET}\n"], ids=range(3))
@pytest.mark.parametrize("file", READERS)
def test_content_behind_a_link_is_not_printed(root, file, text):
    (root.parent / "borrowed").write_text(text)
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).unlink(missing_ok=True)
    (root / file).symlink_to(root.parent / "borrowed")
    assert SECRET not in get_refusal(root, file)


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
def test_no_id_is_a_path(root, file, id_):
    (root / file).parent.mkdir(exist_ok=True)
    before = set(root.parent.rglob("*")) | {root / file}
    (root / file).write_text(NAMED[file].format(id=id_ if id_[0] == '"' else f"'{id_}'"))
    assert f"{file}:" in get_refusal(root, file)
    assert set(root.parent.rglob("*")) <= before


def test_a_signature_that_never_ends_is_none(tmp_path):
    (tmp_path / "allowed_signers").write_text("a ssh-ed25519 AAAA\n")
    os.mkfifo(tmp_path / "w1.yml.sig")
    signers, now = tmp_path / "allowed_signers", datetime.now(timezone.utc)
    seen = signatures.verify_signature(b"id: w1\n", tmp_path / "w1.yml", signers, "a", now)
    assert seen.problem == "it is no file"
