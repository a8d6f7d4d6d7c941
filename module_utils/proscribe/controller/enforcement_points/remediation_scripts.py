"""Registry values of a program as scripts for Intune's remediations, in Windows PowerShell 5.1.

    - `detect.ps1` has the exit code 1 if a value differs. Then Intune runs `remediate.ps1`.
    - `remediate.ps1` saves the earlier state once, and sets the values.
    - `save.ps1` only saves the earlier state: each registry key of the program in a file of `reg export`.
    - `restore.ps1` removes the values that the scripts set, and imports the saved files.

The saved files are below Program Files, where only administrators write: a folder that users can write could smuggle
values into `restore.ps1`, which runs as the system. Values are literals in single quotes. Within them, PowerShell
interprets nothing but the quote, which is doubled. A text with other than printable ASCII is written in base64.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...host.controls.group_policy.registry_pol import EMPTY_KEY_NAME, RegistryEntry, decode_entry

# Intune's limit for its other PowerShell scripts. Its page on remediations names none.
MAX_SCRIPT_BYTES = 200_000
MAX_NUMBER = 0x7FFFFFFF  # a literal of PowerShell beyond it is no Int32
_NAME_PATTERN = re.compile(r"[A-Za-z0-9 _.-]+(?:\\[A-Za-z0-9 _.-]+)*", re.ASCII)
_PLAIN_PATTERN = re.compile(r"[ -~]*", re.ASCII)
_START = """\
$ErrorActionPreference = 'Stop'
function ConvertFrom-Utf8([string]$Encoded) {
  [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($Encoded))
}
"""
_DETECT = """\
$machine = [Microsoft.Win32.Registry]::LocalMachine
$differences = @()
foreach ($list in $lists) {
  $key = $machine.OpenSubKey($list.Key)
  $isSame = $null -ne $key -and $key.ValueCount -eq $list.Texts.Count
  for ($i = 0; $isSame -and $i -lt $list.Texts.Count; $i++) {
    $data = $key.GetValue([string]($i + 1))
    $isSame = $data -is [string] -and $data -ceq $list.Texts[$i]
  }
  if (-not $isSame) { $differences += $list.Key }
}
foreach ($value in $values) {
  $key = $machine.OpenSubKey($value.Key)
  $data = if ($null -ne $key) { $key.GetValue($value.Name) }
  if ($null -eq $data -or $data.GetType() -ne $value.Data.GetType() -or $data -cne $value.Data) {
    $differences += "$($value.Key)\\$($value.Name)"
  }
}
if ($differences.Count -eq 0) { Write-Output 'as in the plan'; exit 0 }
Write-Output "$($differences.Count) different, such as $($differences[0])"
exit 1
"""
_SAVE = """\
$reg = Join-Path $env:SystemRoot 'System32\\reg.exe'
$folder = Join-Path $env:ProgramFiles "Proscribe\\before\\$program"
$mark = Join-Path $folder 'saved.txt'
if (-not (Test-Path -LiteralPath $mark)) {
  New-Item -ItemType Directory -Force -Path $folder | Out-Null
  for ($i = 0; $i -lt $keys.Count; $i++) {
    if ($null -eq [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey($keys[$i])) { continue }
    & $reg export "HKLM\\$($keys[$i])" (Join-Path $folder "$i.reg") /y | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "reg export of $($keys[$i]) failed" }
  }
  Set-Content -LiteralPath $mark -Value (Get-Date -Format s)
}
"""
_SET = """\
$machine = [Microsoft.Win32.Registry]::LocalMachine
foreach ($list in $lists) {
  $machine.DeleteSubKeyTree($list.Key, $false)
  $key = $machine.CreateSubKey($list.Key)
  for ($i = 0; $i -lt $list.Texts.Count; $i++) { $key.SetValue([string]($i + 1), $list.Texts[$i], 'String') }
}
foreach ($value in $values) {
  $kind = if ($value.Data -is [int]) { 'DWord' } else { 'String' }
  $machine.CreateSubKey($value.Key).SetValue($value.Name, $value.Data, $kind)
}
Write-Output 'set'
exit 0
"""
_RESTORE = """\
$reg = Join-Path $env:SystemRoot 'System32\\reg.exe'
$folder = Join-Path $env:ProgramFiles "Proscribe\\before\\$program"
if (-not (Test-Path -LiteralPath (Join-Path $folder 'saved.txt'))) { Write-Output 'nothing was saved'; exit 1 }
$machine = [Microsoft.Win32.Registry]::LocalMachine
foreach ($list in $lists) { $machine.DeleteSubKeyTree($list, $false) }
foreach ($value in $values) {
  $key = $machine.OpenSubKey($value.Key, $true)
  if ($null -ne $key) { $key.DeleteValue($value.Name, $false) }
}
for ($i = 0; $i -lt $keys.Count; $i++) {
  $file = Join-Path $folder "$i.reg"
  if (-not (Test-Path -LiteralPath $file)) { continue }
  & $reg import $file | Out-Null
  if ($LASTEXITCODE -ne 0) { throw "reg import of $file failed" }
}
Remove-Item -LiteralPath $folder -Recurse
Write-Output 'restored'
exit 0
"""


class ValueGroups(NamedTuple):
    """Registry values of a program: lists, whose keys have nothing else, and single values."""

    lists: dict[str, list[str]]  # by key: the texts of the values "1", "2", ...
    values: list[RegistryEntry]


def render_scripts(
    program: str, keys: Sequence[str], entries: Sequence[RegistryEntry], comment: Iterable[str]
) -> dict[str, bytes]:
    """Return the four scripts for a program, by file name.

    `program` is the name of the folder with the saved state. `keys` are the registry keys to save: all entries are in
    them. Raises ValueError for a name or a value that no script can have.
    """
    groups = _group_entries(entries)
    for name in (program, *keys):
        _check_name(name)
    head = "".join(f"# {_check_comment(line)}\n" for line in comment) + _START
    place = f"$program = {_quote(program)}\n" + _render_array("keys", [_quote(key) for key in keys])
    data = _render_lists(groups.lists) + _render_array(
        "values",
        [
            f"@{{ Key = {_quote(entry.key)}; Name = {_quote(entry.value_name)}; Data = {_render_data(entry)} }}"
            for entry in groups.values
        ],
    )
    names = _render_array("lists", [_quote(key) for key in groups.lists]) + _render_array(
        "values",
        [f"@{{ Key = {_quote(entry.key)}; Name = {_quote(entry.value_name)} }}" for entry in groups.values],
    )
    scripts = {
        "detect.ps1": head + data + _DETECT,
        "remediate.ps1": head + place + data + _SAVE + _SET,
        "save.ps1": head + place + _SAVE + "exit 0\n",
        "restore.ps1": head + place + names + _RESTORE,
    }
    return {name: text.replace("\n", "\r\n").encode("ascii") for name, text in scripts.items()}


def _group_entries(entries: Sequence[RegistryEntry]) -> ValueGroups:
    """Return the lists and the single values of some registry values. Raises ValueError for an invalid name."""
    groups = ValueGroups({}, [])
    for entry in entries:
        _check_name(entry.key)
        if entry.value_name == EMPTY_KEY_NAME:
            groups.lists[entry.key] = []
        elif entry.key in groups.lists:
            texts = groups.lists[entry.key]
            texts.append(str(decode_entry(entry)))
            if entry.value_name != str(len(texts)):
                raise ValueError(f"{entry.value_name!r} is not the next number of a list")
        else:
            _check_name(entry.value_name)
            groups.values.append(entry)
    return groups


def _render_lists(lists: dict[str, list[str]]) -> str:
    return _render_array(
        "lists",
        [
            "\n".join(
                [f"@{{ Key = {_quote(key)}; Texts = @(", *(f"    {_render_text(text)}" for text in texts), "  ) }"]
            )
            for key, texts in lists.items()
        ],
    )


def _render_array(name: str, items: Iterable[str]) -> str:
    """Return the assignment of an array, with an item on each line. @( ) is an array also for one item."""
    return "".join(f"{line}\n" for line in (f"${name} = @(", *(f"  {item}" for item in items), ")"))


def _render_data(entry: RegistryEntry) -> str:
    """Return the literal of a value's data: a number or a text. Raises ValueError for other data."""
    content = decode_entry(entry)
    if isinstance(content, int):
        if not 0 <= content <= MAX_NUMBER:
            raise ValueError(f"{content} is no number for a script")
        return str(content)
    if not isinstance(content, str):
        raise ValueError(f"{entry.value_name!r} has data that are no text")
    return _render_text(content)


def _render_text(text: str) -> str:
    if _PLAIN_PATTERN.fullmatch(text):
        return _quote(text)
    return f"(ConvertFrom-Utf8 {_quote(base64.b64encode(text.encode('utf-8')).decode('ascii'))})"


def _quote(text: str) -> str:
    """Return a literal of printable ASCII. PowerShell interprets only the quote in it."""
    quoted_text = text.replace("'", "''")
    return f"'{quoted_text}'"


def _check_name(name: str) -> str:
    if not _NAME_PATTERN.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a script")
    return name


def _check_comment(line: str) -> str:
    if not _PLAIN_PATTERN.fullmatch(line):
        raise ValueError(f"{line!r} is no comment of one line")
    return line
