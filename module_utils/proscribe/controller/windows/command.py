"""The one command line that a Windows host is asked with: lines of cmd, whatever shell it goes through.

`reg query` and `tasklist` print names and numbers that no language of Windows translates, in forms that are documented.
Their messages are translated, so only the exit code shows whether a program did what it was asked for. Each part begins
and ends with a line that nobody on the host can foresee: a user's value in the registry may hold any line.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable

from ...host.controls.group_policy.applocker import KEY

MACHINE, USERS = "HKLM", "HKU"
POLICIES = "HKLM\\Software\\Policies"
UNINSTALL = "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
UNINSTALL_32 = "Software\\WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
CLIENTS = "Software\\Clients"
BROWSERS = f"{CLIENTS}\\StartMenuInternet"
APP_PATHS = "Software\\Microsoft\\Windows\\CurrentVersion\\App Paths"
_CLASSES = "Software\\Classes\\Local Settings\\Software\\Microsoft\\Windows"
# App packages by their full names, those of the Microsoft Store among them: of a user, and all that the device has.
APP_PACKAGES = f"{_CLASSES}\\CurrentVersion\\AppModel\\Repository\\Packages"
DEVICE_PACKAGES = f"{MACHINE}\\{_CLASSES}\\CurrentVersion\\AppModel\\PackageRepository\\Packages"
# Those that each new user gets (Applications), and by user those that wait until he logs in.
ALL_USERS_PACKAGES = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore"
# Programs that a user has started: from the desktop, and in the last days, wherever they lie.
SHELL = f"{_CLASSES}\\Shell"
STARTED = f"{SHELL}\\MuiCache"
STARTED_LATELY = "HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings"
# AppLocker: the rules that a policy has set, and the service that applies them.
APPLOCKER = f"{MACHINE}\\{KEY}"
APPLIER = "AppIDSvc"
APPLIER_KEY = f"HKLM\\System\\CurrentControlSet\\Services\\{APPLIER}"
PROFILES = "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
CODE_PAGES = "HKLM\\System\\CurrentControlSet\\Control\\Nls\\CodePage"

# Keys that are read with all below them. Of one that is not there, its parent has to say so: the exit code of
# `reg query` is the same for a key that this account may not read.
WHOLE_KEYS = (
    f"{POLICIES}\\Google",
    f"{POLICIES}\\Microsoft\\Edge",
    f"{POLICIES}\\BraveSoftware",
    f"{POLICIES}\\Chromium",
    f"{POLICIES}\\Mozilla",
    f"{MACHINE}\\{UNINSTALL}",
    f"{MACHINE}\\{UNINSTALL_32}",
    f"{MACHINE}\\{BROWSERS}",
    f"{MACHINE}\\{APP_PATHS}",
    ALL_USERS_PACKAGES,
    STARTED_LATELY,
    APPLOCKER,
)
# And those of which only the names of keys and the values of their own are read.
LISTED_KEYS = (
    f"{MACHINE}\\Software",
    POLICIES,
    f"{POLICIES}\\Microsoft",
    f"{POLICIES}\\Microsoft\\Windows",
    f"{MACHINE}\\{UNINSTALL.rpartition(chr(92))[0]}",
    f"{MACHINE}\\{UNINSTALL_32.rpartition(chr(92))[0]}",
    f"{MACHINE}\\{CLIENTS}",
    PROFILES,
    CODE_PAGES,
    DEVICE_PACKAGES,
    APPLIER_KEY,
    USERS,
)
# The same of each user whose part of the registry is loaded: those who are logged in. Programs of 32 bits have no part
# of their own there.
WHOLE_OF_USERS = (UNINSTALL, CLIENTS, APP_PATHS)
LISTED_OF_USERS = ("Software", UNINSTALL.rpartition("\\")[0], APP_PACKAGES, SHELL, STARTED)
LONGEST = 8191  # characters of a line that cmd takes

# What the lines between the parts of an answer say, after the token.
BEGIN, CODE_PAGE, ARCHITECTURE, TASKS, SERVICE = "begin", "codepage", "architecture", "tasks", "service"
LIST, TREE, DONE, FAILED, END = "list", "tree", "done", "failed", "end"


def token() -> str:
    """The word that begins the lines between the parts of one answer."""
    return f"proscribe-{secrets.token_hex(8)}"


def line(mark: str) -> str:
    """The line for cmd; `mark` is the answer's token. In the line it is the variable %m, and a key is %k, so that each
    key costs its own length alone.
    """
    ended = f"&& echo %m {DONE}|| echo %m {FAILED}"

    def queried(kind: str, keys: Iterable[str], key: str, options: str = "") -> str:
        one = f"echo %m {kind} {key}& reg query {key}{options} 2>nul{ended}"
        # A loop is in parentheses, since what follows one on its line would belong to it.
        return f"(for %k in ({' '.join(map(_quoted, keys))}) do @({one}))"

    of_user = '"%u\\%~k"'
    parts = [
        f"echo %m {BEGIN}",
        "ver",
        f"echo %m {CODE_PAGE}",
        "chcp",
        "chcp 65001>nul",  # where there is a console; where not, the system's own code page is used
        "chcp",
        f"echo %m {ARCHITECTURE}",
        "set PROCESSOR_ARCHITE",  # and ..W6432, which a program of 32 bits has on a host of 64
        f"echo %m {TASKS}",
        f"tasklist /fo csv /nh 2>nul{ended}",
        f"echo %m {SERVICE}",
        f'tasklist /fi "services eq {APPLIER}" /fo csv /nh 2>nul{ended}',
        queried(LIST, LISTED_KEYS, "%k"),
        queried(TREE, WHOLE_KEYS, "%k", " /s"),
        # Users' keys alone: they have a sixth part (S-1-5-21-..), and no tenth (.._Classes). A line without a sixth
        # part does not enter the inner loop.
        f'(for /f %u in (\'reg query {USERS}\') do @for /f "tokens=6,10 delims=-_" %s in ("%u") do @if "%t"=="" ('
        f"{queried(LIST, LISTED_OF_USERS, of_user)}& {queried(TREE, WHOLE_OF_USERS, of_user, ' /s')}))",
        f"echo %m {END}",
    ]
    return f"for %m in ({mark}) do @({'& '.join(parts)})"


def _quoted(key: str) -> str:
    return f'"{key}"' if " " in key else key


def command(given: str, shell: str, transport: str) -> str:
    """What a connection is given to run a line: `shell` is the family of its shell, `transport` its plugin. Over WinRM
    and PSRP Ansible's own plugins make a command of a script.
    """
    if shell == "cmd":
        return given
    quoted = given.replace("'", "''")
    script = f"try{{[Console]::OutputEncoding=[Text.Encoding]::UTF8}}catch{{}};cmd /c '{quoted}'"
    if transport in ("winrm", "psrp"):
        return script
    packed = base64.b64encode(script.encode("utf-16-le")).decode()  # no shell takes it for something else
    return f"powershell -NoProfile -NonInteractive -EncodedCommand {packed}"
