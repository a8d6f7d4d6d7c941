"""Names in UTF-16: the second command for a Windows host, and what its answer replaces."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import processor
from proscribe.controller.windows import command_line as keys
from proscribe.controller.windows.exported_keys import make_export_command, parse_registry_file, read_exported_keys
from proscribe.controller.windows.installed_programs import find_lossy_keys, find_software
from proscribe.wire.answers.value_readers import UnusableAnswer
from windows_answers import ALICE, MARK, answered, installed, started, whole

UNINSTALL = f"HKLM\\{keys.UNINSTALL_KEY}"
NOTES = f"HKU\\{ALICE}\\{keys.STARTED_KEY}"
HEAD = "Windows Registry Editor Version 5.00\r\n\r\n"
# As Wine 10 and the published format write it, with a forged key within a text.
FORGED = "x\\r\n[HKEY_LOCAL_MACHINE\\\\Software\\\\Policies]"
TIM = (
    f'{HEAD}[{whole(UNINSTALL)}]\r\n\r\n[{whole(UNINSTALL)}\\TIM]\r\n"DisplayName"="腾讯TIM"\r\n"Publisher"="腾讯科技"\r\n'
    '"DisplayIcon"=hex(2):44,00,3a,00,5c,\\\r\n  00,54,00,00,00\r\n@="a \\"b\\" \\\\ c"\r\n"Size"=dword:0000000a\r\n'
    f'"Text"="{FORGED}"\r\n"Data"=hex:01,0f\r\n"More"=hex(7):41,00,00,00,42,00,00,00,00,00\r\n\r\n'
)


def answer_for(key, content, encode="type", mark=MARK, result="done"):
    """Return what a host prints of a key: cmd the file, PowerShell its bytes in base64."""
    content = content if isinstance(content, bytes) else ("\ufeff" + content).encode("utf-16-le")
    body = content if encode == "type" else base64.encodebytes(content)
    shown = keys.quote_key(key) if encode == "type" else key
    return f"{mark} begin\r\n{mark} export {shown}\r\n".encode() + body + f"{mark} {result}\r\n{mark} end\r\n".encode()


def lossy_host():
    return answered(installed("{1}", DisplayName="\u817e\u8bafTIM"), code_page=["437"], encoding="ascii")


@pytest.mark.parametrize("encode", ["type", "base64"])
def test_names_of_an_export_replace_those_that_lost_letters(encode):
    host = lossy_host()
    assert find_lossy_keys(host) == [UNINSTALL]
    read_exported_keys(host.registry, [UNINSTALL], answer_for(UNINSTALL, TIM, encode), MARK)
    software = find_software(host)
    [program] = software.programs
    assert (program.key, program.name, program.publisher, program.icon) == ("TIM", "腾讯TIM", "腾讯科技", "D:\\T")
    assert software.lossy_keys == [] and find_lossy_keys(host) == []
    assert host.registry.is_complete(UNINSTALL)
    assert host.registry.is_present("HKLM\\Software\\Policies\\x") is False


def test_values_of_an_export_have_the_types_of_the_registry():
    _, key = parse_registry_file(TIM)
    assert [(value.name, value.type, value.data) for value in key.values] == [
        ("DisplayName", "REG_SZ", "腾讯TIM"),
        ("Publisher", "REG_SZ", "腾讯科技"),
        ("DisplayIcon", "REG_EXPAND_SZ", "D:\\T"),
        ("", "REG_SZ", 'a "b" \\ c'),
        ("Size", "REG_DWORD", 10),
        ("Text", "REG_SZ", "xr\n[HKEY_LOCAL_MACHINE\\Software\\Policies]"),
        ("Data", "REG_BINARY", "010F"),
        ("More", "REG_MULTI_SZ", "A\\0B"),
    ]


@pytest.mark.parametrize(
    "output",
    [
        b"",
        answer_for(UNINSTALL, TIM, result="failed"),
        answer_for(UNINSTALL, TIM, mark="proscribe-ffffffffffffffff"),
        answer_for(UNINSTALL, TIM)[:-40],
        answer_for(NOTES, TIM),
        answer_for(UNINSTALL, b"\xff\x00\xfe\x00W\x00"),  # as Wine's `type` prints such a file
        answer_for(UNINSTALL, b"not base64"),
        answer_for(UNINSTALL, TIM.replace("Version 5", "Version 6")),
        answer_for(UNINSTALL, TIM.replace('"Size"=', '"Size":')),
        answer_for(UNINSTALL, TIM.replace("\\Uninstall\\TIM]", "\\Run\\TIM]")),
        answer_for(UNINSTALL, TIM.replace("\\TIM]", "\\x" * 130 + "]")),
        answer_for(UNINSTALL, TIM.replace("\u817e", "\u817e" * 1_100_000)),
    ],
)
def test_unusable_export_leaves_the_key_as_it_was(output):
    host = lossy_host()
    read_exported_keys(host.registry, [UNINSTALL], output, MARK)
    assert [program.name for program in find_software(host).programs] == ["??TIM"]
    assert find_software(host).lossy_keys == [UNINSTALL]


@given(st.text(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_no_text_of_a_host_does_anything_but_be_read_or_refused(noise, place, cut):
    text = TIM[:place] + noise + TIM[place + cut :]
    try:
        read_keys = list(parse_registry_file(text))
    except UnusableAnswer:
        return
    assert all(isinstance(value.data, (str, int)) for key in read_keys for value in key.values)


def test_long_export_of_a_hostile_host_is_read_in_linear_time():
    began = processor()
    values = ['"a"="', "\\\\" * 500_000, '"\r\n"b"=hex:', "00," * 500_000, '00\r\n"c"="', '\\"' * 400_000]
    text = f"{HEAD}[{whole(UNINSTALL)}]\r\n{''.join(values)}"
    with pytest.raises(UnusableAnswer):
        list(parse_registry_file(text))
    assert processor() - began < 5


def test_notes_of_started_programs_are_read_again_too():
    values = started("C:\\x\\y.exe", "\u5fae\u4fe1", "\u817e\u8baf")
    assert find_lossy_keys(answered(values, encoding="ascii")) == [NOTES]
    assert find_lossy_keys(answered(values)) == []


def test_export_command_has_the_keys_in_both_shells():
    line = make_export_command([UNINSTALL, NOTES], MARK, "cmd", "ssh")
    assert line.count(f'in ({UNINSTALL} "{NOTES}")') == 1 and line.count('reg export %k "%p\\%m.reg" /y') == 1
    assert len(line) < 900
    script = make_export_command([UNINSTALL], MARK, "powershell", "psrp")
    assert f"@('{UNINSTALL}')" in script and "ReadAllBytes($f)" in script
    with pytest.raises(ValueError, match="other characters"):
        make_export_command([UNINSTALL + '" & del'], MARK, "cmd", "ssh")
