"""A Windows host of Wine's (its registry, `reg`, `tasklist` and `cmd` are real) and a made Mac, behind a real sshd."""

import base64
import plistlib

from patience import until
from proscribe.host.controls.group_policy.policies import collect_program_policies, list_policy_entries
from proscribe.host.controls.group_policy.registry_pol import DWORD_TYPE, decode_entry

PREFIX = "/root/wine"
ENVIRONMENT = (f"WINEPREFIX={PREFIX}", "WINEDEBUG=-all")
SHELL = f"""\
#!/bin/sh
export {" ".join(ENVIRONMENT)} LINE="$2"
exec wine cmd /c '%LINE%'
"""
OVER_SSH = {"ansible_shell_type": "cmd"}
UNINSTALL = r"HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Uninstall"
CLIENTS = r"HKEY_LOCAL_MACHINE\Software\Clients\StartMenuInternet"
PLACES = {
    "Google Chrome": r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    "Microsoft Edge": r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    "Firefox-308046B0AF4A39CB": r"C:\Program Files\Mozilla Firefox\firefox.exe",
}


def into_windows(host):
    host.run("sh", "-c", "cat >/usr/local/bin/wine-shell && chmod 755 /usr/local/bin/wine-shell", stdin=SHELL)
    # One server of Wine's for all sessions: it is found below /run/user, which would go with the last of them.
    host.run("loginctl", "enable-linger", "root")
    until(lambda: host.there("/run/user/0"))
    wine(host, "wineboot", "-i")
    host.run("usermod", "--shell", "/usr/local/bin/wine-shell", "root")


def wine(host, *argv, stdin=None):
    return host.run("env", *ENVIRONMENT, "wine", *argv, stdin=stdin)


def import_registry(host, text):
    host.run("sh", "-c", "iconv -f utf-8 -t utf-16 >/tmp/made.reg", stdin=text)
    wine(host, "reg", "import", r"Z:\tmp\made.reg")


def registry_file(values):
    """Return a file of `.reg` with values: key, name ("" for the key's own), and text, number or bytes."""
    lines = ["Windows Registry Editor Version 5.00"]
    for key, name, data in values:
        quoted = ['"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"')) for text in (name, str(data))]
        number = f"dword:{data:08x}" if isinstance(data, int) else ""
        number = f"hex:{data.hex(',')}" if isinstance(data, bytes) else number
        lines += ["", f"[{key}]", f"{quoted[0] if name else '@'}={number or quoted[1]}"]
    return "\n".join([*lines, ""])


def policies(plan):
    """A plan's browser policies as a file of `.reg`, as a domain's policy would have set them."""
    values = []
    for entry in list_policy_entries(plan):
        data = decode_entry(entry)
        assert isinstance(data, int if entry.type == DWORD_TYPE else str), entry
        values.append((f"HKEY_LOCAL_MACHINE\\{entry.key}", entry.value_name, data))
    return registry_file(value for value in values if not value[1].startswith("**"))


def browsers(*names):
    return registry_file((rf"{CLIENTS}\{item}\shell\open\command", "", f'"{PLACES[item]}"') for item in names)


def installed(key, **values):
    return registry_file((rf"{UNINSTALL}\{key}", name, value) for name, value in values.items())


def of_user(key, name, value):
    """A file of `.reg` with a value of the user who is logged in, as Wine calls the account."""
    return registry_file([(rf"HKEY_USERS\S-1-5-21-0-0-0-1000\{key}", name, value)])


def start(host, image):
    """Start a program of that image's name, which waits for a key: Wine's own cmd under another name."""
    host.run("cp", f"{PREFIX}/drive_c/windows/system32/cmd.exe", f"{PREFIX}/drive_c/{image}")
    environment = [word for item in ENVIRONMENT for word in ("--setenv", item)]
    waiting = f"sleep infinity | wine 'C:\\{image}' /c pause"
    host.run("systemd-run", "--quiet", "--unit", "made-program", *environment, "sh", "-c", waiting)
    until(lambda: image.casefold() in wine(host, "tasklist").casefold())


# What makes a Python take itself for one on macOS: it says so, and lacks what Python has on Linux only.
DARWIN = """\
import os, signal, sys
for name in ("O_PATH", "pidfd_open", "listxattr", "getxattr", "setxattr", "copy_file_range", "posix_fadvise"):
    if hasattr(os, name):
        delattr(os, name)
sys.platform = "darwin"
real = os.uname()
os.uname = lambda: os.uname_result(("Darwin", "mac", "24.6.0", "Darwin Kernel Version 24.6.0", "arm64"))
"""
PYTHON = "/usr/local/bin/python3-of-macos"
# What Ansible has it run: a streamed call (`-I -S -c <program>`), a module's file, or a module in its input.
INTERPRETER = f"""\
#!/usr/bin/python3
import os, sys
before, given = {DARWIN!r}, sys.argv[1:]
if "-c" in given:
    *options, program = given
elif given:
    run = f"import runpy; runpy.run_path({{given[0]!r}}, run_name='__main__')"
    options, program = ["-c"], f"sys.argv = {{given!r}}; {{run}}"
else:
    options, program = ["-c"], "exec(sys.stdin.read())"
os.execv("/usr/bin/python3", ["python3", *options, before + "\\n" + program])
"""
PS = """\
#!/bin/sh
test "$*" = "-axo pid=,uid=,comm=" || exit 1
cat <<'END'
    1     0 /sbin/launchd
  412     0 /usr/libexec/logd
 1010   501 /Applications/WeChat.app/Contents/MacOS/WeChat
 1011   501 /Applications/WeChat.app/Contents/MacOS/WeChatAppEx.app/Contents/MacOS/WeChatAppEx
 1102   501 /System/Library/CoreServices/Finder.app/Contents/MacOS/Finder
 2044   501 /Users/alice/Downloads/Chat.app/Contents/MacOS/Chat
END
"""


def into_mac(host):
    place(host, PYTHON, INTERPRETER.encode(), mode=0o755)
    place(host, "/bin/ps", PS.encode(), mode=0o755)
    host.run("mkdir", "-p", "/private/etc", "/Applications", "/Users/alice/Applications", "/Users/Shared")
    release = {"ProductName": "macOS", "ProductVersion": "15.6.1"}
    place(host, "/System/Library/CoreServices/SystemVersion.plist", plistlib.dumps(release))
    place(host, "/private/etc/hosts", b"127.0.0.1 localhost\n255.255.255.255 broadcasthost\n")


def bundle(host, path, identifier, **more):
    said = {"CFBundleIdentifier": identifier, "CFBundlePackageType": "APPL", **more}
    place(host, f"{path}/Contents/Info.plist", plistlib.dumps(said, fmt=plistlib.FMT_BINARY))
    place(host, f"{path}/Contents/MacOS/program", b"")


def preferences(host, plan):
    """A plan's browser policies as managed preferences, as an MDM's profile would have set them."""
    for program, said in collect_program_policies(plan).items():
        enabled = {} if program.family == "chromium" else {"EnterprisePoliciesEnabled": True}
        place(host, f"/Library/Managed Preferences/{program.domain}.plist", plistlib.dumps({**enabled, **said}))


def place(host, path, content, mode=0o644):
    text = base64.b64encode(content).decode()
    script = f'mkdir -p "$(dirname "$1")" && rm -f "$1" && base64 -d >"$1" && chmod {mode:o} "$1"'
    host.run("sh", "-c", script, "-", path, stdin=text)
