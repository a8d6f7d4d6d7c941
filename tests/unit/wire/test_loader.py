"""The loader: the modules that it finds, the files that it opens, its answers to streams, its cache."""

import ast
import gc
import importlib
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

import proscribe
import pytest
from patience import LONGEST
from proscribe.wire import loader
from proscribe.wire.stream import BOOTSTRAP, REPLYING_PROGRAM, pack_for_pipe

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are believed")

OLDEST = (3, 9)
SOURCES = {"texts": {"example": "value = 1", "example.two": "value = 2"}, "packages": ["example"]}


@pytest.fixture
def install(monkeypatch):
    """Put a finder where Python asks it, until the test ends."""

    def put(modules):
        monkeypatch.setattr(sys, "meta_path", [modules, *sys.meta_path])

    yield put
    for name in [name for name in sys.modules if name.startswith("example")]:
        del sys.modules[name]


def test_bootstrap_is_the_file_without_texts_for_people():
    tree = ast.parse(BOOTSTRAP, feature_version=OLDEST)
    assert "#" not in BOOTSTRAP and "@PLACE@" not in BOOTSTRAP and '"""' not in BOOTSTRAP
    assert not [node for node in ast.walk(tree) if getattr(node, "annotation", None) or getattr(node, "returns", None)]
    own = ast.parse(Path(loader.__file__).read_text(encoding="utf-8"))
    names = [[node.name for node in ast.walk(t) if isinstance(node, ast.FunctionDef)] for t in (tree, own)]
    assert names[0] == names[1]


def test_bootstrap_imports_few_modules():
    names = {alias.name for node in ast.parse(BOOTSTRAP).body if isinstance(node, ast.Import) for alias in node.names}
    assert names == {"_signal", "gc", "marshal", "os", "sys"}


def test_import_of_the_loader_changes_no_controller():
    before = list(sys.meta_path)
    importlib.reload(loader)
    assert gc.isenabled() and sys.meta_path == before


def test_modules_come_out_of_sources_or_of_the_cache(install):
    sent = loader.ModuleFinder({}, SOURCES)
    install(sent)
    assert importlib.import_module("example.two").value == 2
    stored = marshal.loads(sent.marshal_modules() or b"")
    assert sorted(stored) == ["example", "example.two"]
    for name in stored:
        del sys.modules[name]
    again = loader.ModuleFinder(stored, None)
    install(again)
    assert importlib.import_module("example.two").value == 2 and again.marshal_modules() is None
    assert again.find_spec("json") is None and sent.find_spec("json") is None


@needs_root
def test_file_that_another_account_can_write_is_not_opened(tmp_path):
    file = tmp_path / "file"
    file.touch(0o600)
    os.close(loader.open_root_file(str(file), 0))
    for mode, owner in ((0o620, 0), (0o602, 0), (0o600, 65534)):
        file.chmod(mode)
        os.chown(file, owner, owner)
        with pytest.raises(OSError):
            loader.open_root_file(str(file), 0)


# -- the loader as a program: streams to a host, and its cache

TEXT = Path(loader.__file__).read_text(encoding="utf-8")
PLAN = {"the": "plan"}
PACKAGES = ["proscribe", "proscribe.base", "proscribe.host", "proscribe.model"]
# `work` is one line of Python that the code runs. The answer has its arguments; the cache is written as by cache.py.
CODE = {
    **dict.fromkeys(PACKAGES, ""),
    "proscribe.host.system": "class Host: pass",
    "proscribe.model.plan": "def add_cache(plan, follows): return plan, follows",
    "proscribe.base.json_text": "from json import dumps as format_json",
    "proscribe.model.plan_text": "def expand_plan(plan): return plan",
    "proscribe.host.host_operations": (
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
    "proscribe.later": "raise SystemExit('it is not needed')",
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


@pytest.fixture
def place(tmp_path):
    """The folder of a host for code and plans, which is root's alone."""
    folder = tmp_path / "proscribe" / "observe"
    folder.mkdir(parents=True)
    return folder


def make_stream(place, code=True, plan=True, limit=None, **call):
    texts = {name: text.replace("@PLACE@", str(place)) for name, text in CODE.items()}
    sources = json.dumps({"texts": texts, "packages": [*PACKAGES, "proscribe.inner"]}).encode()
    packed = lzma.compress(sources) if code else b""
    packed_plan = zlib.compress(json.dumps(PLAN).encode()) if plan else b""
    head = {"code": "code", "plan": "plan", "call": call, **(limit or {})}
    return pack_for_pipe(TEXT.replace(loader.CACHE_DIRECTORY, str(place)), head, packed, packed_plan)


PROGRAM = [sys.executable, "-I", "-S", "-c", REPLYING_PROGRAM]


def ask(place, **options):
    done = subprocess.run(PROGRAM, input=make_stream(place, **options), capture_output=True, check=True)
    assert done.stderr == b""
    before, line = done.stdout.decode().split("\n", 1)
    assert before == "" and line.startswith("proscribe-answer:") and line.endswith("}\n")
    return json.loads(line.removeprefix("proscribe-answer:"))


def read_cache(place):
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


SEEN = {"plan": PLAN, "follows": {}, "within": "proscribe.inner.further", "left": 0, "record": {}}
NAMED = f"code-{MAGIC_NUMBER.hex()}"
WITH_PLAN = f"{NAMED}-plan"
LACKING = {"lacking": True}


@needs_root
def test_cached_code_and_plan_are_used_and_written_once(place):
    # A second writing would cost each host a disk access with every run.
    assert ask(place) == {**SEEN, "cached": False} and read_cache(place) == {}
    assert ask(place, code=False, plan=False, remember=True) == LACKING and read_cache(place) == {}
    failed = ask(place, remember=True, record=False)  # its plan may be one that the host refused
    assert failed.pop("cached") is False and {**failed, "record": {}} == SEEN and read_cache(place) == {}
    assert ask(place, remember=True, grows=True) == {**SEEN, "cached": True}
    first = read_cache(place)
    assert sorted(first) == [NAMED, WITH_PLAN] and sorted(marshal.loads(first[NAMED])) == sorted(CODE)
    times = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    for remember in (False, True):
        answer = ask(place, code=False, plan=False, remember=remember, grows=not remember)
        assert answer == {**SEEN, "follows": {"0": "found out"}, "cached": True}
    assert {path.name: path.stat().st_mtime_ns for path in place.iterdir()} == times
    assert ask(place, plan=False) == {**SEEN, "follows": {"0": "found out"}, "cached": False}
    for code in (True, False):
        assert ask(place, code=code) == {**SEEN, "cached": False}, "a plan that is sent comes before the cached one"
    more = ask(place, code=False, plan=False, remember=True, grows=True)
    assert more == {**SEEN, "follows": {"0": "found out"}, "cached": True} and read_cache(place)[NAMED] == first[NAMED]
    assert marshal.loads(read_cache(place)[WITH_PLAN]) == (PLAN, {"0": "found out", "1": "found out"})
    assert ask(place, code=False, remember=True) == {**SEEN, "cached": True}, "and takes its place"
    assert marshal.loads(read_cache(place)[WITH_PLAN]) == (PLAN, {})


@needs_root
@pytest.mark.parametrize("content", [None, b"", b"no code", b"(\xff\xff\xff\xff", b"\x5b\x01\x00\x00\x000"])
@pytest.mark.parametrize("name", [NAMED, WITH_PLAN])
def test_damaged_or_missing_file_of_the_cache_is_lacking(place, name, content):
    # A full disk, a lost power supply or another Python leaves it; each is another error of marshal's.
    ask(place, remember=True)
    (place / name).unlink() if content is None else (place / name).write_bytes(content)
    assert ask(place, code=False, plan=False) == LACKING


@needs_root
@pytest.mark.parametrize("above", [0, 1, 2], ids=["file", "directory", "directory above"])
@pytest.mark.parametrize(("mode", "owner"), [(0o720, 0), (0o702, 0), (0o700, 65534)])
def test_cached_file_that_others_can_write_or_rename_is_not_run(place, above, mode, owner):
    ask(place, remember=True)
    theirs = [place / NAMED, place, place.parent][above]
    assert ask(place, code=False, plan=False)["cached"] is True
    os.chown(theirs, owner, owner)
    theirs.chmod(mode)
    assert ask(place, code=False, plan=False) == LACKING


@needs_root
def test_link_or_pipe_in_the_place_of_a_cached_file_is_not_followed(place):
    ask(place, remember=True)
    (place / NAMED).symlink_to((place / NAMED).rename(place / "old"))
    assert ask(place, code=False, plan=False) == LACKING
    (place / NAMED).unlink()
    os.mkfifo(place / NAMED, 0o600)
    assert ask(place, code=False, plan=False) == LACKING


@pytest.mark.slow
@needs_root
def test_call_that_takes_too_long_ends_its_process(place):
    ignoring = ["sh", "-c", 'trap "" ALRM; exec "$@"', "sh"]
    stream = make_stream(place, limit={"seconds": 1}, work="import time; time.sleep(60)")
    done = subprocess.run([*ignoring, *PROGRAM], input=stream, capture_output=True, timeout=LONGEST)
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, b"")
    assert 0 < ask(place, limit={"seconds": 300})["left"] <= 300


def test_caller_of_the_loader_has_no_alarm_afterwards():
    # The module calls it where a connection cannot pipe; Ansible's process goes on after it.
    calling = (
        "import signal\nfrom proscribe.wire import loader\n"
        "head = {'code': 'x', 'plan': 'x', 'call': {}, 'seconds': 300}\n"
        "print(loader.run_call(head, b'', b''), signal.alarm(0))\n"
    )
    package = str(Path(proscribe.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", calling], env={"PYTHONPATH": package}, capture_output=True, check=True)
    assert done.stdout.decode() == "{'lacking': True} 0\n"
