"""Debian packages: dpkg's own database, and a gate in dpkg that apt cannot go round."""

from __future__ import annotations

from typing import AbstractSet, Callable, Mapping, Sequence

from ....host import WRITTEN_BY, Host, Process, User
from ...base import Action
from ..blocks.contact import whom
from ..blocks.parts import GateFile
from ..blocks.polkit import packagekit
from .declaration import Claim, Declared, Ids, Route
from .package import Package, place

MANAGER = "dpkg"
CATALOGUE_KEY = "apt"
DATABASE = "/var/lib/dpkg"
# The second one has what is not in the first one yet.
DATABASE_FILES: tuple[str, ...] = (f"{DATABASE}/status", f"{DATABASE}/updates")
FORMAT = "${db:Status-Abbrev}\t${Package}\t${binary:Package}\t${Version}\n"


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    if not ids or not gated(host):
        return [], ""
    found = parse(host.must(["dpkg-query", "-W", "-f", FORMAT]), ids)
    return [package._replace(path=place(_files(host, package))) for package in found], ""


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""  # it installs for the whole host


def trees(host: Host, user: User | None) -> Sequence[str]:
    return ()  # they lie where the file scan does not look


def parse(listing: str, ids: AbstractSet[str]) -> list[Package]:
    """The installed ones of some packages, from lines in FORMAT.

    The first letter of a status is what was asked for (h is hold), the second what is so: everything but n (not there)
    and c (only configuration files are left) has files on the disk, half-installed ones too; see dpkg-query(1).
    """
    found = []
    for line in listing.splitlines():
        status, name, handle, version = line.split("\t")
        if name in ids and status[1] not in "nc":
            found.append(Package(MANAGER, name, version, (handle,), held=status[0] == "h"))
    return found


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    files: dict[str, str] = {}
    for package in packages:
        files.update(dict.fromkeys(_files(host, package), package.id))
    return lambda process: files[process.exe] if process.exe in files and host.shares_root(process) else ""


def _files(host: Host, package: Package) -> list[str]:
    """What a package consists of. Its handle names the list if the package is Multi-Arch: same."""
    names = dict.fromkeys((package.id, *package.handles))
    return [file for name in names for file in (host.text(f"{DATABASE}/info/{name}.list") or "").splitlines()]


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    from . import dpkg_removal

    return dpkg_removal.removal(host, packages)


def there(host: Host, user: User | None) -> bool:
    return user is None and host.stat(f"{DATABASE}/status") is not None


def gated(host: Host) -> bool:
    return host.stat(f"{DATABASE}/status") is not None and host.tool("dpkg-query") is not None


LIST = "/etc/proscribe/restricted-packages"
PATHS = "/etc/proscribe/restricted-paths"
CONTACT = "/etc/proscribe/contact"
SCRIPT = "/usr/libexec/proscribe/dpkg-gate"
# dpkg reads only files whose names consist of letters, digits, "-" and "_" here, and says nothing about others.
CONFIGURATION = "/etc/dpkg/dpkg.cfg.d/proscribe"


def gate(
    ids: AbstractSet[str],
    contact: str,
    permitted: Mapping[str, Sequence[str]] = {},
    paths: Sequence[str] = (),
    notices: Sequence[str] = (),
) -> tuple[GateFile, ...]:
    return (
        # A line is a name that is refused, or a name and a version of it that is not.
        GateFile(
            LIST,
            f"# {WRITTEN_BY}\n"
            + "".join(f"{name}\n" for name in sorted(ids))
            + "".join(f"{name} {version}\n" for name in sorted(permitted) for version in permitted[name]),
        ),
        GateFile(PATHS, f"# {WRITTEN_BY}\n" + "".join(f"{path}\n" for path in sorted(paths) if path.isprintable())),
        # Whom to ask is the second line, and what follows are the organisation's own words.
        GateFile(CONTACT, "".join(f"{line}\n" for line in (f"# {WRITTEN_BY}", whom(contact), *notices))),
        GateFile(SCRIPT, GATE, 0o755),
        # The trial is a whole check, of a command line that installs nothing.
        GateFile(
            CONFIGURATION, HOOK, trial=(SCRIPT, "--check", "self"), environment=(("DPKG_HOOK_ACTION", "install"),)
        ),
        packagekit(MANAGER, ids - permitted.keys(), contact),
    )


# dpkg runs a hook through `sh -c`, so that the parent of that shell is dpkg itself. A hook that fails stops dpkg for
# every package of the host: only the gate's own 9 may do that, not a gate that is missing or broken.
HOOK = f"""\
# {WRITTEN_BY}
# Refuses restricted packages. Remove this file before the script that it names.
pre-invoke={SCRIPT} $PPID || test $? -ne 9
"""

GATE = rf"""#!/bin/sh
# {WRITTEN_BY}
#
# dpkg runs this before it changes anything: {CONFIGURATION}, and pre-invoke in dpkg(1).
# It ends with 9 to refuse a restricted package. With any other end dpkg goes on, so that no fault in here stops an
# update. $1 is the process id of dpkg. A hook is not told what is to be installed: dpkg's own command line says it.

list={LIST}
paths={PATHS}

tell() {{
    logger -t proscribe -p "auth.$1" -- "$2" 2>/dev/null || :
}}

# dpkg-gate --archives PID RECURSIVE ARGUMENT...: what the archives among dpkg's arguments say that they are, and for
# those that apt did not fetch what is in them: a repository does not rename what it has, a person may.
if [ "$1" = --archives ]; then
    dpkg=$2 recursive=$3
    shift 3
    for archive; do
        case $archive in
            /dev/stdin) archive=/proc/$dpkg/fd/0 ;;
            /dev/fd/* | /proc/self/fd/*) archive=/proc/$dpkg/fd/${{archive##*/}} ;;
            /*) ;;
            *) archive=./$archive ;;
        esac
        if [ -f "$archive" ]; then
            dpkg-deb --show --showformat 'package ${{Package}} ${{Version}} ${{Provides}}\n' "$archive" 2>/dev/null ||
                continue
            case $(readlink -f -- "$archive") in
                /var/cache/apt/archives/*) continue ;;
            esac
            grep -q '^/' "$paths" 2>/dev/null || continue
            dpkg-deb --fsys-tarfile "$archive" 2>/dev/null | tar --list 2>/dev/null | sed 's,^\.*/*,file /,'
        elif [ "$recursive" = yes ] && [ -d "$archive" ]; then
            find -L "$archive" -type f -name '*.deb' -exec "$0" --archives "$dpkg" no {{}} +
        fi
    done
    exit 0
fi

case $DPKG_HOOK_ACTION in
    install | unpack) ;;
    *) exit 0 ;;
esac

# dpkg-gate PID: what dpkg calls. A check that gets stuck (an archive on a dead network mount) must not get dpkg stuck.
if [ "$1" != --check ]; then
    timeout 300 "$0" --check "$1"
    result=$?
    case $result in
        0 | 9) exit "$result" ;;
    esac
    tell err "the package gate failed with $result, and let dpkg pass"
    exit 0
fi

# dpkg-gate --check PID
dpkg=$2
command_line=/proc/$dpkg/cmdline
if ! [ -r "$list" ] || ! [ -r "$command_line" ]; then
    tell err "the package gate cannot read $list and $command_line, and let dpkg pass"
    exit 0
fi
recursive=no
if tr '\0' '\n' <"$command_line" | grep -Eqx -e '--recursive|-[[:alnum:]]*R[[:alnum:]]*'; then
    recursive=yes
fi

# A line for each archive that is, or provides, something on the list, or has one of the paths in it: its own name, and
# the name or the path. What a waiver lets in by its version is not looked into.
offers=$(xargs -0 "$0" --archives "$dpkg" "$recursive" <"$command_line" | awk -v list="$list" -v paths="$paths" '
    function plain(path) {{
        gsub(/\/(\.?\/)+/, "/", path)
        sub(/\/$/, "", path)
        return path ~ /^\/(bin|sbin|lib|lib32|lib64)(\/|$)/ ? "/usr" path : path
    }}
    BEGIN {{
        while ((getline line < list) > 0) if (line !~ /^(#|$)/) restricted[line]
        while ((getline line < paths) > 0) if (line ~ /^\//) places[plain(line)]
    }}
    /^file / {{
        path = decided ? "" : plain(substr($0, 6))
        for (; path != ""; sub(/\/[^\/]*$/, "", path))
            if (path in places) {{ print package, path; decided = 1; break }}
        next
    }}
    /^package / {{
        package = $2
        decided = ($2 " " $3) in restricted
        if (!decided && package in restricted) {{ print package, package; decided = 1 }}
        sub(/^package [^ ]* [^ ]*/, "")
    }}
    !decided {{  # what it provides, in one line or in several
        count = split($0, names, /,/)
        for (i = 1; i <= count; i++) {{
            sub(/^ +/, "", names[i])
            sub(/[ (:].*/, "", names[i])
            if (names[i] in restricted) {{ print package, names[i]; decided = 1; break }}
        }}
    }}')
[ -n "$offers" ] || exit 0

refused=no
while read -r package name; do
    # What is still installed may be updated: to refuse that would only keep the old version, and stop every other
    # update that comes with it.
    case $(dpkg-query -W -f '${{db:Status-Abbrev}}' "$package" 2>/dev/null) in
        ?[!nc]*) continue ;;
    esac
    refused=yes
    case $name in
        "$package") what=$package ;;
        /*) what="$package (which has $name in it)" ;;
        *) what="$package (which provides $name)" ;;
    esac
    echo "proscribe: the policy of this organisation does not allow $what on this host" >&2
    tell notice "the package gate refused $what"
done <<END
$offers
END
[ "$refused" = yes ] || exit 0
echo "proscribe: nothing was installed; ask $(sed -n 2p {CONTACT} 2>/dev/null)" >&2
sed -n '3,$s/^/proscribe: /p' {CONTACT} >&2 2>/dev/null || :
exit 9
"""


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=Ids(
            pattern=r"[a-z0-9][a-z0-9+.-]{1,99}",
            meaning="a Debian package name: lower case letters, digits, + . -",
            source="Debian Policy 5.6.1",
            good="telegram-desktop",
            bad=("Telegram", "a b"),
        ),
        routes=(
            Route(
                way="deb packages: apt, graphical fronts, `dpkg -i`",
                seen=Claim(
                    "dpkg's database",
                    "integration/test_apps_real_dpkg::test_audit_enforce_and_lift",
                ),
                removed=Claim(
                    "apt, simulated first; refused where more would go",
                    "integration/test_apps_real_dpkg::test_a_package_that_others_need_stays_and_the_rest_goes",
                ),
                kept_out=Claim(
                    (
                        "dpkg's `pre-invoke` hook, by name and by Provides; from a file also by the catalogue's "
                        "paths in it; polkit for users of PackageKit"
                    ),
                    "integration/test_apps_real_dpkg::test_the_gate_on_every_road",
                ),
                left=(
                    "`dpkg-deb -x` unpacks without dpkg: the walk sees what comes of it. Without `/proc` the "
                    "gate lets all pass"
                ),
            ),
        ),
        of_the_host=True,
    ),
)
