"""The single command line that queries a Windows host. It is written for cmd; another shell can transport it.

`reg query` and `tasklist` print names and numbers in documented forms that Windows does not translate. Their messages
are translated, so only the exit code shows success. Each part of the answer begins and ends with a line that no user of
the host can predict. This matters because a user's value in the registry may contain any line.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable

from ...host.controls.group_policy.applocker_rules import APPLOCKER_KEY

MACHINE_HIVE, USERS_HIVE = "HKLM", "HKU"
POLICIES_KEY = "HKLM\\Software\\Policies"
UNINSTALL_KEY = "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
UNINSTALL_KEY_32_BIT = "Software\\WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
CLIENTS_KEY = "Software\\Clients"
BROWSERS_KEY = f"{CLIENTS_KEY}\\StartMenuInternet"
APP_PATHS_KEY = "Software\\Microsoft\\Windows\\CurrentVersion\\App Paths"
_CLASSES_KEY = "Software\\Classes\\Local Settings\\Software\\Microsoft\\Windows"
# Lists of app packages by full name, including the Microsoft Store: a user's packages, and all packages on the device.
APP_PACKAGES_KEY = f"{_CLASSES_KEY}\\CurrentVersion\\AppModel\\Repository\\Packages"
DEVICE_PACKAGES_KEY = f"{MACHINE_HIVE}\\{_CLASSES_KEY}\\CurrentVersion\\AppModel\\PackageRepository\\Packages"
# App packages that each new user gets (child key Applications). Child keys by user: packages that the user gets at the
# next login.
ALL_USERS_PACKAGES_KEY = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore"
# Records of programs that a user has started: MuiCache from the desktop, and bam from any place in the last days.
SHELL_KEY = f"{_CLASSES_KEY}\\Shell"
STARTED_KEY = f"{SHELL_KEY}\\MuiCache"
STARTED_LATELY_KEY = "HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings"
# AppLocker: the rules, and the service that applies the rules.
APPLOCKER_HOST_KEY = f"{MACHINE_HIVE}\\{APPLOCKER_KEY}"
APPLIER_SERVICE = "AppIDSvc"
APPLIER_KEY = f"HKLM\\System\\CurrentControlSet\\Services\\{APPLIER_SERVICE}"
PROFILES_KEY = "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
CODE_PAGES_KEY = "HKLM\\System\\CurrentControlSet\\Control\\Nls\\CodePage"

# Keys that are read with all keys below them. `reg query` has the same exit code for a missing key and for a key that
# the account may not read. So only the parent of a key shows that the key is missing.
WHOLE_KEYS = (
    f"{POLICIES_KEY}\\Google",
    f"{POLICIES_KEY}\\Microsoft\\Edge",
    f"{POLICIES_KEY}\\Microsoft\\OneDrive",
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
# Keys that are read for each logged-in user, whose part of the registry is loaded. A user's part has no separate keys
# for 32-bit programs.
WHOLE_USER_KEYS = (UNINSTALL_KEY, CLIENTS_KEY, APP_PATHS_KEY)
LISTED_USER_KEYS = ("Software", UNINSTALL_KEY.rpartition("\\")[0], APP_PACKAGES_KEY, SHELL_KEY, STARTED_KEY)
MAX_LINE_LENGTH = 8191  # most characters of a command line; the limit of cmd

# Words after the token in the lines that separate the parts of an answer.
BEGIN_PART, CODE_PAGE_PART, ARCHITECTURE_PART, TASKS_PART, SERVICE_PART = (
    "begin",
    "codepage",
    "architecture",
    "tasks",
    "service",
)
LIST_PART, TREE_PART, DONE_MARK, FAILED_MARK, END_PART = "list", "tree", "done", "failed", "end"


def make_token() -> str:
    """Return a random text that begins the lines between the parts of an answer.

    No user of the host can predict it.
    """
    return f"proscribe-{secrets.token_hex(8)}"


def make_command_line(token: str) -> str:
    """Return the command line for cmd that prints the whole answer.

    `token` begins the lines between the parts of the answer. In the command line, the loop variable %m is the token and
    %k is a registry key. So each key adds only its own length to the line.
    """
    end_of_part = f"&& echo %m {DONE_MARK}|| echo %m {FAILED_MARK}"

    def make_query_loop(kind: str, keys: Iterable[str], key: str, options: str = "") -> str:
        """Return a loop over `keys` that queries each; `key` is its name inside the loop, such as `%k`."""
        query = f"echo %m {kind} {key}& reg query {key}{options} 2>nul{end_of_part}"
        # The loop is in parentheses. Otherwise the rest of the command line would belong to it.
        return f"(for %k in ({' '.join(map(quote_key, keys))}) do @({query}))"

    # %u is the key of a user, and %~k is a key below it without quotes
    user_key = '"%u\\%~k"'
    parts = [
        f"echo %m {BEGIN_PART}",
        "ver",
        f"echo %m {CODE_PAGE_PART}",
        "chcp",
        "chcp 65001>nul",  # switches the console to UTF-8; without a console, the system's code page is used
        "chcp",
        f"echo %m {ARCHITECTURE_PART}",
        # also prints PROCESSOR_ARCHITEW6432, which exists only for 32-bit programs on a 64-bit host
        "set PROCESSOR_ARCHITE",
        f"echo %m {TASKS_PART}",
        f"tasklist /fo csv /nh 2>nul{end_of_part}",
        f"echo %m {SERVICE_PART}",
        f'tasklist /fi "services eq {APPLIER_SERVICE}" /fo csv /nh 2>nul{end_of_part}',
        make_query_loop(LIST_PART, LISTED_KEYS, "%k"),
        make_query_loop(TREE_PART, WHOLE_KEYS, "%k", " /s"),
        # Selects the keys of users only: such a name has a sixth part (S-1-5-21-..), but no tenth part (.._Classes). A
        # name without a sixth part does not enter the inner loop.
        f'(for /f %u in (\'reg query {USERS_HIVE}\') do @for /f "tokens=6,10 delims=-_" %s in ("%u") do @if "%t"=="" ('
        f"{make_query_loop(LIST_PART, LISTED_USER_KEYS, user_key)}& "
        f"{make_query_loop(TREE_PART, WHOLE_USER_KEYS, user_key, ' /s')}))",
        f"echo %m {END_PART}",
    ]
    return f"for %m in ({token}) do @({'& '.join(parts)})"


def quote_key(key: str) -> str:
    """Return a registry key in quotes if it has blanks."""
    return f'"{key}"' if " " in key else key


def wrap_command(command_line: str, shell: str, transport: str) -> str:
    """Return the command that runs the cmd command line over Ansible's connection to the host.

    `shell` is the family of the connection's shell, such as `cmd`. `transport` is the connection plugin, such as
    `winrm`. The plugins for WinRM and PSRP turn a PowerShell script into a command themselves.
    """
    if shell == "cmd":
        return command_line
    quoted_line = command_line.replace("'", "''")
    return make_powershell_command(
        f"try{{[Console]::OutputEncoding=[Text.Encoding]::UTF8}}catch{{}};cmd /c '{quoted_line}'", transport
    )


def make_powershell_command(script: str, transport: str) -> str:
    """Return the command that runs a PowerShell script over Ansible's connection plugin `transport`."""
    if transport in ("winrm", "psrp"):
        return script
    # in base64, so that no shell interprets the script
    encoded_script = base64.b64encode(script.encode("utf-16-le")).decode()
    return f"powershell -NoProfile -NonInteractive -EncodedCommand {encoded_script}"
