"""What Windows hosts print, made in the forms that Microsoft documents, for tests."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from made_mac import SITES
from made_plans import make_plan, make_section
from proscribe.controller.windows.answer_reader import WindowsAnswer, parse_answer
from proscribe.controller.windows.command_line import (
    ALL_USERS_PACKAGES_KEY,
    APP_PACKAGES_KEY,
    APP_PATHS_KEY,
    APPLIER_KEY,
    CODE_PAGES_KEY,
    DEVICE_PACKAGES_KEY,
    LISTED_KEYS,
    LISTED_USER_KEYS,
    PROFILES_KEY,
    STARTED_KEY,
    STARTED_LATELY_KEY,
    UNINSTALL_KEY,
    USERS_HIVE,
    WHOLE_KEYS,
    WHOLE_USER_KEYS,
)
from proscribe.host.controls.group_policy.policies import list_policy_entries
from proscribe.host.controls.group_policy.registry_pol import decode_entry

MARK = "proscribe-0123456789abcdef"
ALICE, BOB = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"
NT = "Microsoft Windows [Version 10.0.22631.4317]"
HIVES = {"HKLM": "HKEY_LOCAL_MACHINE", "HKU": "HKEY_USERS"}
Values = Mapping[str, Sequence[tuple[str, str, str]]]  # by key: name, type, data
NOTHING: Values = {}


def whole(key: str) -> str:
    """A key as `reg query` prints it."""
    hive, _, rest = key.partition("\\")
    return f"{HIVES.get(hive, hive)}\\{rest}" if rest else HIVES.get(hive, hive)


def printed(
    values: Values = NOTHING,
    tasks: Iterable[tuple[str, int]] = (("System", 4), ("explorer.exe", 4321)),
    *,
    users: Iterable[str] = (ALICE,),
    profiles: Iterable[str] = (ALICE,),
    code_page: Sequence[str] = ("Active code page: 437", "Active code page: 65001"),
    version: str = NT,
    architecture: Sequence[str] = ("PROCESSOR_ARCHITECTURE=AMD64",),
    memory: str = "12,345 K",
    not_found: str = "ERROR: The system was unable to find the specified registry key or value.",
    refused: Iterable[str] = (),
    applier: Iterable[tuple[str, int]] = (),
) -> str:
    """The answer of a host whose registry has these values, and those keys that every Windows has."""
    keys = {
        "HKLM\\Software\\Policies",
        "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall",
        "HKLM\\Software\\WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall",
        "HKLM\\Software\\Clients\\StartMenuInternet",
        PROFILES_KEY,
        CODE_PAGES_KEY,
        APPLIER_KEY,
        *(f"{PROFILES_KEY}\\{one}" for one in ("S-1-5-18", *profiles)),
        *(f"{USERS_HIVE}\\{one}\\Software\\Microsoft\\Windows\\CurrentVersion" for one in (".DEFAULT", *users)),
        *(f"{USERS_HIVE}\\{one}_Classes" for one in users),
        *(f"{USERS_HIVE}\\{one}\\{key}" for one in users for key in (APP_PACKAGES_KEY, STARTED_KEY)),
        *values,
    }
    keys |= {key.rsplit("\\", count)[0] for key in keys for count in range(1, key.count("\\") + 1)}
    parts = [f"{MARK} begin", "", version, f"{MARK} codepage", *code_page, f"{MARK} architecture"]
    parts += [*architecture, f"{MARK} tasks"]
    parts += [f'"{image}","{pid}","Console","1","{memory}"' for image, pid in tasks] + [f"{MARK} done"]
    parts += [f"{MARK} service"]
    parts += [f'"{image}","{pid}","Services","0","{memory}"' for image, pid in applier] + [f"{MARK} done"]
    queries = [("list", key) for key in LISTED_KEYS] + [("tree", key) for key in WHOLE_KEYS]
    for user in users:
        queries += [("list", f"{USERS_HIVE}\\{user}\\{key}") for key in LISTED_USER_KEYS]
        queries += [("tree", f"{USERS_HIVE}\\{user}\\{key}") for key in WHOLE_USER_KEYS]
    for kind, key in queries:
        parts.append(f"{MARK} {kind} {chr(34) + key + chr(34) if ' ' in key else key}")
        if key not in keys or key in refused:
            parts += ["", not_found, f"{MARK} failed"]
            continue
        parts += _queried(key, sorted(keys), values, kind == "tree")
        parts.append(f"{MARK} done")
    return "\r\n".join([*parts, f"{MARK} end", ""])


def _queried(top: str, keys: list[str], values: Values, recursive: bool) -> list[str]:
    lines = []
    below = [key for key in keys if key.startswith(top + "\\")]
    for key in [top, *(below if recursive else [])]:
        if key in values or (recursive and key != top):
            lines += [
                "",
                whole(key),
                *(f"    {name}    {type_}    {data}" for name, type_, data in values.get(key, ())),
            ]
    if not recursive:
        lines += ["", *(whole(key) for key in below if key.count("\\") == top.count("\\") + 1)]
    return lines


def answered(*args: Any, encoding: str = "utf-8", **named: Any) -> WindowsAnswer:
    """The same, read."""
    return parse_answer(printed(*args, **named).encode(encoding, "replace"), MARK)


def policies_of(plan: Mapping[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """The registry as a domain's policy made from a plan leaves it."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for entry in list_policy_entries(plan):
        said = decode_entry(entry)
        if not entry.value_name.startswith("**"):
            type_, data = ("REG_DWORD", hex(said)) if isinstance(said, int) else ("REG_SZ", str(said))
            found.setdefault(f"HKLM\\{entry.key}", []).append((entry.value_name, type_, data))
    return found


Registered = dict[str, list[tuple[str, str, str]]]


def app_package(full_name: str, account: str = ALICE, on_device: bool = True) -> Registered:
    """An app package that a user has."""
    said = [("PackageID", "REG_SZ", full_name)]
    return {
        f"{USERS_HIVE}\\{account}\\{APP_PACKAGES_KEY}\\{full_name}": said,
        **(device_package(full_name) if on_device else {}),
    }


def device_package(full_name: str) -> Registered:
    """An app package that is on the device, whoever has it."""
    return {f"{DEVICE_PACKAGES_KEY}\\{full_name}": [("Path", "REG_SZ", f"C:\\Program Files\\WindowsApps\\{full_name}")]}


def package_of_all(full_name: str, below: str = "Applications") -> Registered:
    """Return an app package that each new user gets, or that waits for one named user."""
    return {f"{ALL_USERS_PACKAGES_KEY}\\{below}\\{full_name}": [("Path", "REG_SZ", "C:\\x")]}


def started(path: str, name: str = "", company: str = "", account: str = ALICE) -> Registered:
    """A program that a user has started from the desktop."""
    said = [(f"{path}.FriendlyAppName", "REG_SZ", name), (f"{path}.ApplicationCompany", "REG_SZ", company)]
    return {f"{USERS_HIVE}\\{account}\\{STARTED_KEY}": [("LangID", "REG_BINARY", "0904"), *said]}


def started_lately(path: str, account: str = ALICE) -> Registered:
    """A program that a user has run in the last days."""
    said = [("Version", "REG_DWORD", "0x1"), (path, "REG_BINARY", "153EAE3657DED4010000000000000000")]
    return {f"{STARTED_LATELY_KEY}\\{account}": said}


def app_path(image: str, hive: str = "HKLM", path: str = "C:\\x") -> Registered:
    """A path of a program's own."""
    return {f"{hive}\\{APP_PATHS_KEY}\\{image}": [("(Standard)", "REG_SZ", path)]}


def installed(key: str, hive: str = "HKLM", **values: str) -> dict[str, list[tuple[str, str, str]]]:
    """An uninstall key."""
    return {f"{hive}\\{UNINSTALL_KEY}\\{key}": [(name, "REG_SZ", data) for name, data in values.items()]}


BROWSERS: dict[str, list[tuple[str, str, str]]] = {
    f"HKLM\\Software\\Clients\\StartMenuInternet\\{name}\\shell\\open\\command": [("(Standard)", "REG_SZ", f'"{path}"')]
    for name, path in {
        "Google Chrome": "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        "Microsoft Edge": "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
        "Firefox-308046B0AF4A39CB": "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
        "IEXPLORE.EXE": "C:\\Program Files\\Internet Explorer\\iexplore.exe",
    }.items()
}

WECHAT: dict[str, Any] = {
    "name": "WeChat",
    "mode": "enforce",
    "packages": {"apt": ["wechat"]},
    "processes": ["wechat"],
    "paths": [],
    "names": ["\u5fae\u4fe1"],
    "windows": ["Tencent/WeChat/WeChat.exe"],
    "windows_processes": ["WeChat.exe"],
    "windows_packages": {"winget": ["Tencent.WeChat"], "appx": ["TencentWeChatLimited.WeChatUWP_sdtnhv12zgd7a"]},
    "windows_registered": {"keys": ["WeChat"], "names": ["WeChat by Tencent Technology Co., Ltd."]},
}
TELEGRAM: dict[str, Any] = {
    "name": "Telegram",
    "windows_processes": ["Telegram.exe"],
    "windows_packages": {"winget": ["Telegram.TelegramDesktop"]},
    "windows_registered": {"names": ["Telegram Desktop by Telegram FZ-LLC"]},
}
BROWSER_SETTINGS: dict[str, Any] = {
    "browsers": dict.fromkeys(("dns_over_https", "proxies", "proxy_extensions", "extensions"), "blocked"),
    "extensions_allowed": [],
    "tenants": {},
}


def plan(
    apps: Mapping[str, Any] = {"wechat": WECHAT, "telegram": TELEGRAM},
    sites: Mapping[str, Any] = {"wechat": SITES},
    **more: Any,
) -> dict[str, Any]:
    """A plan with these services."""
    browser = make_section("browser", sites, **BROWSER_SETTINGS)
    return make_plan(controls={"apps": make_section("apps", apps, exec_control="off"), "browser": browser, **more})
