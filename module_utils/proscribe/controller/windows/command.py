"""The one command line that a Windows host is asked with: lines of cmd, whatever shell it goes through.

`reg query` and `tasklist` print names and numbers that no language of Windows translates, in forms that are documented.
Their messages are translated, so only the exit code shows whether a program did what it was asked for. Each part begins
and ends with a line that nobody on the host can foresee: a user's value in the registry may hold any line.
"""

from __future__ import annotations

import base64
import secrets

MACHINE, USERS = "HKLM", "HKU"
POLICIES = "HKLM\\Software\\Policies"
UNINSTALL = "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
UNINSTALL_32 = "Software\\WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
CLIENTS = "Software\\Clients"
BROWSERS = f"{CLIENTS}\\StartMenuInternet"
APP_PATHS = "Software\\Microsoft\\Windows\\CurrentVersion\\App Paths"
# The app packages of a user, those of the Microsoft Store among them, by their full names.
APP_PACKAGES = (
    "Software\\Classes\\Local Settings\\Software\\Microsoft\\Windows\\CurrentVersion\\AppModel\\Repository\\Packages"
)
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
)
# And those of which only the names of keys and the values of their own are read.
LISTED_KEYS = (
    f"{MACHINE}\\Software",
    POLICIES,
    f"{POLICIES}\\Microsoft",
    f"{MACHINE}\\{UNINSTALL.rpartition(chr(92))[0]}",
    f"{MACHINE}\\{UNINSTALL_32.rpartition(chr(92))[0]}",
    f"{MACHINE}\\{CLIENTS}",
    PROFILES,
    CODE_PAGES,
    USERS,
)
# The same of each user whose part of the registry is loaded. Programs of 32 bits have no part of their own there.
WHOLE_OF_USERS = (UNINSTALL, CLIENTS, APP_PATHS)
LISTED_OF_USERS = ("Software", UNINSTALL.rpartition("\\")[0], APP_PACKAGES)
LONGEST = 8191  # characters of a line that cmd takes

# What the lines between the parts of an answer say, after the token.
BEGIN, CODE_PAGE, ARCHITECTURE, TASKS = "begin", "codepage", "architecture", "tasks"
LIST, TREE, DONE, FAILED, END = "list", "tree", "done", "failed", "end"


def token() -> str:
    """The word that begins the lines between the parts of one answer."""
    return f"proscribe-{secrets.token_hex(8)}"


def line(mark: str) -> str:
    """The line for cmd; `mark` is the answer's token."""
    ended = f"&& echo {mark} {DONE}|| echo {mark} {FAILED}"

    def queried(kind: str, key: str, options: str = "") -> str:
        return f"echo {mark} {kind} {key}& reg query {key}{options} 2>nul {ended}"

    listed, whole = (" ".join(map(_quoted, keys)) for keys in (LISTED_KEYS, WHOLE_KEYS))
    of_users = [(LIST, key, "") for key in LISTED_OF_USERS] + [(TREE, key, " /s") for key in WHOLE_OF_USERS]
    parts = [
        f"echo {mark} {BEGIN}",
        "ver",
        f"echo {mark} {CODE_PAGE}",
        "chcp",
        "chcp 65001>nul",  # where there is a console; where not, the system's own code page is used
        "chcp",
        f"echo {mark} {ARCHITECTURE}",
        "set PROCESSOR_ARCHITE",  # and ..W6432, which a program of 32 bits has on a host of 64
        f"echo {mark} {TASKS}",
        f"tasklist /fo csv /nh 2>nul {ended}",
        # A loop is in parentheses, since what follows one on its line would belong to it.
        f"(for %k in ({listed}) do @({queried(LIST, '%k')}))",
        f"(for %k in ({whole}) do @({queried(TREE, '%k', ' /s')}))",
        f"(for /f %u in ('reg query {USERS}') do @("
        + "& ".join(queried(kind, _quoted(f"%u\\{key}"), options) for kind, key, options in of_users)
        + "))",
        f"echo {mark} {END}",
    ]
    return "& ".join(parts)


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
