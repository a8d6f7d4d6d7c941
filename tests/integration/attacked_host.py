"""A made host of mallory, who attacks, and bob, who is innocent and has a banned AppImage; and its observation."""

import contextlib
import datetime
import json
import os
import select
import subprocess
import sys
from pathlib import Path

from patience import BUSY
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions

HERE = Path(__file__).resolve().parent
MODULES = os.environ.get("PROSCRIBE_ATTACKED", str(HERE.parents[1] / "module_utils"))
MALLORY, BOB = 61235, 61236  # accounts that no process has
SECONDS = 20  # docs/apps.md: what one user may cost; the rest of the observation comes on top
MEGABYTES = 150


def mounts_in(root):
    """The mounts on a directory and below it, in the order in which they were made."""
    places = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [place for place in places if f"{place}/".startswith(f"{root}/")]


def compile_catalogue(**restrictions):
    """Return the plan of the own catalogue with some restrictions."""
    read = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return dict(compile_plan(read_catalogue([HERE.parents[1] / "catalog"]), read, [], datetime.date(2026, 11, 26)))


def whole_plan(directory):
    path = directory / "plan.json"
    path.write_text(json.dumps(compile_catalogue()))
    return path


def made_host(root, accounts=(("mallory", MALLORY), ("bob", BOB))):
    """The host of some accounts, each with a home, of which bob has a banned AppImage."""
    for place in ("proc/self", "etc", "run", "opt", "var/lib", *(f"home/{name}" for name, _ in accounts)):
        (root / place).mkdir(parents=True)
    (root / "etc/passwd").write_text("".join(f"{n}:x:{u}:{u}::/home/{n}:/bin/sh\n" for n, u in accounts))
    for place in ("tmp", "var/tmp", "dev/shm"):
        (root / place).mkdir(parents=True)
        (root / place).chmod(0o1777)
    image(root / "home/bob/Downloads/QQ_3.2.15_x86_64.AppImage", BOB)
    for name, uid in accounts:
        os.chown(root / "home" / name, uid, uid)


def image(path, uid):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF\x02\x01\x01\x00AI\x02" + bytes(200_000))
    path.chmod(0o755)
    os.chown(path, uid, uid)


def put(path, content=b"", size=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if size:
        os.truncate(path, size)


def observe_root(root, plan, patience=120, *more):
    command = [sys.executable, "-I", "-S", str(HERE / "observe_root.py"), MODULES, str(root), str(plan), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@contextlib.contextmanager
def running(argv, first, **options):
    """Run a process of an attack, from its first line on, while the block does."""
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
    try:
        assert select.select([process.stdout], [], [], BUSY)[0], "the attack does not begin"
        assert process.stdout.readline() == first.encode() + b"\n"
        yield process
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        process.kill()
        process.wait()


def fuse(script, place, *words):
    return running([sys.executable, str(HERE / script), str(place), str(MALLORY), *words], "mounted")
