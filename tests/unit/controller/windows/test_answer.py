"""What a Windows host prints, read: languages, code pages, values that hold lines, and hosts that lie."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.windows import answer as module
from proscribe.controller.windows import registry as registry_module
from proscribe.controller.windows.answer import Task, read
from proscribe.controller.windows.command import (
    APP_PACKAGES,
    APPLOCKER,
    DEVICE_PACKAGES,
    LONGEST,
    STARTED,
    STARTED_LATELY,
    UNINSTALL,
    command,
    line,
    token,
)
from proscribe.controller.windows.registry import Registry
from proscribe.wire.replies.shapes import Unusable
from windows_answers import ALICE, BOB, MARK, answered, installed, printed

WINE = Path(__file__).parents[2] / "recorded/windows/wine_10.txt"
KEY = f"HKLM\\{UNINSTALL}\\{{1}}"


def test_the_answer_of_a_real_registry_is_read() -> None:
    """Recorded from Wine 10.0, over ssh; it has no console, so it printed in the code page of the system."""
    found = read(WINE.read_bytes(), MARK)
    assert (found.version, found.architecture, found.exact) == ("10.0.19043", "AMD64", False)
    assert "WeChat.exe" in [task.image for task in found.tasks or ()]
    values = found.registry.values(f"HKLM\\{UNINSTALL}\\WeChat")
    assert values["installlocation"].data == "C:\\Program Files (x86)\\Tencent\\WeChat"
    assert found.registry.there("HKLM\\Software\\Policies\\Google") is False
    assert list(found.registry.names("HKU")) == [".Default", "S-1-5-21-0-0-0-1000"]
    assert found.applier is None  # Wine's tasklist lists all for a service
    user = "HKU\\S-1-5-21-0-0-0-1000"
    assert list(found.registry.names(DEVICE_PACKAGES)) == list(found.registry.names(f"{user}\\{APP_PACKAGES}")) != []
    note = found.registry.values(f"{user}\\{STARTED}")["c:\\users\\alice\\downloads\\telegram.exe.friendlyappname"]
    assert note.data == "Telegram Desktop"
    lately = found.registry.values(f"{STARTED_LATELY}\\S-1-5-21-0-0-0-1000").values()
    assert {value.type for value in lately} == {"REG_BINARY", "REG_DWORD"}
    assert found.registry.values(f"{APPLOCKER}\\Exe")["enforcementmode"].data == 0


@pytest.mark.parametrize(
    ("named", "encoding"),
    [
        ({}, "utf-8"),
        ({"code_page": ["Aktive Codepage: 850.", "Aktive Codepage: 65001."], "memory": "12.345 K"}, "utf-8"),
        ({"code_page": ["Page de codes active\xa0: 850", "Page de codes active\xa0: 850"]}, "cp850"),
        ({"code_page": ["Текущая кодовая страница: 866"] * 2, "memory": "12\xa0345 КБ"}, "cp866"),
        ({"code_page": ["現在のコード ページ: 932"] * 2}, "cp932"),
        ({"code_page": ["活动代码页: 936"] * 2, "version": "Microsoft Windows [版本 10.0.22631.4317]"}, "gbk"),
        ({"not_found": "FEHLER: Der angegebene Registrierungsschlüssel wurde nicht gefunden."}, "cp437"),
        ({}, "utf-16-le"),
        ({}, "utf-16"),
    ],
)
def test_every_language_and_code_page_gives_the_same(named: dict[str, object], encoding: str) -> None:
    values = installed("{1}", DisplayName="Owl Chat", InstallLocation="C:\\Owl")
    found = answered(values, encoding=encoding, **named)
    assert found.version == "10.0.22631.4317" and found.architecture == "AMD64"
    assert found.tasks == [Task("System", 4), Task("explorer.exe", 4321)]
    assert found.registry.values(KEY)["displayname"].data == "Owl Chat"
    assert found.registry.there("HKLM\\Software\\Policies\\Google") is False


@pytest.mark.parametrize(
    ("name", "pages", "encoding", "read_as", "exact"),
    [
        ("微信", [65001], "utf-8", "微信", True),
        ("Owl", [437, 65001], "utf-8", "Owl", True),  # the last number is the one in which it printed
        ("Owl", [65001, 437], "utf-8", "Owl", False),
        ("微信", [936, 936], "gbk", "微信", False),
        ("微信", [437, 437], "cp437", "??", False),  # what the code page does not have, the host printed as "?"
        ("微信", [0, 0], "cp437", "??", False),
        ("微信", [99999], "gbk", "\N{REPLACEMENT CHARACTER}" * 4, False),
        ("Ünlü", [850], "cp850", "Ünlü", False),
        ("Ünlü", [28591], "latin-1", "Ünlü", False),
        ("Сова", [20866], "koi8-r", "Сова", False),
        ("微信", [54936], "gb18030", "微信", False),
        ("Ünlü", [20127], "ascii", "?nl?", False),
        ("Ünlü", [65001], "latin-1", "\N{REPLACEMENT CHARACTER}nl\N{REPLACEMENT CHARACTER}", False),
        ("微信", [437], "utf-16-le", "微信", True),
    ],
)
def test_names_in_other_scripts_come_through_or_it_is_known_that_they_do_not(
    name: str, pages: list[int], encoding: str, read_as: str, exact: bool
) -> None:
    found = answered(installed("{1}", DisplayName=name), encoding=encoding, code_page=[f"page: {n}" for n in pages])
    assert (found.registry.values(KEY)["displayname"].data, found.exact) == (read_as, exact)


def test_without_a_console_the_code_page_is_that_of_the_registry() -> None:
    oem = {"HKLM\\System\\CurrentControlSet\\Control\\Nls\\CodePage": [("OEMCP", "REG_SZ", "866")]}
    found = answered(
        {**oem, **installed("{1}", DisplayName="Сова")}, encoding="cp866", code_page=["Active code page: 0"]
    )
    assert found.registry.values(KEY)["displayname"].data == "Сова"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_value_holds_is_neither_a_key_nor_a_value(end: str) -> None:
    """A user can write any text into his own part of the registry: it stays a text of his."""
    lines = [
        "harmless",
        "HKEY_LOCAL_MACHINE\\Software\\Policies\\Google\\Chrome",
        f"{MARK[:-1]} done",
        "PROCESSOR_ARCHITECTURE=x86",
        "",
        f"HKEY_USERS\\{BOB}\\{UNINSTALL}\\{{2}}",
    ]
    found = answered(installed("{1}", f"HKU\\{ALICE}", DisplayName=end.join(lines)), users=(ALICE, BOB))
    registry = found.registry
    assert registry.there("HKLM\\Software\\Policies\\Google\\Chrome") is False
    assert list(registry.names(f"HKU\\{BOB}\\{UNINSTALL}")) == [] and found.architecture == "AMD64"
    data = str(registry.values(f"HKU\\{ALICE}\\{UNINSTALL}\\{{1}}")["displayname"].data)
    assert data.splitlines() == [text for text in lines if text]


def test_a_key_that_may_not_be_read_is_not_taken_for_one_that_is_not_there() -> None:
    values = {"HKLM\\Software\\Policies\\Google\\Chrome": [("HomepageLocation", "REG_SZ", "x")]}
    registry = answered(values, refused=["HKLM\\Software\\Policies\\Google"]).registry
    assert registry.there("HKLM\\Software\\Policies\\Google") is True
    assert not registry.complete("HKLM\\Software\\Policies\\Google\\Chrome")
    assert registry.complete("HKLM\\Software\\Policies\\Mozilla\\Firefox")  # its parent is without it
    nothing = answered(values, refused=["HKLM\\Software\\Policies"]).registry
    assert nothing.there("HKLM\\Software\\Policies\\Mozilla") is None
    assert not nothing.complete("HKLM\\Software\\Policies\\Mozilla\\Firefox")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'reg' is not recognized as an internal or external command",
        printed().replace(f"{MARK} end", ""),
        printed().replace(f"{MARK} begin", "MARK begin"),
        printed().replace(MARK, "proscribe-ffffffffffffffff"),
    ],
)
def test_what_is_no_whole_answer_says_nothing(text: str) -> None:
    with pytest.raises(Unusable, match="no whole answer"):
        read(text.encode(), MARK)


def test_programs_that_cannot_be_listed_are_not_none() -> None:
    assert answered(tasks=()).tasks is None
    assert answered(tasks=()).registry.there("HKLM\\Software\\Policies") is True


@pytest.mark.parametrize("end", [f"{MARK} failed\r\n", ""])
def test_a_list_of_programs_that_did_not_end_well_says_nothing(end: str) -> None:
    text = printed(applier=[("svchost.exe", 9)])
    assert (read(text.encode(), MARK).tasks or [])[-1] == Task("explorer.exe", 4321)
    assert read(text.encode(), MARK).applier is True
    found = read(text.replace(f"{MARK} done\r\n", end, 2).encode(), MARK)
    assert (found.tasks, found.applier) == (None, None)


def test_a_program_is_a_line_with_an_image_and_a_number() -> None:
    rows = [
        "a.exe,99999999999",
        "b.exe,100000000000",
        "c.exe",
        "d.exe,x",
        "e.exe,²",
        "",
        f"{'f' * 260},1,x",
        "g" * 261 + ",2",
    ]
    text = printed(tasks=()).replace(f"{MARK} tasks", "\r\n".join([f"{MARK} tasks", *rows]))
    assert read(text.encode(), MARK).tasks == [
        Task("a.exe", 99_999_999_999), Task("f" * 260, 1), Task(f"{'g' * 257}...", 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "architecture", "narrow"),
    [
        (["PROCESSOR_ARCHITECTURE=ARM64"], "ARM64", False),
        (["PROCESSOR_ARCHITECTURE=x86", "PROCESSOR_ARCHITEW6432=AMD64"], "AMD64", True),
        ([f"PROCESSOR_ARCHITECTURE={'x' * 41}"], f"{'x' * 37}...", False),
        (["PROCESSOR_ARCHITECTURE=a=b"], "a=b", False),
        ([], "", False),
    ],
)
def test_a_program_of_32_bits_says_that_its_host_has_64(lines: list[str], architecture: str, narrow: bool) -> None:
    found = answered(architecture=lines)
    assert (found.architecture, found.narrow) == (architecture, narrow)


def test_a_shell_may_print_the_command_before_the_answer() -> None:
    found = read(f"C:\\>for %m in ({MARK}) do @(echo %m begin)\r\n{printed(version='?')}".encode(), MARK)
    assert (found.version, len(found.tasks or ())) == ("", 2)


def test_an_answer_of_any_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TASKS", 100)
    assert len(answered(tasks=[("a.exe", number) for number in range(100)]).tasks or ()) == 100
    with pytest.raises(Unusable, match="^its list of programs cannot be read"):
        answered(tasks=[("x" * 200_000, 1)])
    with pytest.raises(Unusable, match="more than 100 programs"):
        answered(tasks=[("a.exe", number) for number in range(101)])
    with pytest.raises(Unusable, match="longer than the registry takes"):
        answered(installed("{1}", DisplayName="\n".join(["x" * 1000] * 1100)))
    with pytest.raises(Unusable, match="deeper than 128"):
        answered({**installed("{1}", DisplayName="x"), f"HKLM\\{UNINSTALL}" + "\\x" * 130: []})
    monkeypatch.setattr(registry_module, "MOST_VALUES", 50)
    with pytest.raises(Unusable, match="more than 50 values"):
        answered(installed("{1}", **{f"v{number}": "x" for number in range(60)}))
    monkeypatch.setattr(module, "MOST_LINES", 20)
    with pytest.raises(Unusable, match="^it has more than 20 lines$"):
        read("\n".join([f"{MARK} begin", *"x" * 19, f"{MARK} end", ""]).encode(), MARK)
    assert read("\n".join([f"{MARK} begin", *"x" * 18, f"{MARK} end", ""]).encode(), MARK).tasks is None


def test_what_is_too_much_is_unknown_where_a_user_wrote_it() -> None:
    key = f"HKU\\{ALICE}\\{UNINSTALL}"
    for much in (False, True):
        text = "\n".join(["x" * 1000] * (1100 if much else 1))
        registry = answered(installed("{1}", f"HKU\\{ALICE}", DisplayName=text)).registry
        assert registry.complete(key) is not much


def test_long_lines_of_a_hostile_host_are_read_in_linear_time() -> None:
    began = time.process_time()
    text = "    " * 100_000 + "REG_" * 50_000 + "    " * 100_000
    found = answered(installed("{1}", DisplayName="x", Other=text[:900_000]))
    assert found.registry.values(KEY)["displayname"].data == "x"
    assert time.process_time() - began < 5


def test_a_value_of_very_many_lines_is_read_in_linear_time() -> None:
    began = time.process_time()
    found = answered(installed("{1}", DisplayName="x\n" * 300_000))
    assert len(str(found.registry.values(KEY)["displayname"].data)) == 600_000 - 1
    assert time.process_time() - began < 5


@given(st.binary(max_size=3000), st.integers(0, 10_000))
def test_no_bytes_of_a_host_do_anything_but_be_read_or_refused(noise: bytes, place: int) -> None:
    whole = printed(installed("{1}", DisplayName="x")).encode()
    place %= len(whole)
    for answer in (noise, whole[:place] + noise + whole[place:]):
        try:
            found = read(answer, MARK)
        except Unusable:
            continue
        assert all(isinstance(task.pid, int) for task in found.tasks or ())
        assert all(name.isprintable() for name in [task.image for task in found.tasks or ()])


_TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=40)
_NAME = st.text("abcdefghijklmnop -{}().", min_size=1, max_size=20).filter(lambda text: "    " not in text)


@given(st.dictionaries(_NAME, _TEXT.filter(lambda text: not text.startswith(MARK)), max_size=8))
def test_values_are_read_back_as_they_are(values: dict[str, str]) -> None:
    registry = Registry()
    lines = ["", "HKEY_LOCAL_MACHINE\\A", *(f"    {name}    REG_SZ    {data}" for name, data in values.items())]
    registry.take("HKLM\\A", lines, whole=True)
    found = registry.values("hklm\\a")
    for name, data in values.items():
        assert found[name.casefold()].data in (data, *(other for key, other in values.items() if key != name))


@pytest.mark.parametrize(
    ("shell", "transport", "begin"),
    [
        ("cmd", "ssh", "for %m in (proscribe-"),
        ("powershell", "ssh", "powershell -No"),
        ("powershell", "winrm", "try{"),
        ("powershell", "psrp", "try{"),
    ],
)
def test_a_command_is_one_line_that_the_connection_takes(shell: str, transport: str, begin: str) -> None:
    made = command(line(token()), shell, transport)
    assert made.startswith(begin) and "\n" not in made and len(made) < LONGEST
    assert "'reg query HKU'" in made or "''reg query HKU''" in made or "EncodedCommand" in made


def test_no_two_answers_begin_their_parts_alike() -> None:
    assert len({token() for _ in range(100)}) == 100
