"""What a Windows host prints, read: languages, code pages, values that hold lines, and hosts that lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.windows import answer as module
from proscribe.controller.windows import registry as registry_module
from proscribe.controller.windows.answer import Task, read
from proscribe.controller.windows.command import UNINSTALL
from proscribe.controller.windows.registry import Registry
from proscribe.wire.replies.shapes import Unusable
from windows_answers import MARK, answered, installed, printed

KEY = f"HKLM\\{UNINSTALL}\\{{1}}"


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
