"""The one command line that a Windows host is asked with: lines of cmd, whatever shell it goes through.

`reg query` and `tasklist` print names and numbers that no language of Windows translates, in forms that are documented.
Their messages are translated, so only the exit code shows whether a program did what it was asked for. Each part begins
and ends with a line that nobody on the host can foresee: a user's value in the registry may hold any line.
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
# App packages by their full names, those of the Microsoft Store among them: of a user, and all that the device has.
APP_PACKAGES_KEY = f"{_CLASSES_KEY}\\CurrentVersion\\AppModel\\Repository\\Packages"
DEVICE_PACKAGES_KEY = f"{MACHINE_HIVE}\\{_CLASSES_KEY}\\CurrentVersion\\AppModel\\PackageRepository\\Packages"
# Those that each new user gets (Applications), and by user those that wait until he logs in.
ALL_USERS_PACKAGES_KEY = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore"
# Programs that a user has started: from the desktop, and in the last days, wherever they lie.
SHELL_KEY = f"{_CLASSES_KEY}\\Shell"
STARTED_KEY = f"{SHELL_KEY}\\MuiCache"
STARTED_LATELY_KEY = "HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings"
# AppLocker: the rules that a policy has set, and the service that applies them.
APPLOCKER_HOST_KEY = f"{MACHINE_HIVE}\\{APPLOCKER_KEY}"
APPLIER_SERVICE = "AppIDSvc"
APPLIER_KEY = f"HKLM\\System\\CurrentControlSet\\Services\\{APPLIER_SERVICE}"
PROFILES_KEY = "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
CODE_PAGES_KEY = "HKLM\\System\\CurrentControlSet\\Control\\Nls\\CodePage"

# Keys that are read with all below them. Of one that is not there, its parent has to say so: the exit code of
# `reg query` is the same for a key that this account may not read.
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
# And those of which only the names of keys and the values of their own are read.
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
# The same of each user whose part of the registry is loaded: those who are logged in. Programs of 32 bits have no part
# of their own there.
WHOLE_USER_KEYS = (UNINSTALL_KEY, CLIENTS_KEY, APP_PATHS_KEY)
LISTED_USER_KEYS = ("Software", UNINSTALL_KEY.rpartition("\\")[0], APP_PACKAGES_KEY, SHELL_KEY, STARTED_KEY)
MAX_LINE_LENGTH = 8191  # characters of a line that cmd takes

# What the lines between the parts of an answer say, after the token.
BEGIN_PART, CODE_PAGE_PART, ARCHITECTURE_PART, TASKS_PART, SERVICE_PART = (
    "begin",
    "codepage",
    "architecture",
    "tasks",
    "service",
)
LIST_PART, TREE_PART, DONE_MARK, FAILED_MARK, END_PART = "list", "tree", "done", "failed", "end"


def make_token() -> str:
    """The word that begins the lines between the parts of one answer."""
    return f"proscribe-{secrets.token_hex(8)}"


def make_command_line(token: str) -> str:
    """The line for cmd; `token` is the answer's token. In the line it is the variable %m, and a key is %k, so that each
    key costs its own length alone.
    """
    end_of_part = f"&& echo %m {DONE_MARK}|| echo %m {FAILED_MARK}"

    def make_query_loop(kind: str, keys: Iterable[str], key: str, options: str = "") -> str:
        query = f"echo %m {kind} {key}& reg query {key}{options} 2>nul{end_of_part}"
        # A loop is in parentheses, since what follows one on its line would belong to it.
        return f"(for %k in ({' '.join(map(_quote_key, keys))}) do @({query}))"

    user_key = '"%u\\%~k"'
    parts = [
        f"echo %m {BEGIN_PART}",
        "ver",
        f"echo %m {CODE_PAGE_PART}",
        "chcp",
        "chcp 65001>nul",  # where there is a console; where not, the system's own code page is used
        "chcp",
        f"echo %m {ARCHITECTURE_PART}",
        "set PROCESSOR_ARCHITE",  # and ..W6432, which a program of 32 bits has on a host of 64
        f"echo %m {TASKS_PART}",
        f"tasklist /fo csv /nh 2>nul{end_of_part}",
        f"echo %m {SERVICE_PART}",
        f'tasklist /fi "services eq {APPLIER_SERVICE}" /fo csv /nh 2>nul{end_of_part}',
        make_query_loop(LIST_PART, LISTED_KEYS, "%k"),
        make_query_loop(TREE_PART, WHOLE_KEYS, "%k", " /s"),
        # Users' keys alone: they have a sixth part (S-1-5-21-..), and no tenth (.._Classes). A line without a sixth
        # part does not enter the inner loop.
        f'(for /f %u in (\'reg query {USERS_HIVE}\') do @for /f "tokens=6,10 delims=-_" %s in ("%u") do @if "%t"=="" ('
        f"{make_query_loop(LIST_PART, LISTED_USER_KEYS, user_key)}& {make_query_loop(TREE_PART, WHOLE_USER_KEYS, user_key, ' /s')}))",
        f"echo %m {END_PART}",
    ]
    return f"for %m in ({token}) do @({'& '.join(parts)})"


def _quote_key(key: str) -> str:
    return f'"{key}"' if " " in key else key


def wrap_command(command_line: str, shell: str, transport: str) -> str:
    """What a connection is given to run a line: `shell` is the family of its shell, `transport` its plugin. Over WinRM
    and PSRP Ansible's own plugins make a command of a script.
    """
    if shell == "cmd":
        return command_line
    quoted_line = command_line.replace("'", "''")
    script = f"try{{[Console]::OutputEncoding=[Text.Encoding]::UTF8}}catch{{}};cmd /c '{quoted_line}'"
    if transport in ("winrm", "psrp"):
        return script
    encoded_script = base64.b64encode(script.encode("utf-16-le")).decode()  # no shell takes it for something else
    return f"powershell -NoProfile -NonInteractive -EncodedCommand {encoded_script}"
