"""The guides that add something are followed: what they show is put into a copy of the checkout, and works there."""

import ast
import inspect
import re
from pathlib import Path

import doc_blocks
import pytest
from checkouts import FOR_DERIVED, copied, run
from doc_blocks import Command, File
from file_hosts import write_files
from proscribe.controller.cli.scheduled import fed_exports
from proscribe.controller.cli.scheduled.failed_run import make_failure_notification
from proscribe.controller.report import notification, request_notification
from proscribe.controller.report.exports.host_entries import HostEntry, RuleLine
from proscribe.controller.report.notification import NotificationPayload, build_notification

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[4]
SHOWN = {
    path: list(doc_blocks.parts(path, text))
    for path, text in doc_blocks.read(PROJECT).items()
    if path.startswith("docs/how-to/add-")
}
GUIDES = {path: parts for path, parts in SHOWN.items() if any(isinstance(part, File) for part in parts)}
assert len(GUIDES) >= 6
PARTS = (
    *(*FOR_DERIVED, "pyproject.toml", "tests/conftest.py", "tests/properties.py", "tests/recording.py"),
    *("tests/integration", "tests/suite", "tests/unit"),
)
CODE = ("module_utils/", "playbooks/")
PYTEST = "tests/tool pytest "
# What a service and a channel are read by.
READ = """
import sys
from pathlib import Path
sys.path.insert(0, "module_utils")
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.restrictions.channels import read_channels
read_catalogue([Path("catalog")])
read_channels()
"""


@pytest.mark.parametrize("path", GUIDES)
def test_a_guide_shows_one_file_and_its_test(path):
    names = [Path(part.name) for part in GUIDES[path] if isinstance(part, File) and part.name.startswith(CODE)]
    tests = [Path(part.name) for part in GUIDES[path] if isinstance(part, File) and part.name.startswith("tests/unit/")]
    assert len(names) <= 1 and all(len(tests) == 1 for _ in names)


def test_the_guide_to_exports_has_all_that_an_export_gets():
    of_host_entry = {*HostEntry._fields, "rows", "summary"}
    of_line = {name for name in RuleLine.__slots__ if not name.startswith("_")}
    of_line |= {"control", "text", "cache_derived_form"}
    text = (PROJECT / "docs/how-to/add-an-export.md").read_text()
    described = {
        kind: set(re.findall(rf"`{kind}\.(\w+)", "".join(re.findall(rf"^\| `{kind}\..*", text, re.MULTILINE))))
        for kind in ("host_entry", "line")
    }
    assert described == {"host_entry": of_host_entry, "line": of_line}


def test_the_guide_to_channels_has_all_keys_of_a_notification():
    keys = {*NotificationPayload.__annotations__, "heads", *build_notification("", ()).facts}
    keys |= make_failure_notification({}, "", 0).facts.keys()
    for module in (fed_exports, notification, request_notification):
        calls = [one for one in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(one, ast.Call)]
        named = [one for one in calls if isinstance(one.func, ast.Name) and one.func.id == "build_notification"]
        assert named
        keys |= {keyword.arg for one in named for keyword in one.keywords if keyword.arg}
    text = (PROJECT / "docs/how-to/add-a-notification-channel.md").read_text()
    assert sorted(key for key in keys if f"`{key}`" not in text and f"`proscribe_notice.{key}`" not in text) == []


@pytest.mark.parametrize("path", GUIDES)
def test_what_a_guide_shows_is_all_that_has_to_be_written(path, tmp_path):
    checkout = copied(PROJECT, tmp_path / "checkout", PARTS)
    files = [part for part in GUIDES[path] if isinstance(part, File)]
    for file in files:
        assert not (checkout / file.name).exists(), f"{file.name} is in the project by now: take another example"
    write_files(checkout, {file.name: file.content for file in files})
    (shown,) = [part for part in GUIDES[path] if isinstance(part, Command) and "tests/derived" in part.text]
    assert run(checkout, "tests/derived").splitlines() == list(shown.output)
    run(checkout, "-c", READ)
    # What starts a playbook is not run: it needs an Ansible, and the rest of the checkout.
    tests = [file.name for file in files if file.name.startswith("tests/unit/")]
    contracts = [part.text.split()[2:] for part in GUIDES[path] if isinstance(part, Command) and PYTEST in part.text]
    for arguments in (tests, *contracts):
        if arguments and not arguments[0].startswith("tests/playbooks/"):
            run(checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)


def test_what_the_guides_show_has_the_types_that_the_code_expects(tmp_path, monkeypatch):
    """The test of a guide may replace a tool by a function that takes any argument. mypy compares each call."""
    pytest.importorskip("mypy", reason="only the environment of the oldest Ansible has it")
    checkout = copied(PROJECT, tmp_path / "checkout", PARTS)
    parts = [part for parts in GUIDES.values() for part in parts]
    shown = [part for part in parts if isinstance(part, File) and part.name.endswith(".py")]
    shown = [file for file in shown if not file.name.startswith("tests/playbooks/")]  # their helpers are not copied
    write_files(checkout, {file.name: file.content for file in shown})
    written = [line.partition(":")[0] for line in run(checkout, "tests/derived").splitlines()]
    names = [*(file.name for file in shown), *(name for name in written if name.endswith(".py"))]
    assert len(names) >= 12
    monkeypatch.setenv("MYPYPATH", "module_utils:tests:tests/unit/helpers")
    # Helpers of the tests have no types everywhere. What the files import is checked by `./proscribe test lint`.
    run(checkout, "-m", "mypy", "--allow-untyped-calls", "--follow-imports=silent", *names)
