"""Misplaced catalogue files, and files that hold something else: each is reported, and only as a PolicyError."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from made_catalogue import GOOD, Made, errors_of
from properties import examples
from proscribe.controller.compile.catalogue.schema import SERVICE
from proscribe.controller.compile.reading import yaml_file


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
def test_a_misplaced_file_is_reported(name: str, value: str, expected: str, write: Made) -> None:
    directory = write(GOOD, name)
    (error,) = errors_of(directory)
    assert (error.value, error.key) == (value, "")
    assert expected in error.expected


@pytest.mark.parametrize(
    ("content", "value", "expected"),
    [
        (b"\xff\xfe\xfa", "byte 0, which is not UTF-8", "text in UTF-8"),
        (b"", None, "a YAML document"),
        (b"# nothing\n", None, "a YAML document"),
        (b"a: \x01\n", "a syntax error (control characters are not allowed)", "valid YAML"),
        (b"x" * (1 << 20) + b"y", "more than 1048576 bytes", "a smaller file"),
    ],
)
def test_a_file_that_is_not_text_is_reported(content: bytes, value: str, expected: str, write: Made) -> None:
    directory = write("")
    (directory / "instant_messaging" / "parrot.yml").write_bytes(content)
    (error,) = errors_of(directory)
    assert (error.value, error.expected) == (value, expected)


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path / "nowhere")
    assert (error.where, error.value) == (str(tmp_path / "nowhere"), "No such file or directory")


KNOWN = "id domains packages apt linux name true parrot a.example 10.0.0.0/8 1.2.3.4/32 ~ /"
_words = st.text(max_size=12) | st.sampled_from(KNOWN.split())
_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _words | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_words | st.sampled_from(list(SERVICE.keys)), inner, max_size=6)
    ),
    max_leaves=25,
)


@pytest.mark.slow
@given(tree=_data)
@examples(200, HealthCheck.function_scoped_fixture)
def test_whatever_a_file_holds_nothing_but_a_policy_error_comes_of_it(tree: Any, write: Made) -> None:
    directory = write(yaml.safe_dump(tree, allow_unicode=True))
    for error in errors_of(directory):
        assert str(error).isprintable()


@pytest.mark.slow
@given(changes=st.dictionaries(st.sampled_from(list(SERVICE.keys)), _data, min_size=1, max_size=3))
@examples(200, HealthCheck.function_scoped_fixture)
def test_a_good_entry_with_arbitrary_changes_loads_or_is_refused(changes: dict[str, Any], write: Made) -> None:
    directory = write(yaml.safe_dump({**yaml.safe_load(GOOD), **changes}))
    for error in errors_of(directory):
        assert error.where.startswith(str(directory))


@given(text=st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@? \n\t,.0\u2028"), max_size=60))
@examples(200, HealthCheck.function_scoped_fixture)
def test_whatever_text_a_file_holds_nothing_but_a_policy_error_comes_of_it(text: str, write: Made) -> None:
    errors_of(write(text))


@pytest.mark.slow
@pytest.mark.parametrize("loader", [yaml_file._LOADER, yaml.BaseLoader], ids=["libyaml", "python"])
@pytest.mark.parametrize(
    "text",
    ["[" * 5_000, "[" * 5_000 + "]" * 5_000, "{a: " * 5_000 + "}" * 5_000, "- " * 5_000, "&a [*a]", "a: &a {b: *a}"],
    ids=["open", "lists", "mappings", "dashes", "list in itself", "mapping in itself"],
)
def test_a_hostile_document_is_refused_soon(
    text: str, loader: type, write: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_file, "_LOADER", loader)
    directory = write(text)
    started = time.process_time()
    assert len(errors_of(directory)) == 1
    assert time.process_time() - started < 5
