"""The loader as a program: what a host does with a stream, with what it has cached of earlier ones, and what it caches.

It runs the text of loader.py itself, which bootstrap.py has in a shorter form, with a small code in the place of the
project's.
"""

from __future__ import annotations

import json
import lzma
import marshal
import os
import signal
import subprocess
import sys
import zlib
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import proscribe
import pytest
from patience import LONGEST
from proscribe.wire import loader
from proscribe.wire.stream import RECEIVE, piped
from streams import with_program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are believed")

TEXT = Path(loader.__file__).read_text(encoding="utf-8")
PLAN = {"the": "plan"}
# `work` is one line of Python that a test has the code run. The answer has what the code was given; the cache is
# written as cache.py does it, but for the rights of the host.
CODE = {
    "proscribe": "",
    "proscribe.base": "",
    "proscribe.host": "",
    "proscribe.model": "",
    "proscribe.host.system": "class Host: pass",
    "proscribe.model.plan": "def known(plan, follows): return plan, follows",
    "proscribe.base.json_text": "from json import dumps as written",
    "proscribe.model.plan_text": "def whole(plan): return plan",
    "proscribe.host.run": (
        "import _signal, os\n"
        "from proscribe.host.system import Host\n"
        "from proscribe.inner import name\n"
        "def compliance_state(host, known, work='', record=True, grows=False, remember=False):\n"
        "    assert type(host) is Host\n"
        "    plan, follows = known\n"
        "    seen = dict(follows)\n"
        "    exec(work, {'os': os})\n"
        "    if grows: follows[str(len(follows))] = 'found out'\n"
        "    told = {'plan': plan, 'follows': seen, 'within': name, 'left': _signal.alarm(0)}\n"
        "    return {**told, 'record': {}} if record else told\n"
    ),
    "proscribe.inner": "from .further import __name__ as name",
    "proscribe.inner.further": "",
    "proscribe.later": "raise SystemExit('nobody has asked for it')",
    "proscribe.host.cache": (
        "import os\n"
        "from proscribe.host.system import Host\n"
        "def keep(host, parts):\n"
        "    assert type(host) is Host\n"
        "    os.umask(0o077)\n"
        "    for name, content in parts.items():\n"
        "        if content is None: continue\n"
        "        with open('@PLACE@/' + name, 'wb') as file: file.write(content)\n"
        "    return True\n"
    ),
}
PACKAGES = ["proscribe", "proscribe.base", "proscribe.host", "proscribe.inner", "proscribe.model"]
NAMED = f"code-{MAGIC_NUMBER.hex()}"
WITH_PLAN = f"{NAMED}-plan"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the host keeps code and plans, root's alone."""
    made = tmp_path / "proscribe" / "observe"
    made.mkdir(parents=True)
    return made


def stream(
    place: Path, code: bool = True, plan: bool = True, limit: dict[str, int] | None = None, **call: Any
) -> bytes:
    texts = {name: text.replace("@PLACE@", str(place)) for name, text in CODE.items()}
    packed = lzma.compress(json.dumps({"texts": texts, "packages": PACKAGES}).encode()) if code else b""
    packed_plan = zlib.compress(json.dumps(PLAN).encode()) if plan else b""
    head = {"code": "code", "plan": "plan", "call": call, **(limit or {})}
    return piped(TEXT.replace(loader.PLACE, str(place)), head, packed, packed_plan)


PROGRAM = [sys.executable, "-I", "-S", "-c", RECEIVE]


def answered(place: Path, **options: Any) -> dict[str, Any]:
    """The answer of a host to a stream."""
    done = subprocess.run(PROGRAM, input=stream(place, **options), capture_output=True, check=True)
    assert done.stderr == b""
    before, line = done.stdout.decode().split("\n", 1)
    assert before == "" and line.startswith("proscribe-answer:") and line.endswith("}\n")
    return json.loads(line.removeprefix("proscribe-answer:"))


def cached(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


SEEN = {"plan": PLAN, "follows": {}, "within": "proscribe.inner.further", "left": 0, "record": {}}
LACKING = {"lacking": True}


def test_a_stream_with_all_that_it_needs_is_answered_and_nothing_is_left_behind(place):
    assert answered(place) == {**SEEN, "cached": False}
    assert cached(place) == {}


def test_what_is_cached_is_used_with_what_followed_from_the_plan_and_written_once(place):
    """A second writing would cost each host a disk access with every run, and the code must not be lost by it."""
    assert answered(place, code=False, plan=False, remember=True) == LACKING and cached(place) == {}
    assert answered(place, remember=True, grows=True) == {**SEEN, "cached": True}
    first = cached(place)
    assert sorted(first) == [NAMED, WITH_PLAN]
    assert sorted(marshal.loads(first[NAMED])) == sorted(CODE), "also what this run did not need: the next one may"
    assert marshal.loads(first[WITH_PLAN]) == (PLAN, {"0": "found out"})
    known = {**SEEN, "follows": {"0": "found out"}}
    times = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    for remember in (False, True):
        assert answered(place, code=False, plan=False, remember=remember) == {**known, "cached": True}
        assert answered(place, code=False, plan=False, grows=not remember) == {**known, "cached": True}
    assert {path.name: path.stat().st_mtime_ns for path in place.iterdir()} == times


def test_what_an_enforcing_run_finds_out_more_is_cached_and_the_code_stays(place):
    answered(place, remember=True)
    code = cached(place)[NAMED]
    assert answered(place, code=False, plan=False, remember=True, grows=True) == {**SEEN, "cached": True}
    assert cached(place)[NAMED] == code
    assert marshal.loads(cached(place)[WITH_PLAN]) == (PLAN, {"0": "found out"})


def test_a_run_that_failed_is_not_cached(place):
    """Its plan may be one that the host refused."""
    without_record = {key: value for key, value in SEEN.items() if key != "record"}
    assert answered(place, remember=True, record=False) == {**without_record, "cached": False}
    assert cached(place) == {}


def test_what_is_sent_comes_before_what_is_cached(place):
    answered(place, remember=True, grows=True)
    assert answered(place) == {**SEEN, "cached": False}, "its plan is another one, whatever its name"
    assert answered(place, code=False) == {**SEEN, "cached": False}
    assert answered(place, plan=False) == {**SEEN, "follows": {"0": "found out"}, "cached": False}
    assert answered(place, code=False, remember=True) == {**SEEN, "cached": True}, "and takes its place"
    assert marshal.loads(cached(place)[WITH_PLAN]) == (PLAN, {})


@pytest.mark.parametrize("gone", [NAMED, WITH_PLAN])
def test_a_host_that_has_half_of_it_lacks_it(place, gone):
    """The controller then sends both, whichever is lacking."""
    answered(place, remember=True)
    (place / gone).unlink()
    assert answered(place, code=False, plan=False) == LACKING
    assert answered(place, code=gone == NAMED, plan=gone == WITH_PLAN)["plan"] == PLAN


# What a full disk, a host that lost power, or another Python leaves; each is another error of marshal's.
@pytest.mark.parametrize(
    "content", [b"", b"no code", marshal.dumps(PLAN)[:-1], b"(\xff\xff\xff\xff", b"\x5b\x01\x00\x00\x000"]
)
@pytest.mark.parametrize("which", [NAMED, WITH_PLAN])
def test_a_damaged_file_is_none(place, which, content):
    answered(place, remember=True)
    (place / which).write_bytes(content)
    assert answered(place, code=False, plan=False) == LACKING


@pytest.mark.parametrize("above", [0, 1, 2], ids=["file", "directory", "directory above"])
@pytest.mark.parametrize(("mode", "owner"), [(0o720, 0), (0o702, 0), (0o700, 65534)])
def test_what_others_can_write_or_rename_is_not_run(place, above, mode, owner):
    answered(place, remember=True)
    theirs = [place / NAMED, place, place.parent][above]
    assert answered(place, code=False, plan=False)["cached"] is True
    os.chown(theirs, owner, owner)
    theirs.chmod(mode)
    assert answered(place, code=False, plan=False) == LACKING


def test_a_link_in_the_place_of_what_is_cached_is_not_followed(place):
    """Root's own file at the end of it may be of another time."""
    answered(place, remember=True)
    old = place / "old"
    (place / NAMED).rename(old)
    (place / NAMED).symlink_to(old)
    assert answered(place, code=False, plan=False) == LACKING
    old.rename(place / NAMED)
    elsewhere = place.with_name("elsewhere")
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert answered(place, code=False, plan=False) == LACKING


def test_a_pipe_in_the_place_of_what_is_cached_does_not_hold_the_host(place):
    os.mkfifo(place / NAMED, 0o600)
    done = subprocess.run(PROGRAM, input=stream(place, False, False), capture_output=True, check=True, timeout=LONGEST)
    assert json.loads(done.stdout.decode().partition(":")[2]) == LACKING


def test_a_call_that_takes_too_long_ends_its_process(place):
    """Whatever the process that started it has made of the signal."""
    ignoring = ["sh", "-c", 'trap "" ALRM; exec "$@"', "sh"]
    sent = stream(place, limit={"seconds": 1}, work="import time; time.sleep(60)")
    done = subprocess.run([*ignoring, *PROGRAM], input=sent, capture_output=True, timeout=LONGEST)
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, b"")
    assert 0 < answered(place, limit={"seconds": 300})["left"] <= 300
    assert answered(place, limit={"seconds": 0})["left"] == 0


def test_nothing_is_torn_down_and_nothing_collected_in_a_process_that_ends(place):
    """Both would cost every host time. A process that a library left running must not hold the answer either."""
    work = (
        "import atexit, gc, threading, time; atexit.register(print, 'torn down'); gc.isenabled() and print('collects')"
    )
    assert answered(place, work=work)["plan"] == PLAN


def test_who_calls_it_instead_has_no_alarm_afterwards(place):
    """The module, where a connection cannot pipe; Ansible's process goes on after it."""
    calling = (
        "import signal\nfrom proscribe.wire import loader\n"
        "head = {'code': 'x', 'plan': 'x', 'call': {}, 'seconds': 300}\n"
        "print(loader.answered(head, b'', b''), signal.alarm(0))\n"
    )
    package = str(Path(proscribe.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", calling], env={"PYTHONPATH": package}, capture_output=True, check=True)
    assert done.stdout.decode() == "{'lacking': True} 0\n"


def test_the_code_comes_before_what_else_has_its_name(place):
    """Of a module that is installed on the host by chance, nothing is used."""
    other = place / "other"
    (other / "proscribe").mkdir(parents=True)
    (other / "proscribe" / "__init__.py").write_text("raise SystemExit('another one')")
    text = TEXT.replace("import gc\n", f"import gc, sys\nsys.path.insert(0, {str(other)!r})\n", 1)
    done = subprocess.run(PROGRAM, input=with_program(stream(place), text), capture_output=True, check=True)
    assert json.loads(done.stdout.decode().partition(":")[2])["plan"] == PLAN


def test_a_module_is_a_package_where_the_stream_says_so_and_is_compiled_as_it_is_written(place):
    """Its annotations are those of its own `__future__`, not of the loader's."""
    sources = {"texts": {"x": "def f(a: int): pass", "x.y": "from __future__ import annotations\ndef f(a: int): pass"}}
    modules = loader.Modules({}, {**sources, "packages": ["x"]})
    package, inner = (modules.find_spec(name) for name in ("x", "x.y"))
    assert package and package.submodule_search_locations == [] and package.origin == "x"
    assert inner and inner.submodule_search_locations is None and inner.origin == "x.y"
    for name, annotation in (("x", int), ("x.y", "int")):
        made = type(os)(name)
        modules.exec_module(made)
        assert made.f.__annotations__ == {"a": annotation}
