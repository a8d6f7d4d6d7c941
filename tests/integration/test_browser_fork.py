"""A made relative of Chromium, with a policy folder of its own that no table has: found in its binary, and kept."""

import os
from pathlib import Path

from browser_setup import enforce, lift, real_plan, unmet, visits
from conftest import missing, require_tool
from proscribe.host.controls.browser import probe
from proscribe.host.system import Host

CHROMIUM = Path("/usr/lib/chromium")
ITS, OURS = b"/etc/chromium/policies\0", b"/etc/nightowl/policies\0"  # of one length
ENTRY = """\
[Desktop Entry]
Type=Application
Name=Nightowl
Exec=/usr/bin/nightowl %U
MimeType=text/html;x-scheme-handler/http;x-scheme-handler/https;
"""
URLS = ["https://mail.google.com/", "https://www.example.org/"]


def install_nightowl(tree: Path) -> Path:
    """Chromium's own files, but for the folder that the binary reads its policies in; returns the binary."""
    folder = tree / "usr/lib/nightowl"
    folder.mkdir(parents=True)
    for file in CHROMIUM.iterdir():
        if file.name not in ("chromium", "extensions"):
            (folder / file.name).symlink_to(file)
    content = (CHROMIUM / "chromium").read_bytes()
    assert content.count(ITS) == 1
    binary = folder / "nightowl"
    binary.write_bytes(content.replace(ITS, OURS))
    binary.chmod(0o755)
    (tree / "usr/bin").mkdir()
    (tree / "usr/bin/nightowl").symlink_to("../lib/nightowl/nightowl")
    (tree / "usr/share/applications").mkdir(parents=True)
    (tree / "usr/share/applications/nightowl.desktop").write_text(ENTRY)
    return binary


def test_an_unknown_relative_of_chromium_gets_its_policy_and_obeys_it(tree):
    require_tool("chromium")
    if not os.path.exists(CHROMIUM / "chromium"):
        missing("needs Debian's chromium, with its binary in /usr/lib/chromium")
    binary = install_nightowl(tree)
    plan = real_plan()
    file = tree / "etc/nightowl/policies/managed/proscribe.json"
    enforce(tree, plan)
    assert file.is_file() and unmet(tree, plan) == []
    assert "/usr/lib/nightowl/nightowl" in [one.binary for one in probe.candidates(Host(str(tree)), plan)]
    # Chromium's own folder is taken away, so that it is the found one that counts.
    (tree / "etc/chromium/policies/managed/proscribe.json").unlink()
    found = visits(tree, "chromium", URLS, "--executable", str(binary))
    assert [hits > 0 for hits, _ in found.values()] == [False, True]
    assert found[URLS[0]][1] == "net::ERR_BLOCKED_BY_ADMINISTRATOR"
    lift(tree, plan)
    assert not (tree / "etc/nightowl").exists()
    assert visits(tree, "chromium", URLS, "--executable", str(binary))[URLS[0]][0] > 0
