"""The registry of a Windows host, read back from what `reg query` prints: values, and which keys are there."""

from __future__ import annotations

import pytest
from proscribe.controller.windows import registry as module
from proscribe.controller.windows.registry import LONGEST_NAME, LONGEST_TEXT, Registry, Value
from proscribe.wire.replies.shapes import Unusable

TOP = "HKEY_LOCAL_MACHINE\\Software"
PRINTED = rf"""
    Early    REG_SZ    no key comes before it

{TOP}\A
    Name    REG_SZ    one
two

three
    NAME    REG_SZ    later
    Two    REG_MULTI_SZ    a
b
    N    REG_DWORD    0x1F
    Long    REG_DWORD    0x123456789
    Wide    REG_QWORD    0x1f
    (Standard)    REG_SZ

{TOP.lower()}\A\Below\Deep
    B    REG_BINARY    00ff
{TOP}\AB
""".splitlines()


def known() -> Registry:
    """What is known once a key was listed, and one below it was read whole."""
    made = Registry()
    made.take("HKLM\\Software", [f"{TOP}\\A", f"{TOP}\\B"], whole=False)
    made.take('"HKLM\\Software\\A"', PRINTED, whole=True)
    made.take("HKU\\Empty", [], whole=False)
    return made


def test_values_are_read_with_all_lines_of_their_texts() -> None:
    assert known().values("hklm\\software\\a\\") == {
        "name": Value("Name", "REG_SZ", "one\ntwo\nthree"),
        "two": Value("Two", "REG_MULTI_SZ", "a\nb"),
        "n": Value("N", "REG_DWORD", 31),
        "long": Value("Long", "REG_DWORD", "0x123456789"),
        "wide": Value("Wide", "REG_QWORD", "0x1f"),
        "(standard)": Value("(Standard)", "REG_SZ", ""),
    }
    # The line of a key beside it is none of its own.
    assert known().values("HKLM\\Software\\A\\Below\\Deep") == {"b": Value("B", "REG_BINARY", f"00ff\n{TOP}\\AB")}
    assert known().values("HKLM\\Software") == {}


@pytest.mark.parametrize(
    ("key", "there", "listed", "complete", "names"),
    [
        ("HKLM", None, False, False, []),
        ("HKLM\\Other", None, False, False, []),
        ("HKU\\Software\\A", None, False, False, []),
        ("HKU\\Empty", True, True, False, []),
        ("HKLM\\Software", True, True, False, ["A", "B"]),
        ("HKLM\\Software\\A", True, True, True, ["Below"]),
        ('"hklm\\SOFTWARE\\a\\"', True, True, True, ["Below"]),
        ("HKEY_LOCAL_MACHINE\\Software\\A\\Below", True, False, True, ["Deep"]),
        ("HKLM\\Software\\A\\Below\\Deep", True, False, True, []),
        ("HKLM\\Software\\A\\Below\\Other", False, False, True, []),
        ("HKLM\\Software\\A\\Other\\x\\y", False, False, True, []),
        ("HKLM\\Software\\AB", False, False, True, []),
        ("HKLM\\Software\\B", True, False, False, []),
        ("HKLM\\Software\\B\\C", None, False, False, []),
        ("HKLM\\Software\\C\\D\\E", False, False, True, []),
    ],
)
def test_a_key_is_there_or_not_or_nobody_knows(
    key: str, there: bool | None, listed: bool, complete: bool, names: list[str]
) -> None:
    registry = known()
    found = (registry.there(key), registry.listed(key), registry.complete(key), list(registry.names(key)))
    assert found == (there, listed, complete, names)


VALUES = ["    a    REG_SZ    x", "    b    REG_SZ    y", "    c    REG_SZ    z"]


@pytest.mark.parametrize(
    ("lines", "fit"),
    [
        ([f"{TOP}\\{'x' * 9}" + "\\x" * 126], True),
        ([f"{TOP}\\{'x' * 9}" + "\\x" * 127], False),
        ([*VALUES, TOP, *VALUES], True),  # what comes before a key is no value
        ([TOP, *VALUES, VALUES[0]], False),
        ([TOP, f"{TOP}\\a", f"{TOP}\\b"], True),
        ([TOP, f"{TOP}\\a", f"{TOP}\\b", TOP], False),
        ([TOP, f"    {'n' * LONGEST_NAME}    REG_SZ    {'d' * LONGEST_TEXT}"], True),
        ([TOP, f"    {'n' * LONGEST_NAME}n    REG_SZ    "], False),
        ([TOP, f"    n    REG_SZ    {'d' * LONGEST_TEXT}d"], False),
        ([TOP, f"    n    REG_SZ    {'d' * (LONGEST_TEXT - 2)}", "d"], True),
        ([TOP, f"    n    REG_SZ    {'d' * (LONGEST_TEXT - 1)}", "d"], False),
    ],
    ids=lambda value: value if isinstance(value, bool) else f"{len(value)} lines",
)
def test_a_registry_of_any_size_is_limited(lines: list[str], fit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 3)
    monkeypatch.setattr(module, "MOST_KEYS", 3)
    if fit:
        Registry().take("HKLM\\Software", lines, whole=True)
    else:
        with pytest.raises(Unusable, match="^(its registry has|a name or a text of its registry is)"):
            Registry().take("HKLM\\Software", lines, whole=True)


def test_the_limits_are_those_of_a_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 3)
    registry = Registry()
    registry.take("HKLM\\Software", [TOP, *VALUES], whole=True)
    with pytest.raises(Unusable, match="^its registry has more than 3 values or 100,000 keys$"):
        registry.take("HKLM\\Software", [TOP, *VALUES[:1]], whole=True)
