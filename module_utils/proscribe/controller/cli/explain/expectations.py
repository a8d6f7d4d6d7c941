"""Expectations of an organisation: a file of names by answer, compared with the answers of `explain`.

    all:
      blocked: [web.whatsapp.com, https://drive.google.com/drive]
      open: [www.google.com, mail.example.org]
    press:                       # a group of the inventory, or a host
      waived: [web.whatsapp.com]

The file is a test of the policy that decision makers can read. After a change of the catalogue, the comparison shows
the expectations that the change breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.reading.document_schema import GroupSchema, Mistake, read_document
from ...compile.reading.yaml_file import Document, KeyPath
from ...policy_errors import PolicyErrors
from ...report.text.terminal_layout import format_table_row, wrap_indented_text
from ...report.text.wording import clean_text, format_count, summarise_names
from .reasons.reason import OFF, STATUSES

SCHEMA = "proscribe/expectations/1"
EVERY_HOST = "all"
# OFF is the answer of a single control. If all controls that decide for a name are off, the name counts as open.
EXPECTED_ANSWERS = tuple(status for status in STATUSES if status != OFF)
MAX_NAMED_HOSTS = 3  # most hosts that the text names per differing answer


class _NamesSchema:
    """A schema for the names of an answer. A list with a wrong name is one mistake, because a row is one list."""

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]:
        if not isinstance(data, list) or not all(isinstance(name, str) and name.strip() for name in data):
            yield path, data, "a list of names, as explain takes them"


_ANSWERS = GroupSchema(
    dict.fromkeys(EXPECTED_ANSWERS, _NamesSchema()),
    key_description=f"an answer, one of {', '.join(EXPECTED_ANSWERS)}",
)


class Expectation(NamedTuple):
    """A row of the file: the expected answer for a name on some hosts."""

    hosts: str  # the key: all, a group or a host
    answer: str
    name: str
    path: KeyPath  # position of the row in the file, for error messages


class AnswerDifference(NamedTuple):
    """Hosts whose answer differs from the expected one, with the reason of their answer."""

    answer: str
    hosts: tuple[str, ...]
    reason: str


class ExpectationResult(NamedTuple):
    """The result of an expectation. It is met if there are no differences."""

    expectation: Expectation
    differences: tuple[AnswerDifference, ...]


def read_expectations(
    path: Path, groups: Mapping[str, frozenset[str]], hosts: Sequence[str]
) -> tuple[Document, list[Expectation]]:
    """Return a file of expectations as a document, and its rows in order. Raises PolicyErrors with every mistake.

    A row is for `all`, a group or a host. `groups` are those of the inventory, `hosts` are the hosts in question.
    """
    schema = GroupSchema(
        dict.fromkeys((EVERY_HOST, *groups, *hosts), _ANSWERS), key_description=f"{EVERY_HOST}, a group or a host"
    )
    document = read_document(path, schema)
    rows = [
        Expectation(host, answer, name, (host, answer, index))
        for host, answers in document.data.items()
        for answer, names in answers.items()
        for index, name in enumerate(names)
    ]
    if not rows:
        raise PolicyErrors([document.make_error((), document.data, "at least one name")])
    return document, rows


def make_result(expectation: Expectation, answers: Sequence[tuple[str, tuple[str, ...], str]]) -> ExpectationResult:
    """Compare an expectation with the policy's answers for its hosts.

    `answers` has (answer, hosts, reason) for each group of hosts. Without answers, the expectation is not met.
    """
    if not answers:  # no host was compared, so nothing shows that the expectation is met
        return ExpectationResult(
            expectation, (AnswerDifference("no answer", (), f"no host of {expectation.hosts} is in question"),)
        )
    return ExpectationResult(
        expectation, tuple(AnswerDifference(*answer) for answer in answers if answer[0] != expectation.answer)
    )


def format_results(file: str, results: Sequence[ExpectationResult], width: int) -> str:
    """Return the results as a table: each row with the expected answer and the hosts whose answer differs."""
    met_count = sum(not result.differences for result in results)
    lines = [f"{clean_text(file)}: {met_count} of {format_count(len(results), 'name')} as expected", ""]
    widths = (
        max(len(result.expectation.hosts) for result in results),
        max(len(result.expectation.answer) for result in results),
    )
    for expectation, differences in results:
        title = f"{expectation.name}" if not differences else f"{expectation.name}: not as expected"
        lines += format_table_row(clean_text(expectation.hosts), expectation.answer, clean_text(title), widths, width)
        for answer, hosts, reason in differences:
            text = " on ".join(filter(None, (answer, summarise_names(hosts, MAX_NAMED_HOSTS)))) + (
                f": {reason}" if reason else ""
            )
            lines += wrap_indented_text(clean_text(text), width)
    return "\n".join(lines)


def make_results_document(file: str, results: Sequence[ExpectationResult]) -> dict[str, object]:
    """Return the results as data for --json. docs/explain.md describes the format."""
    return {
        "schema": SCHEMA,
        "file": file,
        "met": all(not result.differences for result in results),
        "results": [
            {
                "hosts": expectation.hosts,
                "expected": expectation.answer,
                "name": expectation.name,
                "differences": [
                    {"answer": answer, "hosts": list(hosts), "why": reason} for answer, hosts, reason in differences
                ],
            }
            for expectation, differences in results
        ],
    }
