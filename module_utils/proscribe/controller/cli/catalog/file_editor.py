"""Edits of some keys of a catalogue file, with everything else left as it is.

People write the files of a catalogue, with their own order and comments. So files are edited line by line. The result
is parsed again. If its data differ from the intended data, the edit fails, and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import yaml

_KEY_PATTERN = re.compile(r"[a-z_]+:")
_PLAIN_SCALAR_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]*(?<!:)")
# YAML reads these words and numbers as other types than text, so they need quotes.
_NON_TEXT_PATTERN = re.compile(r"[0-9][0-9.]*(?:e[0-9]+)?|true|false|yes|no|on|off|y|n|null", re.IGNORECASE)
FORM_ERROR = "its form cannot be edited by a program; write the change by hand"
# The new content of a key: a text, a list of texts or mappings, or a mapping. Empty content removes the key.
KeyContent = str | Sequence[object] | Mapping[str, object]


class EditError(Exception):
    """A file that cannot be edited because of its form, with the reason."""


def change_keys(text: str, changes: Mapping[str, KeyContent]) -> str:
    """Return the text of a catalogue file with new content of some top-level keys.

    `changes` has the content by key. Empty content removes the key. All other lines stay. Raises EditError if the
    form of the file does not permit the edit, or if a comment would be lost.
    """
    expected_data, edited_text = parse_data(text), text
    for key, new_content in changes.items():
        edited_text = _replace_key_lines(
            edited_text, key, list(_format_key_lines(key, new_content, "")) if new_content else []
        )
        expected_data = (
            {**expected_data, key: new_content}
            if new_content
            else {name: content for name, content in expected_data.items() if name != key}
        )
    if parse_data(edited_text) != expected_data:
        raise EditError(FORM_ERROR)
    return edited_text


def _replace_key_lines(text: str, key: str, new_lines: Sequence[str]) -> str:
    """Return the text of a file with the lines of a top-level key replaced by `new_lines`.

    Empty `new_lines` remove the key. A new key goes before `notes` or `sources`. Raises EditError if the file has
    neither, or if a comment would be lost.
    """
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _KEY_PATTERN.match(line)]
    # The lines of a key end where the next key begins. The last line is empty, because the text ends in a line break.
    ends = [*starts[1:], len(lines) - 1]
    for start, end in zip(starts, ends, strict=True):
        if lines[start].startswith(f"{key}:"):
            while lines[end - 1].startswith("#"):
                end -= 1  # a comment before the next key belongs to that key
            return "\n".join([*lines[:start], *_keep_comments(lines[start:end], key, new_lines), *lines[end:]])
    if not new_lines:
        return text
    for start in starts:
        if lines[start].startswith(("notes:", "sources:")):
            return "\n".join([*lines[:start], *new_lines, *lines[start:]])
    raise EditError("it has neither notes nor sources")


def _keep_comments(old_lines: Sequence[str], key: str, new_lines: Sequence[str]) -> list[str]:
    """Return the new lines of a key, each with the comment at the end of the same old line.

    Raises EditError for an old comment on a separate line, because the new lines have no certain place for it.
    """
    # By line without its comment: the whole line.
    commented_lines = {line.partition(" #")[0].rstrip(): line for line in old_lines if " #" in line}
    if any(line.lstrip().startswith("#") for line in old_lines):
        raise EditError(f"a comment in its {key} would be lost; write the change by hand")
    return [commented_lines.get(line, line) for line in new_lines]


def _format_key_lines(key: str, content: object, indent: str) -> Iterator[str]:
    """Yield the YAML lines of a key and its content: a text, a list or a mapping."""
    if isinstance(content, str):
        yield f"{indent}{key}: {_format_scalar(content)}"
        return
    yield f"{indent}{key}:"
    if isinstance(content, Mapping):
        for name, child in content.items():
            yield from _format_key_lines(name, child, f"{indent}  ")
    elif isinstance(content, Sequence):
        for element in content:
            if isinstance(element, Mapping):
                first, *other_lines = [
                    line for name, child in element.items() for line in _format_key_lines(name, child, f"{indent}    ")
                ]
                yield from (f"{indent}  - {first.lstrip()}", *other_lines)
            else:
                yield f"{indent}  - {_format_scalar(str(element))}"


def _format_scalar(text: str) -> str:
    """Return a text as a YAML scalar: plain if YAML reads it as this text, else in single quotes."""
    is_plain = _PLAIN_SCALAR_PATTERN.fullmatch(text) and not _NON_TEXT_PATTERN.fullmatch(text)
    return text if is_plain else "'" + text.replace("'", "''") + "'"


def parse_data(text: str) -> dict[str, object]:
    """Parse the YAML text of a file that is a mapping, with every scalar as text. Raises EditError for any other."""
    try:
        data = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        raise EditError(FORM_ERROR) from None
    if not isinstance(data, dict):
        raise EditError("it is no mapping")
    return data
