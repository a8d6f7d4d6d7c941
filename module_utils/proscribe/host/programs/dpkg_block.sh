#!/bin/sh
# @WRITTEN_BY@
#
# dpkg runs this before it changes anything: @CONFIGURATION@, and pre-invoke in dpkg(1).
# It ends with 9 to refuse a restricted package. With any other end dpkg goes on, so that no fault in here stops an
# update. $1 is the process id of dpkg. A hook is not told what is to be installed: dpkg's own command line says it.

PATH=/usr/sbin:/usr/bin:/sbin:/bin # whatever is in the way of whoever calls dpkg
export PATH
list=@LIST@
paths=@PATHS@

tell() {
    logger -t proscribe -p "auth.$1" -- "$2" 2>/dev/null || :
}

# dpkg-gate --archives PID RECURSIVE ARGUMENT...: what the archives among dpkg's arguments say that they are, and for
# those that apt did not fetch what is in them: a repository does not rename what it has, a person may.
if [ "$1" = --archives ]; then
    dpkg=$2 recursive=$3
    shift 3
    for archive; do
        case $archive in
            /dev/stdin) archive=/proc/$dpkg/fd/0 ;;
            /dev/fd/* | /proc/self/fd/*) archive=/proc/$dpkg/fd/${archive##*/} ;;
            /*) ;;
            *) archive=./$archive ;;
        esac
        if [ -f "$archive" ]; then
            dpkg-deb --show --showformat 'package ${Package} ${Version} ${Provides}\n' "$archive" 2>/dev/null ||
                continue
            case $(readlink -f -- "$archive") in
                /var/cache/apt/archives/*) continue ;;
            esac
            grep -q '^/' "$paths" 2>/dev/null || continue
            dpkg-deb --fsys-tarfile "$archive" 2>/dev/null | tar --list 2>/dev/null | sed 's,^\.*/*,file /,'
        elif [ "$recursive" = yes ] && [ -d "$archive" ]; then
            find -L "$archive" -type f -name '*.deb' -exec "$0" --archives "$dpkg" no {} +
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
    function plain(path) {
        gsub(/\/(\.?\/)+/, "/", path)
        sub(/\/$/, "", path)
        return path ~ /^\/(bin|sbin|lib|lib32|lib64)(\/|$)/ ? "/usr" path : path
    }
    BEGIN {
        while ((getline line < list) > 0) if (line !~ /^(#|$)/) restricted[line]
        while ((getline line < paths) > 0) if (line ~ /^\//) places[plain(line)]
    }
    /^file / {
        path = decided ? "" : plain(substr($0, 6))
        for (; path != ""; sub(/\/[^\/]*$/, "", path))
            if (path in places) { print package, path; decided = 1; break }
        next
    }
    /^package / {
        package = $2
        decided = ($2 " " $3) in restricted
        if (!decided && package in restricted) { print package, package; decided = 1 }
        sub(/^package [^ ]* [^ ]*/, "")
    }
    !decided {  # what it provides, in one line or in several
        count = split($0, names, /,/)
        for (i = 1; i <= count; i++) {
            sub(/^ +/, "", names[i])
            sub(/[ (:].*/, "", names[i])
            if (names[i] in restricted) { print package, names[i]; decided = 1; break }
        }
    }')
[ -n "$offers" ] || exit 0

refused=no
while read -r package name; do
    # What is still installed may be updated: to refuse that would only keep the old version, and stop every other
    # update that comes with it.
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        ?[!nc]*) continue ;;
    esac
    refused=yes
    case $name in
        "$package") what=$package ;;
        /*) what="$package (which has $name in it)" ;;
        *) what="$package (which provides $name)" ;;
    esac
    echo "proscribe: the policy of this organisation does not allow $what on this host" >&2
    [ "$package" = @TRIAL@ ] || tell notice "the package gate refused $what"
done <<END
$offers
END
[ "$refused" = yes ] || exit 0
echo "proscribe: nothing was installed; ask $(sed -n 2p @CONTACT@ 2>/dev/null)" >&2
sed -n '3,$s/^/proscribe: /p' @CONTACT@ >&2 2>/dev/null || :
exit 9
