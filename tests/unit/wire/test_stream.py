"""Streams to hosts: the command that receives one, the code in it, hosts without the code."""

import json
import lzma
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_plans import make_plan
from proscribe.model import plan as plans
from proscribe.wire import installation, stream
from proscribe.wire.plan_store import PlanStore
from proscribe.wire.stream import (
    BOOTSTRAP,
    RECEIVER_PROGRAM,
    REPLYING_PROGRAM,
    make_payload,
    pack_macos_code,
    pack_observing_code,
    pack_watch_code,
    parse_answer,
)
from streams import with_program

MODULE = Path(__file__).resolve().parents[3] / "library" / "compliance_state.py"

PLAN = make_plan()
CALL = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": False}
TEXT = plans.format_canonical(PLAN)


def make_stream(whole, **options):
    return make_payload(
        PlanStore().make_code_part(probe=False), PlanStore().make_plan_part(TEXT), CALL, whole, **options
    )


def run_stream(stream, code=BOOTSTRAP):
    command = [sys.executable, "-I", "-S", "-c", REPLYING_PROGRAM]
    return subprocess.run(command, input=with_program(stream, code), capture_output=True)


def test_module_without_its_action_names_the_action_plugin(tmp_path):
    arguments = tmp_path / "arguments"
    arguments.write_text(json.dumps({"plan": PLAN}))
    done = subprocess.run([sys.executable, str(MODULE), str(arguments)], capture_output=True)
    assert (done.returncode, json.loads(done.stdout)["failed"]) == (1, True)
    assert "action plugin" in json.loads(done.stdout)["msg"]


@pytest.mark.parametrize("command", [RECEIVER_PROGRAM, REPLYING_PROGRAM])
def test_command_has_no_character_that_a_shell_reads(command):
    # Between double quotes, within single ones: as a word of every shell's, csh and fish too.
    assert not set(command) & set("\n\r'\"!$`\\")


@pytest.mark.parametrize("shell", [["sh"], ["bash"]], ids=" ".join)
@pytest.mark.parametrize("lost", [0, 1], ids=["all", "but its first line"])
def test_shell_that_reads_the_stream_does_nothing(tmp_path, shell, lost):
    # It ends at once; a shell whose profile has read the first line finds a word that is no command.
    stream = make_stream(whole=True).split(b"\n", lost)[-1]
    done = subprocess.run(shell, input=stream, capture_output=True, cwd=tmp_path, env={"HOME": str(tmp_path)})
    assert (done.stdout, list(tmp_path.iterdir())) == (b"", [])
    assert lost or done.returncode == 0


def test_host_without_the_code_answers_that_it_lacks_it():
    assert parse_answer(run_stream(make_stream(whole=False)).stdout.decode()) == {"lacking": True}


@pytest.mark.slow
@pytest.mark.parametrize("work", ["__import__('time').sleep(60)", "__import__('re').match('(a+)+$', 'a' * 60 + 'b')"])
def test_observation_that_takes_too_long_is_ended_by_the_host_itself(work):
    code = BOOTSTRAP.replace(" sources = None\n", f" {work}\n sources = None\n")
    done = run_stream(make_stream(whole=True, seconds=1), code)
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, b"")


CHANGES = {
    *("apply_changes", "change", "change_directory", "plan_removal", "restore", "restore_entry", "write_down"),
    *("enforce", "enforce_firewall", "enforce_group_policy", "enforce_hosts_file"),
    *("lift", "lift_firewall", "lift_group_policy", "lift_hosts_file"),
}
CALLED = {"add_cache", "compliance_state", "expand_plan", "format_json", "Host", "keep"}  # by the loader
CODE = [
    (lambda: pack_observing_code(False), {*CALLED, "control", "observe"}, 22),
    (lambda: pack_observing_code(True), {*CALLED, "control", "observe", "probed"}, 22),
    (pack_macos_code, {*CALLED, "on_macos"}, 14),
    (pack_watch_code, {*CHANGES, "control", "observe", "add_cache", "format_json", "Host", "main"}, 22),
]


@pytest.mark.slow
@pytest.mark.parametrize(("packed", "functions", "packages"), CODE)
def test_code_of_a_stream_has_what_is_asked_for_and_imports_nothing_else(packed, functions, packages):
    """What changes a host, probes it or is for others is not sent."""
    code = json.loads(lzma.decompress(packed()))
    texts, names = code["texts"], {*CHANGES, *CALLED, "control", "main", "observe", "on_macos", "probed"}
    defined = set(re.findall(r"^ *(?:def|class) (\w+)", "\n".join(texts.values()), re.MULTILINE))
    assert defined & names == functions
    assert {name.rpartition(".")[0] for name in texts} - {""} <= set(code["packages"]) <= set(texts)
    assert len(code["packages"]) == packages
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORTS_ALL], input=json.dumps(texts), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


IMPORTS_ALL = """
import importlib.abc, importlib.util, json, sys
texts = json.load(sys.stdin)
class Sent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        package = any(other.startswith(name + ".") for other in texts)
        return importlib.util.spec_from_loader(name, self, is_package=package) if name in texts else None
    def exec_module(self, module):
        exec(texts[module.__name__], module.__dict__)
sys.meta_path.insert(0, Sent())
for name in texts:
    importlib.import_module(name)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The file in which the code is cached, and how often it was put together."""
    runs, place = [], tmp_path / "cache/stream"
    monkeypatch.setattr(stream, "_locate_cache", lambda kind: place.with_suffix(f".{kind}"))
    monkeypatch.setattr(stream, "_pack_observing", lambda probe: runs.append(probe) or b"packed")
    monkeypatch.setattr(stream.tempfile, "tempdir", "/nonexistent")  # another file system: nothing is renamed out of it
    return place, runs


@pytest.mark.parametrize(("probe", "kind"), [(False, "observe"), (True, "probe")])
def test_code_is_put_together_once_unless_others_can_have_written_it(cache, probe, kind):
    """It takes seconds, in each of the processes that Ansible starts."""
    place, runs = cache
    assert [pack_observing_code(probe) for _ in range(3)] == [b"packed"] * 3 and runs == [probe]
    (file,) = place.parent.iterdir()
    content = file.read_bytes()
    assert (file.name, file.stat().st_mode & 0o777, content[32:]) == (f"stream.{kind}", 0o644, b"packed")
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])  # of other sources
    assert pack_observing_code(probe) == b"packed" and runs == [probe] * 2 and file.read_bytes() == content
    file.chmod(0o666)
    assert pack_observing_code(probe) == b"packed" and runs == [probe] * 3
    if os.geteuid() == 0:
        os.chown(file, 61234, 61234)
        pack_observing_code(probe)
        assert len(runs) == 4


def test_collection_is_built_with_all_kinds_of_code(cache, monkeypatch):
    for name in ("pack_watch_code", "pack_macos_code"):
        monkeypatch.setattr(stream, name, name.encode)
    prepared = {kind: content[32:] for kind, content in stream.prepare_variants().items()}
    both = {"watch": b"pack_watch_code", "macos": b"pack_macos_code"}
    assert prepared == {"observe": b"packed", "probe": b"packed", **both} and cache[1] == [False, True]


def test_code_is_not_cached_in_a_collection_or_without_a_cache(cache, monkeypatch):
    monkeypatch.setattr(installation, "COLLECTION", "x.y")
    assert pack_observing_code(False) == pack_observing_code(False) == b"packed" and not cache[0].parent.exists()
    monkeypatch.setattr(installation, "COLLECTION", "")
    monkeypatch.setattr(stream, "_locate_cache", lambda kind: None)
    assert pack_observing_code(False) == b"packed"


def test_source_that_is_another_file_is_another_source(cache, tmp_path, monkeypatch):
    """As large and as old as the one before: after a rename, the old code would be sent for ever."""
    monkeypatch.setattr(stream, "hash_sources", stream.hash_sources.__wrapped__)  # each time as another process would
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, ns=(1, 1))
        monkeypatch.setattr(stream, "_list_module_files", lambda name=name: {"proscribe.x": str(tmp_path / name)})
        assert pack_observing_code(False) == pack_observing_code(False) == b"packed"
    assert len(cache[1]) == 2
