#!/bin/sh
# Makes a package by the name of a restricted one, at $1. Its program is a real executable that only sleeps.
set -eu
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/DEBIAN" "$tree/opt/wechat"
cp /bin/sleep "$tree/opt/wechat/wechat"
cat >"$tree/DEBIAN/control" <<CONTROL
Package: wechat
Version: 4.1.0
Architecture: $(dpkg --print-architecture)
Maintainer: Test <test@example.org>
Description: made for a test
CONTROL
dpkg-deb --root-owner-group --build "$tree" "$1" >/dev/null
