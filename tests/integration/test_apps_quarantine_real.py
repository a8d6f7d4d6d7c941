"""The quarantine on one real file system and between two, with owners, capabilities and extended attributes."""

import json
import subprocess
import sys
from pathlib import Path

import proscribe
import pytest
from conftest import require_root
from patience import LONGEST

# Alice's tree and what is known of it; there, back, and the same again. Prints both pictures, and where things were.
RUN = r"""
import json, os, sys
sys.path.insert(0, sys.argv[1])
root = sys.argv[2]
from proscribe.host.controls.apps.quarantine import move_in, restoration
from proscribe.host.system import Host

def picture():
    found = {}
    for folder, folders, files in os.walk(f"{root}/home/alice"):
        for name in [*folders, *files]:
            path = f"{folder}/{name}"
            seen = os.lstat(path)
            xattrs = {} if os.path.islink(path) else {key: os.getxattr(path, key).hex() for key in os.listxattr(path)}
            mtime = 0 if name == "opt" else seen.st_mtime_ns
            found[path] = [seen.st_mode, seen.st_uid, seen.st_gid, mtime, seen.st_size, seen.st_nlink, xattrs]
    return found

tree = f"{root}/home/alice/opt/wechat"
os.makedirs(f"{tree}/bin")
for name, size in (("wechat", 300_000), ("bin/helper", 10), ("bin/data", 0)):
    with open(f"{tree}/{name}", "wb") as stream:
        stream.write(os.urandom(size))
os.link(f"{tree}/bin/helper", f"{tree}/bin/same")
os.symlink("/etc/shadow", f"{tree}/link")
for folder, folders, files in os.walk(f"{root}/home/alice", topdown=False):
    for name in [*folders, *files]:
        os.chown(f"{folder}/{name}", 1234, 4321, follow_symlinks=False)
os.chmod(f"{tree}/wechat", 0o6755)
os.setxattr(f"{tree}/wechat", "user.origin", b"https://example.org\0\xff")
# cap_net_raw+ep, as setcap(8) writes it: revision 2, effective
os.setxattr(f"{tree}/bin/helper", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
os.setxattr(tree, "user.note", b"mine")
for path in (f"{tree}/wechat", f"{tree}/bin", tree):
    os.utime(path, ns=(1_500_000_000_111_222_333, 1_600_000_000_444_555_666))
before = picture()
host = Host(root)
move_in.make_move_action(host, move_in.MoveRequest("/home/alice/opt/wechat", ["wechat"], "tree")).apply()
gone = not os.path.exists(tree) and not [name for name in os.listdir(f"{root}/home") if name.startswith(".")]
kept = host.list_directory("/var/lib/proscribe/quarantine")
for action in restoration.make_restore_changes(host).actions:
    action.apply()
print(json.dumps({"before": before, "after": picture(), "gone": gone, "kept": kept}))
"""


def run(root, mounts):
    """Return what RUN prints, after these mounts below the tree."""
    for folder in ("etc", "home", "var/lib/proscribe"):
        (root / folder).mkdir(parents=True)
    (root / "etc/passwd").write_text("alice:x:1234:4321::/home/alice:/bin/sh\n")
    begin = f'set -e; cd "$1"; {mounts} exec "$2" -c "$3" "$4" "$1"'
    source = str(Path(proscribe.__file__).parents[1])
    command = ["unshare", "--mount", "sh", "-c", begin, "sh", str(root), sys.executable, RUN, source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    "mounts",
    ["", "mount -t tmpfs tmpfs home;", "mount --bind home home;"],
    ids=["one file system", "two file systems", "a second view of one"],
)
def test_there_and_back_exactly(tmp_path, mounts):
    require_root()
    report = run(tmp_path, mounts)
    assert report["gone"] and len(report["kept"]) == 2
    assert report["after"] == report["before"] and len(report["before"]) == 8
