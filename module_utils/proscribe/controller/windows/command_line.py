"""The single command line that queries a Windows host: lines of cmd, whatever shell transports it.

`reg query` and `tasklist` print names and numbers in documented forms that Windows does not translate. Their messages
are translated, so only the exit code shows success. Each part begins and ends with a line that no user of the host can
predict. This matters because a user's value in the registry may contain any line.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable

from ...host.controls.group_policy.applocker import APPLOCKER_KEY

MACHINE_HIVE, USERS_HIVE = "HKLM", "HKU"
POLICIES_KEY = "HKLM\\Software\\Policies"
UNINSTALL_KEY = "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
UNINSTALL_KEY_32_BIT = "Software\\WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
CLIENTS_KEY = "Software\\Clients"
BROWSERS_KEY = f"{CLIENTS_KEY}\\StartMenuInternet"
APP_PATHS_KEY = "Software\\Microsoft\\Windows\\CurrentVersion\\App Paths"
_CLASSES_KEY = "Software\\Classes\\Local Settings\\Software\\Microsoft\\Windows"
# App packages by their full names, including those of the Microsoft Store: those of a user, and all on the device.
APP_PACKAGES_KEY = f"{_CLASSES_KEY}\\CurrentVersion\\AppModel\\Repository\\Packages"
DEVICE_PACKAGES_KEY = f"{MACHINE_HIVE}\\{_CLASSES_KEY}\\CurrentVersion\\AppModel\\PackageRepository\\Packages"
# App packages for each new user (Applications), and by user those that wait for the next login.
ALL_USERS_PACKAGES_KEY = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore"
# Programs that a user has started: from the desktop, and in the last days from any place.
SHELL_KEY = f"{_CLASSES_KEY}\\Shell"
STARTED_KEY = f"{SHELL_KEY}\\MuiCache"
STARTED_LATELY_KEY = "HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings"
# AppLocker: the rules of a policy, and the service that applies them.
APPLOCKER_HOST_KEY = f"{MACHINE_HIVE}\\{APPLOCKER_KEY}"
APPLIER_SERVICE = "AppIDSvc"
APPLIER_KEY = f"HKLM\\System\\CurrentControlSet\\Services\\{APPLIER_SERVICE}"
PROFILES_KEY = "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
CODE_PAGES_KEY = "HKLM\\System\\CurrentControlSet\\Control\\Nls\\CodePage"

# Keys that are read with all keys below them. Only its parent shows that a key is missing: the exit code of `reg query`
# is the same for a key that this account may not read.
WHOLE_KEYS = (
    f"{POLICIES_KEY}\\Google",
    f"{POLICIES_KEY}\\Microsoft\\Edge",
    f"{POLICIES_KEY}\\BraveSoftware",
    f"{POLICIES_KEY}\\Chromium",
    f"{POLICIES_KEY}\\Mozilla",
    f"{MACHINE_HIVE}\\{UNINSTALL_KEY}",
    f"{MACHINE_HIVE}\\{UNINSTALL_KEY_32_BIT}",
    f"{MACHINE_HIVE}\\{BROWSERS_KEY}",
    f"{MACHINE_HIVE}\\{APP_PATHS_KEY}",
    ALL_USERS_PACKAGES_KEY,
    STARTED_LATELY_KEY,
    APPLOCKER_HOST_KEY,
)
# Keys of which only the values and the names of child keys are read.
LISTED_KEYS = (
    f"{MACHINE_HIVE}\\Software",
    POLICIES_KEY,
    f"{POLICIES_KEY}\\Microsoft",
    f"{POLICIES_KEY}\\Microsoft\\Windows",
    f"{MACHINE_HIVE}\\{UNINSTALL_KEY.rpartition(chr(92))[0]}",
    f"{MACHINE_HIVE}\\{UNINSTALL_KEY_32_BIT.rpartition(chr(92))[0]}",
    f"{MACHINE_HIVE}\\{CLIENTS_KEY}",
    PROFILES_KEY,
    CODE_PAGES_KEY,
    DEVICE_PACKAGES_KEY,
    APPLIER_KEY,
    USERS_HIVE,
)
# The same keys for each logged-in user, whose part of the registry is loaded. It has no separate part for 32-bit
# programs.
WHOLE_USER_KEYS = (UNINSTALL_KEY, CLIENTS_KEY, APP_PATHS_KEY)
LISTED_USER_KEYS = ("Software", UNINSTALL_KEY.rpartition("\\")[0], APP_PACKAGES_KEY, SHELL_KEY, STARTED_KEY)
MAX_LINE_LENGTH = 8191  # characters of a line; the limit of cmd

# The words after the token in the lines between the parts of an answer.
BEGIN_PART, CODE_PAGE_PART, ARCHITECTURE_PART, TASKS_PART, SERVICE_PART = (
    "begin",
    "codepage",
    "architecture",
    "tasks",
    "service",
)
LIST_PART, TREE_PART, DONE_MARK, FAILED_MARK, END_PART = "list", "tree", "done", "failed", "end"


def make_token() -> str:
    """Return the random text that begins the lines between the parts of an answer."""
    return f"proscribe-{secrets.token_hex(8)}"


def make_command_line(token: str) -> str:
    """Return the command line for cmd. `token` is the token of the answer.

    In the line %m is the token and %k a key. So each key adds only its own length.
    """
    end_of_part = f"&& echo %m {DONE_MARK}|| echo %m {FAILED_MARK}"

    def make_query_loop(kind: str, keys: Iterable[str], key: str, options: str = "") -> str:
        query = f"echo %m {kind} {key}& reg query {key}{options} 2>nul{end_of_part}"
        # A loop needs parentheses, because the rest of the line would belong to it.
        return f"(for %k in ({' '.join(map(_quote_key, keys))}) do @({query}))"

    user_key = '"%u\\%~k"'
    parts = [
        f"echo %m {BEGIN_PART}",
        "ver",
        f"echo %m {CODE_PAGE_PART}",
        "chcp",
        "chcp 65001>nul",  # has an effect only with a console; else the system's own code page is used
        "chcp",
        f"echo %m {ARCHITECTURE_PART}",
        "set PROCESSOR_ARCHITE",  # also prints PROCESSOR_ARCHITEW6432, which 32-bit programs have on a 64-bit host
        f"echo %m {TASKS_PART}",
        f"tasklist /fo csv /nh 2>nul{end_of_part}",
        f"echo %m {SERVICE_PART}",
        f'tasklist /fi "services eq {APPLIER_SERVICE}" /fo csv /nh 2>nul{end_of_part}',
        make_query_loop(LIST_PART, LISTED_KEYS, "%k"),
        make_query_loop(TREE_PART, WHOLE_KEYS, "%k", " /s"),
        # Only users' keys: they have a sixth part (S-1-5-21-..), and no tenth (.._Classes). A line without a sixth part
        # does not enter the inner loop.
        f'(for /f %u in (\'reg query {USERS_HIVE}\') do @for /f "tokens=6,10 delims=-_" %s in ("%u") do @if "%t"=="" ('
        f"{make_query_loop(LIST_PART, LISTED_USER_KEYS, user_key)}& "
        f"{make_query_loop(TREE_PART, WHOLE_USER_KEYS, user_key, ' /s')}))",
        f"echo %m {END_PART}",
    ]
    return f"for %m in ({token}) do @({'& '.join(parts)})"


def _quote_key(key: str) -> str:
    return f'"{key}"' if " " in key else key


def wrap_command(command_line: str, shell: str, transport: str) -> str:
    """Return the command that runs the line over a connection.

    `shell` is the family of its shell, and `transport` its plugin. Over WinRM and PSRP Ansible's own plugins turn a
    script into a command.
    """
    if shell == "cmd":
        return command_line
    quoted_line = command_line.replace("'", "''")
    script = f"try{{[Console]::OutputEncoding=[Text.Encoding]::UTF8}}catch{{}};cmd /c '{quoted_line}'"
    if transport in ("winrm", "psrp"):
        return script
    encoded_script = base64.b64encode(script.encode("utf-16-le")).decode()  # encoded, so that no shell interprets it
    return f"powershell -NoProfile -NonInteractive -EncodedCommand {encoded_script}"
