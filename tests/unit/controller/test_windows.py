"""Command, answer, registry, programs, accounts and browsers of a Windows host."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import processor
from proscribe.controller.windows import answer_reader as answer_module
from proscribe.controller.windows import browsers
from proscribe.controller.windows import command_line as keys
from proscribe.controller.windows import registry as registry_module
from proscribe.controller.windows.accounts import explain_absent_users, list_logged_in_users
from proscribe.controller.windows.answer_reader import WindowsTask, parse_answer
from proscribe.controller.windows.browsers import find_browsers, read_policy_table
from proscribe.controller.windows.installed_programs import InstalledProgram, find_software
from proscribe.controller.windows.registry import RegistryValue, WindowsRegistry
from proscribe.controller.windows.store_packages import AppPackage
from proscribe.controller.windows.windows_catalogue import WindowsCatalogue, find_program_folder, iterate_names
from proscribe.model.finding import Finding
from proscribe.wire.answers.value_readers import UnusableAnswer
from recording import compare, fold
from windows_answers import ALICE, BOB, MARK, answered, app_path, device_package, installed, printed, started_lately

USER = f"HKU\\{ALICE}"
VALUES = {
    "DisplayName": "Owl", "Publisher": "Owls", "DisplayVersion": "1.2", "InstallLocation": "C:\\Owl",
    "DisplayIcon": "C:\\Owl\\owl.exe,0", "UninstallString": "C:\\Owl\\u.exe", "Other": "x",
}  # fmt: skip
NOTES = [
    ("LangID", "REG_BINARY", "0904"),
    ("C:\\A\\Owl.exe.FriendlyAppName", "REG_SZ", "Owl"),
    ("c:\\a\\owl.EXE.ApplicationCompany", "REG_SZ", "Owls"),
    ("C:\\A\\owl.txt.FriendlyAppName", "REG_SZ", "no program"),
    ("\\Device\\HarddiskVolume3\\B\\b.exe", "REG_SZ", "older Windows notes the path alone"),
]
NARROW = "a program of 32 bits answered there, which does not see those of 64"
ENTRA = "S-1-12-1-1111111111-2222222222-333-4444444444"
NOBODY_KNOWS = ["which users the host has cannot be read there"]
NAMES = ["Parrot by Parrots", "Beak by the Owls by Co", "Macaw Messenger by Parrots"]
APPS = {"appx": ["Owls.Owl_abc", "Owls.Other"]}
OWL = {"name": "Owl", "windows_packages": APPS, "windows_registered": {"names": ["Owl by Parrots"]}}
KEY = f"HKLM\\{keys.UNINSTALL_KEY}\\{{1}}"
_TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=40)
_NAME = st.text("abcdefghijklmnop -{}().", min_size=1, max_size=20).filter(lambda text: "    " not in text)
SCRIPT = "try{[Console]::OutputEncoding=[Text.Encoding]::UTF8}catch{};cmd /c 'echo ''x'' y'"
CHROMIUM = "C:\\Users\\a\\Chromium\\Application\\chrome.exe"
CHROME_KEY = f"{keys.POLICIES_KEY}\\Google\\Chrome"
TOP = "HKEY_LOCAL_MACHINE\\Software"
THREE_VALUES = ["    a    REG_SZ    x", "    b    REG_SZ    y", "    c    REG_SZ    z"]


def test_installed_and_started_programs_are_read_whole():
    values = {
        **installed("{1}", **VALUES),
        **installed("{2}", USER, DisplayName="Mine"),
        f"HKLM\\{keys.UNINSTALL_KEY_32_BIT}\\{{3}}": [("DisplayVersion", "REG_DWORD", "0x3")],
        **app_path("a.exe", path='"C:\\A\\a.EXE" '),
        **app_path("b.exe", USER, path="C:\\B"),
        f"HKLM\\{keys.APP_PATHS_KEY}\\c.exe": [],
        f"{USER}\\{keys.STARTED_KEY}": NOTES,
        **started_lately("\\Device\\HarddiskVolume12\\A\\owl.exe"),
        **started_lately("D:\\x\\y.exe", BOB),
        **started_lately("D:\\system.exe", "S-1-5-18"),
    }
    seen = find_software(answered(values))
    lists = {"programs": seen.programs, "paths": seen.path_programs, "started": seen.started_programs}
    lines = [f"{kind}: {program}" for kind, programs in lists.items() for program in programs]
    compare(RECORDED / "found_programs.txt", fold("\n".join(lines)))
    assert (seen.packages.apps, seen.unseen_reasons) == ([], [])


def test_store_apps_that_ran_are_in_the_list_of_the_device():
    paths = ["C:\\Program Files\\WindowsApps\\x\\y.exe", "Owls.Owl_abc", "C:\\Program Files\\y.exe"]
    notes = {f"{keys.STARTED_LATELY_KEY}\\{ALICE}": [(path, "REG_BINARY", "00") for path in paths]}
    assert [one.program for one in find_software(answered(notes)).started_programs] == paths
    assert [
        one.program for one in find_software(answered(notes | device_package("a_1_x_y_z"))).started_programs
    ] == paths[2:]


@pytest.mark.parametrize(
    ("named", "unseen"),
    [
        ({"architecture": ["PROCESSOR_ARCHITEW6432=AMD64"]}, [NARROW]),
        ({"refused": [f"{USER}\\{keys.UNINSTALL_KEY}"]}, []),  # its parent does not have it
        (
            {"refused": ["HKLM\\Software\\Microsoft\\Windows\\CurrentVersion", f"HKLM\\{keys.UNINSTALL_KEY}"]},
            [
                "the uninstall keys of the machine cannot be read there",
                "the paths of programs (App Paths) of the machine cannot be read there",
            ],
        ),
        (
            {"refused": [f"{USER}\\{keys.STARTED_KEY}"]},
            ["what a user who is logged in has started cannot be read there"],
        ),
        ({"refused": [f"{USER}\\{keys.STARTED_KEY}", f"{USER}\\{keys.SHELL_KEY}"]}, []),  # who never had a desktop
        ({"profiles": (ALICE, BOB)}, ["what a user who is not logged in installed for themselves cannot be read"]),
    ],
)
def test_why_there_may_be_more_is_said(named, unseen):
    assert find_software(answered(**named)).unseen_reasons == unseen


def test_a_finding_names_a_program_by_what_is_known_of_it():
    one = InstalledProgram("{1}", "Owl\n", version="1.2", location="C:\\Owl", program="C:\\x")
    assert one.make_finding("why") == Finding("package", "Owl\\x0a", "windows", "1.2", "system", "C:\\Owl", "why")
    key = InstalledProgram("{1}", account=ALICE, program="C:\\x").make_finding("", "file")
    assert key == Finding("file", "{1}", "windows", "", f"user:{ALICE}", "C:\\x", "")


@pytest.mark.parametrize(
    ("host", "here", "said"),
    [
        ({"users": (ALICE, ENTRA), "profiles": (ALICE.lower(), ENTRA)}, [ENTRA, ALICE], []),
        ({"profiles": (ALICE, BOB)}, [ALICE], ["what a user who is not logged in did cannot be read"]),
        ({"users": (), "profiles": (ALICE, BOB)}, [], ["what 2 users who are not logged in did cannot be read"]),
        ({"refused": [keys.PROFILES_KEY]}, [ALICE], NOBODY_KNOWS),
        ({"refused": [keys.USERS_HIVE]}, [], NOBODY_KNOWS),
    ],
)
def test_users_who_are_not_logged_in_are_unknown(host, here, said):
    answer = answered(**host)
    assert (sorted(list_logged_in_users(answer)), explain_absent_users(answer, "did")) == (sorted(here), said)


PARROT = {
    "name": "Parrot Chat",
    "names": ["Parrot Talk", "鹦鹉"],
    "windows": ["Parrots/Chat/Parrot.exe"],
    "windows_processes": ["Parrot.exe", "Parrot Helper.exe"],
    "windows_packages": {"winget": ["Parrots.Chat"]},
    "windows_registered": {"keys": ["Parrot_is1"], "names": NAMES},
}


CHAT = {  # a service whose program is called as programs of others are
    "name": "Chat",
    "windows": ["Chatters/Chat.exe"],
    "windows_shared_processes": ["Chat.exe"],
    "windows_registered": {"keys": ["QQ"], "names": ["Chat by Chatters Inc"]},
    "windows_publishers": {"programs": ["O=CHATTERS OF PERTH PTY, L=PERTH, C=AU\\CHAT"]},
}
CATALOGUED = WindowsCatalogue({"parrot": PARROT, "owl": OWL, "chat": CHAT})


NAMED, IMAGED, SURE = (
    {"parrot": (why, "")} for why in ("known by its names alone", "known by its image's name alone", "")
)
PUBLISHED = {"chat": ("known by its image's name and publisher", "")}
SHARED = "whether a program whose name programs of others have, too, is this service is not known"
DOUBTFUL = {"chat": ("known by its image's name alone", SHARED)}
UNSIGNED = (
    "known by its names alone",
    "whether a program of the same name without a publisher is this service is not known",
)
LAN_CHAT = "C:\\Program Files\\LAN Chat\\Chat.exe"


@pytest.mark.parametrize(
    ("one", "found"),
    [
        ({"icon": "C:\\Parrots\\Chat\\parrot.EXE,0"}, SURE),
        ({"uninstall": '"C:\\Program Files\\Parrots\\Chat\\Parrot.exe" /S'}, SURE),
        ({"program": "\\Device\\HarddiskVolume3\\Parrots\\Chat\\Parrot.exe"}, SURE),
        ({"location": '"D:\\Parrots\\Chat\\"'}, SURE),
        ({"key": "PARROT_IS1", "uninstall": "x"}, SURE),
        ({"key": "PARROT_IS1"}, {}),  # an uninstaller left it behind
        ({"key": "QQ", "version": "9"}, {"chat": ("", "")}),
        ({"key": "Parrots.Chat_Microsoft.Winget.Source_8wekyb3d8bbwe"}, SURE),
        ({"program": "owls.owl_abc!App"}, {"owl": ("", "")}),
        ({"icon": "C:\\OtherParrots\\Chat\\Parrot.exe"}, IMAGED),
        ({"uninstall": '"D:\\x\\Parrot.exe" -u', "name": "x", "publisher": "x"}, IMAGED),
        ({"location": "D:\\Parrots"}, {}),
        ({"location": "D:\\OtherParrots\\Chat"}, {}),
        ({"key": "Parrots.Chat"}, {}),  # of winget it has an underscore
        ({"program": "C:\\Owls.Other"}, {}),
        ({"name": "\u9e66\u9e49 3.1 (x64) en-US"}, NAMED),
        ({"name": "Parrot Talk"}, {}),  # which anybody may call a program
        ({"name": "P_A_R_R_O_T v2.0", "publisher": "parrots"}, NAMED),
        ({"name": "Parrot", "publisher": "Par Rots, Ltd"}, NAMED),
        ({"name": "Beak", "publisher": "Co"}, {}),
        ({"name": "Beak by the Owls", "publisher": "Co"}, NAMED),
        ({"name": "Owl", "publisher": "Parrots"}, {"owl": ("known by its names alone", "")}),
        ({"name": "Parrot", "publisher": "2010-2026 Parrots S.a.r.l"}, NAMED),
        ({"name": "Parrot", "publisher": "(c) 2026 Parrots"}, NAMED),
        ({"name": "Parrot"}, {"parrot": UNSIGNED}),
        ({"name": "Parrot", "publisher": "Parrots Wireless"}, {}),
        ({"name": f"Parrot{' ' * 194}s", "publisher": f"Parrots{' ' * 193}s"}, NAMED),
        ({"program": "C:\\Downloads\\parrot.exe"}, IMAGED),
        ({"program": "parrot helper.exe"}, IMAGED),
        ({"program": "C:\\parrot.exe", "name": "\u9e66\u9e49"}, NAMED),
        ({"program": "C:\\parrot.exe", "name": "\u9e66\u9e49", "key": "Parrot_is1"}, SURE),
        ({"program": "C:\\Program Files\\Chatters\\Chat.exe"}, {"chat": ("", "")}),
        ({"program": "D:\\Chatters\\Chat.exe", "publisher": "Others"}, {"chat": ("", SHARED)}),
        ({"program": LAN_CHAT}, {}),
        ({"icon": LAN_CHAT, "name": "LAN Chat", "publisher": "Others"}, {}),
        ({"icon": "D:\\x\\Chat.exe", "name": "LAN Chat"}, {}),
        ({"icon": "D:\\x\\Chat.exe", "name": "x", "publisher": "Chatters Of Perth Pty"}, PUBLISHED),
        ({"program": "D:\\x\\Chat.exe", "publisher": "Others"}, {}),
        ({"program": "D:\\x\\Chat.exe", "publisher": "Chatters, LLC"}, PUBLISHED),
        ({"program": "D:\\x\\Chat.exe", "name": "Chatty 3"}, DOUBTFUL),
        ({"program": "\\Device\\HarddiskVolume2\\x\\chat.exe"}, DOUBTFUL),
        ({"program": "C:\\Program Files\\WindowsApps\\x_1_x64__y\\Chat.exe"}, DOUBTFUL),
        ({"program": "chat.exe"}, DOUBTFUL),
    ],
)
def test_program_is_known_by_path_key_package_or_names(one, found):
    assert CATALOGUED.find_services(InstalledProgram(one.pop("key", "{1}"), **one)) == found


@pytest.mark.parametrize(
    ("name", "own", "called"),
    [
        ("OWLS.OTHER", ["owl"], []),
        *((f"Somebody.{name}", [], ["parrot"]) for name in ("ParrotChat", "ParrotDesktopApp", "beak-by-the-owls")),
        *(("parrot_helper", [], ["parrot"]), ("Somebody.MacawMessenger", [], ["parrot"]), ("Somebody.Macaw", [], [])),
        *(("Parrot.Somebody", [], []), (f"Parrot{'-' * 194}s", [], ["parrot"]), (f"Parrot{'-' * 193}s", [], [])),
    ],
)
def test_app_package_is_a_service_or_only_called_as_one(name, own, called):
    app = AppPackage(name, f"{name}_abc", "1.0")
    assert (list(CATALOGUED.list_services_of_app(app)), list(CATALOGUED.list_services_named_as(app))) == (own, called)


def test_name_is_compared_without_a_few_things_behind_it():
    names = [
        "Parrot 1.2 64-bit (machine) user de-de",
        "Parrot 1.2 64-bit (machine) user",
        "Parrot 1.2 64-bit (machine)",
    ]
    assert list(iterate_names(InstalledProgram("{1}", f" {names[0]} "))) == [*names, "Parrot 1.2 64-bit"]


@pytest.mark.parametrize(
    ("location", "icon", "folder"),
    [
        ('"C:\\Parrots\\"', "", "\\parrots\\"),
        ("\\Device\\HarddiskVolume12\\Parrots", "C:\\x\\y.exe", "\\parrots\\"),
        ("", '"D:\\Parrots\\Parrot.EXE",0', "\\parrots\\"),
        *(("", "D:\\Parrots\\parrot.ico", ""), ("", "parrot.exe", ""), ("D:\\", "", "")),
    ],
)
def test_folder_of_a_program_is_that_of_its_key_or_icon(location, icon, folder):
    assert find_program_folder(InstalledProgram("{1}", location=location, icon=icon)) == folder


def test_company_form_of_publisher_makes_no_difference():
    kinds = "AB, AG, BV, Co, Corp, Corporation, GmbH, Inc, Limited, LLC, Ltd, Pte, SA, Srl, UG"
    for kind in kinds.split(", "):
        for publisher in (f"Parrots {kind}", f"Parrots, {kind}.", f"Parrots {kind} Co., Ltd."):
            assert CATALOGUED.find_services(InstalledProgram("{1}", name="Parrot", publisher=publisher)) == {
                "parrot": ("known by its names alone", "")
            }


@pytest.mark.parametrize(
    ("named", "encoding"),
    [
        ({"code_page": ["Aktive Codepage: 850.", "Aktive Codepage: 65001."], "memory": "12.345 K"}, "utf-8"),
        ({"code_page": ["Текущая кодовая страница: 866"] * 2, "memory": "12\xa0345 КБ"}, "cp866"),
        ({"code_page": ["活动代码页: 936"] * 2, "version": "Microsoft Windows [版本 10.0.22631.4317]"}, "gbk"),
        ({"code_page": ["\u6d3b\u52a8\u4ee3\u7801\u9875: 54936"] * 2, "memory": "\U00020000"}, "gb18030"),
        (
            {
                "code_page": [
                    "\u041a\u043e\u0434\u043e\u0432\u0430\u044f \u0441\u0442\u0440\u0430\u043d\u0438\u0446\u0430: 20866"
                ]
                * 2
            },
            "koi8-r",
        ),
        ({"code_page": ["Page de codes active\u00a0: 28591"] * 2}, "latin-1"),
        ({"not_found": "FEHLER: Der angegebene Registrierungsschlüssel wurde nicht gefunden."}, "cp437"),
        ({}, "utf-16-le"),
    ],
)
def test_every_language_and_code_page_gives_the_same(named, encoding):
    values = installed("{1}", DisplayName="Owl Chat", InstallLocation="C:\\Owl")
    found = answered(values, encoding=encoding, **named)
    assert found.version == "10.0.22631.4317" and found.architecture == "AMD64"
    assert found.tasks == [WindowsTask("System", 4), WindowsTask("explorer.exe", 4321)]
    assert found.registry.read_values(KEY)["displayname"].data == "Owl Chat"
    assert found.registry.is_present("HKLM\\Software\\Policies\\Google") is False


def test_an_answer_of_any_size_is_limited(monkeypatch):
    monkeypatch.setattr(answer_module, "MAX_TASKS", 100)
    assert len(answered(tasks=[("a.exe", number) for number in range(100)]).tasks or ()) == 100
    with pytest.raises(UnusableAnswer, match="^its list of programs cannot be read"):
        answered(tasks=[("x" * 200_000, 1)])
    with pytest.raises(UnusableAnswer, match="more than 100 programs"):
        answered(tasks=[("a.exe", number) for number in range(101)])
    with pytest.raises(UnusableAnswer, match="longer than the registry takes"):
        answered(installed("{1}", DisplayName="\n".join(["x" * 1000] * 1100)))
    with pytest.raises(UnusableAnswer, match="deeper than 128"):
        answered({**installed("{1}", DisplayName="x"), f"HKLM\\{keys.UNINSTALL_KEY}" + "\\x" * 130: []})
    monkeypatch.setattr(registry_module, "MAX_VALUES", 50)
    with pytest.raises(UnusableAnswer, match="more than 50 values"):
        answered(installed("{1}", **{f"v{number}": "x" for number in range(60)}))
    monkeypatch.setattr(answer_module, "MAX_LINES", 20)
    with pytest.raises(UnusableAnswer, match="^it has more than 20 lines$"):
        parse_answer("\n".join([f"{MARK} begin", *"x" * 19, f"{MARK} end", ""]).encode(), MARK)
    assert parse_answer("\n".join([f"{MARK} begin", *"x" * 18, f"{MARK} end", ""]).encode(), MARK).tasks is None


def test_long_lines_of_a_hostile_host_are_read_in_linear_time():
    began = processor()
    text = "    " * 100_000 + "REG_" * 50_000 + "    " * 100_000
    assert answered(installed("{1}", DisplayName="x", Other=text[:900_000])).registry.read_values(KEY)["displayname"]
    assert processor() - began < 5


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_in_a_value_is_neither_a_key_nor_a_value(end):
    """A user can write any text into their own part of the registry."""
    forged = ["harmless", "HKEY_LOCAL_MACHINE\\Software\\Policies\\Google\\Chrome", f"{MARK[:-1]} done"]
    forged += ["PROCESSOR_ARCHITECTURE=x86", f"HKEY_USERS\\{BOB}\\{keys.UNINSTALL_KEY}\\{{2}}"]
    found = answered(installed("{1}", USER, DisplayName=end.join(forged)), users=(ALICE, BOB))
    assert found.registry.is_present("HKLM\\Software\\Policies\\Google\\Chrome") is False
    assert (
        list(found.registry.list_key_names(f"HKU\\{BOB}\\{keys.UNINSTALL_KEY}")) == [] and found.architecture == "AMD64"
    )
    data = found.registry.read_values(f"{USER}\\{keys.UNINSTALL_KEY}\\{{1}}")["displayname"].data
    assert str(data).splitlines() == forged


@pytest.mark.parametrize(("lines", "complete"), [(1, True), (1100, False)])
def test_too_long_text_of_a_user_makes_its_key_incomplete(lines, complete):
    text = "\n".join(["x" * 1000] * lines)
    registry = answered(installed("{1}", USER, DisplayName=text)).registry
    assert registry.is_complete(f"{USER}\\{keys.UNINSTALL_KEY}") is complete


@given(st.binary(max_size=3000), st.integers(0, 10_000))
def test_no_bytes_of_a_host_do_anything_but_be_read_or_refused(noise, place):
    whole = printed(installed("{1}", DisplayName="x")).encode()
    place %= len(whole)
    for answer in (noise, whole[:place] + noise + whole[place:]):
        try:
            found = parse_answer(answer, MARK)
        except UnusableAnswer:
            continue
        assert all(isinstance(task.pid, int) for task in found.tasks or ())
        assert all(name.isprintable() for name in [task.image for task in found.tasks or ()])


@given(st.dictionaries(_NAME, _TEXT.filter(lambda text: not text.startswith(MARK)), max_size=8))
def test_values_are_read_back_as_they_are(values):
    registry = WindowsRegistry()
    lines = ["", "HKEY_LOCAL_MACHINE\\A", *(f"    {name}    REG_SZ    {data}" for name, data in values.items())]
    registry.read_query("HKLM\\A", lines, is_whole=True)
    found = registry.read_values("hklm\\a")
    for name, data in values.items():
        assert found[name.casefold()].data in (data, *(other for key, other in values.items() if key != name))


RECORDED = Path(__file__).parents[1] / "recorded/windows"


def test_the_line_is_short_enough_for_every_way_to_a_host():
    # Measured: 2,347 characters, and 6,502 as PowerShell is given them; cmd takes 8,191.
    made = keys.make_command_line(keys.make_token())
    assert len(made) < 2500
    assert all(len(keys.wrap_command(made, shell, "ssh")) < 7000 for shell in ("cmd", "powershell"))


def test_line_for_a_host_is_as_recorded():
    compare(RECORDED / "line.txt", fold(keys.make_command_line("proscribe-0123456789abcdef").replace("& ", "&\n"), 120))


@pytest.mark.parametrize(
    ("shell", "transport", "made"), [("cmd", "ssh", "echo 'x' y"), ("powershell", "winrm", SCRIPT)]
)
def test_command_fits_shell_and_connection(shell, transport, made):
    assert keys.wrap_command("echo 'x' y", shell, transport) == made


def test_powershell_over_ssh_gets_no_character_that_a_shell_takes_for_its_own():
    *words, packed = keys.wrap_command("echo 'x' y", "powershell", "ssh").split(" ")
    assert words == ["powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand"]
    assert base64.b64decode(packed).decode("utf-16-le") == SCRIPT


def known_browsers(values, **named):
    answer = answered(values, **named)
    browsers = find_browsers(answer, find_software(answer))
    return [one.id for one in browsers.known_browsers], list(browsers.other_browsers)


def test_a_browser_that_runs_is_known_by_its_image():
    tasks = [(image, 4) for image in ("BRAVE.EXE", "CHROME.EXE", "FIREFOX.EXE", "MSEDGE.EXE", "THUNDERBIRD.EXE")]
    ids = ["brave", "firefox", "google_chrome", "microsoft_edge", "thunderbird"]
    assert sorted(known_browsers({}, tasks=tasks)[0]) == ids


def test_browsers_of_the_store_are_known_by_their_app_package():
    values = device_package("Mozilla.Firefox_144.0.0.0_x64__n80bbvh6b1yt2")
    for name in (
        "DuckDuckGo.DesktopBrowser_0.150.1.0_x64__ya2fgkz3nks94",
        "TheBrowserCompany.Arc_1.0.0.0_x64__ttt1ap7aakyb4",
    ):
        values |= device_package(name)
    assert known_browsers(values) == (["firefox"], ["DuckDuckGo", "Arc"])
    other_publisher = device_package("Mozilla.Firefox_144.0.0.0_x64__8wekyb3d8bbwe")
    assert known_browsers(other_publisher) == ([], [])


def test_other_browsers_are_known_by_image_and_name():
    listed = (RECORDED / "other_browsers.txt").read_text().splitlines()
    images, names = ([one for one in listed if one.endswith(".exe") is is_image] for is_image in (True, False))
    assert known_browsers({}, tasks=[(image, 4) for image in images]) == ([], images)
    values = {f"HKLM\\{keys.UNINSTALL_KEY}\\{name}": [("DisplayName", "REG_SZ", f"{name} 1.0")] for name in names}
    assert sorted(known_browsers(values)[1]) == sorted(f"{name} 1.0" for name in names)


def registered(name, *values):
    key = f"HKLM\\Software\\Clients\\StartMenuInternet\\{name}"
    return {f"{key}\\shell\\open\\command": list(values)} if values else {key: []}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (registered("Owl", ("(Standard)", "REG_SZ", '"C:\\x y\\firefox.exe" -url "%1"')), (["firefox"], [])),
        (registered("Owl", ("a", "REG_BINARY", "brave.exe"), ("b", "REG_SZ", "C:\\firefox.exe")), (["firefox"], [])),
        (registered("Owl", ("(Standard)", "REG_SZ", CHROMIUM)), (["chromium"], [])),
        (registered("Owl", ("(Standard)", "REG_SZ", "C:\\owl.exe")), ([], ["Owl"])),
        (registered("FIREFOX.EXE"), (["firefox"], [])),
        (registered("IEXPLORE.EXE"), ([], [])),
        (registered("Opera", ("(Standard)", "REG_SZ", "C:\\opera.exe")) | app_path("opera.exe"), ([], ["Opera"])),
        (installed("{1}", UninstallString='"C:\\Brave\\brave.exe" /u'), (["brave"], [])),
        (installed("{1}", DisplayIcon="C:\\x\\msedge.exe,0"), (["microsoft_edge"], [])),
        (app_path("chrome.exe", path='"C:\\x\\chrome.exe"'), (["google_chrome"], [])),
        (registered("x" * 201), ([], ["x" * 200])),
    ],
)
def test_a_browser_is_known_by_what_starts_it(values, expected):
    assert known_browsers(values) == expected


def test_policies_are_read_as_json_has_them_and_spelled_as_the_plan_spells_them():
    key, deep = f"{keys.POLICIES_KEY}\\Google\\Chrome", "[" * 100_000
    texts = {"HOMEPAGE": "x", "Object": '{"a": [1]}', "List": '["a"]', "Broken": "{a", "Deep": deep, "Text": '"a"'}
    values = [(name, "REG_SZ", text) for name, text in texts.items()]
    values += [("Lines", "REG_MULTI_SZ", '["a",\\0"b"]'), ("Number", "REG_DWORD", "0x2"), ("Zero", "REG_SZ", "a\\0b")]
    read = read_policy_table(answered({key: values}).registry, key, {"HomePage": "y"})
    assert read == {
        "HomePage": "x", "Object": {"a": [1]}, "List": ["a"], "Broken": "{a", "Deep": deep, "Text": '"a"',
        "Lines": ["a", "b"], "Number": 2, "Zero": "a\\0b",
    }  # fmt: skip


def test_keys_are_read_down_to_a_depth():
    deep = [CHROME_KEY + "\\A" * number for number in range(browsers.MAX_POLICY_DEPTH + 3)]
    read = browsers.read_policy_table(answered({key: [("v", "REG_SZ", key)] for key in deep}).registry, CHROME_KEY, {})
    levels = 0
    while isinstance(read, dict) and "A" in read:
        read, levels = read["A"], levels + 1
    assert levels == browsers.MAX_POLICY_DEPTH


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ({"Block": ["*://owl.example/*"], "Exceptions": ["*://work.owl.example/*"]}, True),
        ({"Block": ["*://owl.example/*"], "Exceptions": []}, False),
        ({"Block": [], "Exceptions": ["*://work.owl.example/*"]}, False),
        ({"Block": {"name": "*://owl.example/*"}}, False),
        (None, False),
    ],
)
def test_firefox_takes_a_list_of_sites_only_whole(value, taken):
    assert browsers._is_site_filter(value) is taken


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


def read_made_registry():
    """Return a registry with a listed key, and a key below it that was read whole."""
    made = WindowsRegistry()
    made.read_query("HKLM\\Software", [f"{TOP}\\A", f"{TOP}\\B"], is_whole=False)
    made.read_query('"HKLM\\Software\\A"', PRINTED, is_whole=True)
    made.read_query("HKU\\Empty", [], is_whole=False)
    return made


def test_values_are_read_with_all_lines_of_their_texts():
    assert read_made_registry().read_values("hklm\\software\\a\\") == {
        "name": RegistryValue("Name", "REG_SZ", "one\ntwo\nthree"),
        "two": RegistryValue("Two", "REG_MULTI_SZ", "a\nb"),
        "n": RegistryValue("N", "REG_DWORD", 31),
        "long": RegistryValue("Long", "REG_DWORD", "0x123456789"),
        "wide": RegistryValue("Wide", "REG_QWORD", "0x1f"),
        "(standard)": RegistryValue("(Standard)", "REG_SZ", ""),
    }
    # The line of a key beside it is none of its own.
    assert read_made_registry().read_values("HKLM\\Software\\A\\Below\\Deep") == {
        "b": RegistryValue("B", "REG_BINARY", f"00ff\n{TOP}\\AB")
    }
    assert read_made_registry().read_values("HKLM\\Software") == {}


@pytest.mark.parametrize(
    ("key", "there", "listed", "complete", "names"),
    [
        ("HKU\\Software\\A", None, False, False, []),
        ("HKU\\Empty", True, True, False, []),
        ("HKLM\\Software", True, True, False, ["A", "B"]),
        ('"hklm\\SOFTWARE\\a\\"', True, True, True, ["Below"]),
        ("HKEY_LOCAL_MACHINE\\Software\\A\\Below", True, False, True, ["Deep"]),
        ("HKLM\\Software\\A\\Below\\Deep", True, False, True, []),
        ("HKLM\\Software\\AB", False, False, True, []),
        ("HKLM\\Software\\B", True, False, False, []),
        ("HKLM\\Software\\B\\C", None, False, False, []),
    ],
)
def test_a_key_is_there_or_not_or_nobody_knows(key, there, listed, complete, names):
    registry = read_made_registry()
    found = (
        registry.is_present(key),
        registry.is_listed(key),
        registry.is_complete(key),
        list(registry.list_key_names(key)),
    )
    assert found == (there, listed, complete, names)


@pytest.mark.parametrize(
    ("lines", "fit"),
    [
        ([f"{TOP}\\{'x' * 9}" + "\\x" * 126], True),
        ([f"{TOP}\\{'x' * 9}" + "\\x" * 127], False),
        ([*THREE_VALUES, TOP, *THREE_VALUES], True),  # what comes before a key is no value
        ([TOP, *THREE_VALUES, THREE_VALUES[0]], False),
        ([TOP, f"{TOP}\\a", f"{TOP}\\b", TOP], False),
        ([TOP, f"    {'n' * 16_383}    REG_SZ    {'d' * (1 << 20)}"], True),
        ([TOP, f"    n    REG_SZ    {'d' * (1 << 20)}d"], False),
        ([TOP, f"    n    REG_SZ    {'d' * ((1 << 20) - 1)}", "d"], False),
    ],
    ids=lambda value: value if isinstance(value, bool) else f"{len(value)} lines",
)
def test_a_registry_of_any_size_is_limited(lines, fit, monkeypatch):
    monkeypatch.setattr(registry_module, "MAX_VALUES", 3)
    monkeypatch.setattr(registry_module, "MAX_KEYS", 3)
    if fit:
        WindowsRegistry().read_query("HKLM\\Software", lines, is_whole=True)
    else:
        with pytest.raises(UnusableAnswer, match="^(its registry has|a name or a text of its registry is)"):
            WindowsRegistry().read_query("HKLM\\Software", lines, is_whole=True)


def test_the_limits_are_those_of_a_whole_answer(monkeypatch):
    monkeypatch.setattr(registry_module, "MAX_VALUES", 3)
    registry = WindowsRegistry()
    registry.read_query("HKLM\\Software", [TOP, *THREE_VALUES], is_whole=True)
    with pytest.raises(UnusableAnswer, match="^its registry has more than 3 values or 100,000 keys$"):
        registry.read_query("HKLM\\Software", [TOP, *THREE_VALUES[:1]], is_whole=True)
