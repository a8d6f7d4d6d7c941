#!/bin/sh
# Makes a package by the name $1 of a restricted one, at $2. Its program /opt/$1/$1 is a real executable that only sleeps.
set -eu
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/DEBIAN" "$tree/opt/$1"
cp /bin/sleep "$tree/opt/$1/$1"
cat >"$tree/DEBIAN/control" <<CONTROL
Package: $1
Version: 4.1.0
Architecture: $(dpkg --print-architecture)
Maintainer: Test <test@example.org>
Description: made for a test
CONTROL
dpkg-deb --root-owner-group --build "$tree" "$2" >/dev/null
