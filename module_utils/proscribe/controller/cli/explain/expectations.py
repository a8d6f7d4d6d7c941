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

from ...compile.reading.yaml_file import Document, KeyPath, read_yaml
from ...policy_errors import PolicyError, PolicyErrors, propose_similar_names
from ...report.text.terminal_layout import format_table_row, wrap_indented_text
from ...report.text.wording import clean_text, format_count, summarise_names
from .reasons.reason import OFF, STATUSES

SCHEMA = "proscribe/expectations/1"
EVERY_HOST = "all"
# OFF is the answer of a single control. If all controls that decide for a name are off, the name counts as open.
EXPECTED_ANSWERS = tuple(status for status in STATUSES if status != OFF)
MAX_NAMED_HOSTS = 3  # most hosts that the text names per differing answer


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
    try:
        document = read_yaml(path)
    except PolicyError as error:
        raise PolicyErrors([error]) from None
    known_hosts = {EVERY_HOST, *groups, *hosts}
    errors: list[PolicyError] = []
    if not isinstance(document.data, dict):
        errors.append(
            document.make_error((), document.data, f"a mapping: {EVERY_HOST}, a group or a host, and its answers")
        )
    rows = [] if errors else list(_read_rows(document, known_hosts, errors))
    if not rows and not errors:
        errors.append(document.make_error((), document.data, "at least one name"))
    if errors:
        raise PolicyErrors(errors)
    return document, rows


def _read_rows(document: Document, known_hosts: set[str], errors: list[PolicyError]) -> Iterator[Expectation]:
    """Yield the rows of a file of expectations, and add its mistakes to `errors`.

    `known_hosts` are the names that the file may have as keys: `all`, groups, hosts.
    """
    for hosts, answers in document.data.items():
        if hosts not in known_hosts:
            errors.append(
                document.make_error(
                    (hosts,), hosts, f"{EVERY_HOST}, a group or a host{propose_similar_names(hosts, known_hosts)}"
                )
            )
        elif not isinstance(answers, dict):
            errors.append(
                document.make_error((hosts,), answers, f"a mapping with keys out of {', '.join(EXPECTED_ANSWERS)}")
            )
        else:
            for answer, names in answers.items():
                path: KeyPath = (hosts, answer)
                if answer not in EXPECTED_ANSWERS:
                    errors.append(document.make_error(path, answer, f"one of {', '.join(EXPECTED_ANSWERS)}"))
                elif not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
                    errors.append(document.make_error(path, names, "a list of names, as explain takes them"))
                else:
                    yield from (Expectation(hosts, answer, name, (*path, index)) for index, name in enumerate(names))


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
