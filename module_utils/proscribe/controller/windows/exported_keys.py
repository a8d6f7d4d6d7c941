"""Registry keys in UTF-16: a second command for a Windows host whose code page has lost names, and its answer.

`reg query` prints in the code page of the console. A letter that the code page lacks becomes `?`. `reg export` writes a
file in UTF-16, which has every letter. cmd prints this file as it is. A PowerShell host prints it in base64. The file
lies in the temporary folder of the audit's own account and is deleted at the end.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...wire.answers.value_readers import UnusableAnswer
from .command_line import BEGIN_PART, DONE_MARK, END_PART, FAILED_MARK, make_powershell_command, quote_key
from .registry import RegistryValue, WindowsRegistry, make_registry_value

MAX_KEYS = 20  # most keys of a command
EXPORT_PART = "export"
BYTE_ORDER_MARK = "\ufeff"
FIRST_LINE = "Windows Registry Editor Version 5.00"
TEXT_KIND, EXPANDED_TEXT_KIND = "REG_SZ", "REG_EXPAND_SZ"
_KEY_PATTERN = re.compile(r"[A-Za-z0-9 _\\-]{1,400}", re.ASCII)
_HEADER_PATTERN = re.compile(rf"{re.escape(FIRST_LINE)}\s*")
_KEY_LINE_PATTERN = re.compile(r"\[([^\r\n]{1,4000})\](?:[\r\n]\s*|$)")
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_VALUE_PATTERN = re.compile(
    rf"(?:@|{_QUOTED})=(?:{_QUOTED}|dword:([0-9a-f]{{8}})|hex(?:\(([0-9a-f]{{1,8}})\))?:([0-9a-f,\\\s]*))\s*",
    re.DOTALL | re.IGNORECASE,
)
_ESCAPE_PATTERN = re.compile(r"\\(.)", re.DOTALL)
_SEPARATOR_PATTERN = re.compile(r"[,\\\s]+")


class RegistryKey(NamedTuple):
    """A registry key of an exported file: its path as the host spells it, and its values."""

    path: str
    values: list[RegistryValue]


def make_export_command(keys: Sequence[str], token: str, shell: str, transport: str) -> str:
    """Return the command that prints these registry keys, with all keys below them, in UTF-16.

    `token` begins the lines between the keys. `shell` and `transport` are those of `command_line.wrap_command`.
    """
    if not all(_KEY_PATTERN.fullmatch(key) for key in keys) or len(keys) > MAX_KEYS:
        raise ValueError("a registry key has other characters than a command may have")
    if shell != "cmd":
        list_text = ",".join(f"'{key}'" for key in keys)
        return make_powershell_command(
            f"$f=[IO.Path]::GetTempFileName();'{token} {BEGIN_PART}';foreach($k in @({list_text})){{"
            f'"{token} {EXPORT_PART} $k";cmd /c "reg export `"$k`" `"$f`" /y >nul 2>nul";if($LASTEXITCODE -eq 0){{'
            f"[Convert]::ToBase64String([IO.File]::ReadAllBytes($f));'{token} {DONE_MARK}'}}}};"
            f"Remove-Item $f;'{token} {END_PART}'",
            transport,
        )
    file = '"%p\\%m.reg"'
    export_one_key = (
        f"echo %m {EXPORT_PART} %k& reg export %k {file} /y >nul 2>nul&& cmd /u /c type {file}"
        f"&& echo %m {DONE_MARK}|| echo %m {FAILED_MARK}"
    )
    return (
        f"for /f \"delims=\" %p in ('cmd /c echo %TEMP%') do @for %m in ({token}) do @(echo %m {BEGIN_PART}& "
        f"(for %k in ({' '.join(map(quote_key, keys))}) do @({export_one_key}))& "
        f"del {file} 2>nul& echo %m {END_PART})"
    )


def read_exported_keys(registry: WindowsRegistry, keys: Sequence[str], output: bytes, token: str) -> None:
    """Replace the content of registry keys by that of a host's export.

    A key stays as it is if its part of the output is missing or unusable. Then its names stay lost.
    """
    for key in keys:
        content = _find_part(output, key, token)
        if content is None:
            continue
        try:
            registry.replace_key(key, parse_registry_file(_decode_file(content)))
        except UnusableAnswer:
            continue


def _find_part(output: bytes, key: str, token: str) -> bytes | None:
    """Return the content of a key in the output; None if the host's command for the key did not succeed."""
    mark = token.encode()
    for spelled_key in (key, quote_key(key)):
        _, separator, rest = output.partition(f"{token} {EXPORT_PART} {spelled_key}".encode())
        if separator:
            break
    else:
        return None
    _, _, rest = rest.partition(b"\n")
    content, _, end = rest.partition(mark)
    return content if end.lstrip().startswith(DONE_MARK.encode()) else None


def _decode_file(content: bytes) -> str:
    """Return the text of an exported file, which is in UTF-16 or in base64. Raises UnusableAnswer for other bytes."""
    try:
        if b"\0" not in content:
            content = base64.b64decode(b"".join(content.split()), validate=True)
        return content.removesuffix(b"\r\n" if len(content) % 2 else b"").decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        raise UnusableAnswer("an exported registry key is no text in UTF-16") from None


def parse_registry_file(text: str) -> Iterator[RegistryKey]:
    """Yield the keys of a file of Windows' registry editor. Raises UnusableAnswer for another form."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    match = _HEADER_PATTERN.match(text)
    position = match.end() if match else 0
    if not match:
        raise UnusableAnswer("an exported registry key has another first line")
    while position < len(text):
        key_match = _KEY_LINE_PATTERN.match(text, position)
        if not key_match:
            raise UnusableAnswer("an exported registry key has another form")
        position = key_match.end()
        values = []
        while value_match := _VALUE_PATTERN.match(text, position):
            position = value_match.end()
            values.append(_parse_value(value_match))
        yield RegistryKey(key_match[1], values)


def _parse_value(match: re.Match[str]) -> RegistryValue:
    """Return the value of a matched line; bytes of no text are returned as their digits, as `reg query` prints them."""
    name, text, number, type_number, digits = match.groups()
    name = _ESCAPE_PATTERN.sub(r"\1", name or "")
    if text is not None:
        return make_registry_value(name, TEXT_KIND, _ESCAPE_PATTERN.sub(r"\1", text))
    if number is not None:
        return make_registry_value(name, "REG_DWORD", f"0x{number}")
    digits = _SEPARATOR_PATTERN.sub("", digits)
    if type_number in ("1", "2", "7") and len(digits) % 2 == 0:
        decoded_text = bytes.fromhex(digits).decode("utf-16-le", "replace").rstrip("\0")
        kind = {"1": TEXT_KIND, "2": EXPANDED_TEXT_KIND, "7": "REG_MULTI_SZ"}[type_number]
        return make_registry_value(name, kind, decoded_text.replace("\0", "\\0"))
    return make_registry_value(name, "REG_BINARY", digits.upper())
