"""Streams to hosts: the command that receives one, the code in it, hosts without the code."""

import json
import lzma
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from proscribe.model import plan as plans
from proscribe.wire.store import Store
from proscribe.wire.stream import BOOTSTRAP, RECEIVE, RECEIVER, answer, packed_code, packed_macos, packed_watch, payload
from streams import with_program

MODULE = Path(__file__).resolve().parents[3] / "library" / "compliance_state.py"

PLAN = plans.sealed({"schema": "proscribe/plan/1", "contact": "x", "browsers": [], "controls": {}})
CALL = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": False}
TEXT = plans.canonical(PLAN)


def make_stream(whole, **options):
    return payload(Store().code(probe=False), Store().plan(TEXT), CALL, whole, **options)


def run_stream(stream, code=BOOTSTRAP):
    command = [sys.executable, "-I", "-S", "-c", RECEIVE]
    return subprocess.run(command, input=with_program(stream, code), capture_output=True)


def test_module_without_its_action_names_the_action_plugin(tmp_path):
    arguments = tmp_path / "arguments"
    arguments.write_text(json.dumps({"plan": PLAN}))
    done = subprocess.run([sys.executable, str(MODULE), str(arguments)], capture_output=True)
    assert (done.returncode, json.loads(done.stdout)["failed"]) == (1, True)
    assert "action plugin" in json.loads(done.stdout)["msg"]


@pytest.mark.parametrize("command", [RECEIVER, RECEIVE])
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
    assert answer(run_stream(make_stream(whole=False)).stdout.decode()) == {"lacking": True}


@pytest.mark.parametrize("work", ["__import__('time').sleep(60)", "__import__('re').match('(a+)+$', 'a' * 60 + 'b')"])
def test_observation_that_takes_too_long_is_ended_by_the_host_itself(work):
    code = BOOTSTRAP.replace(" sources = None\n", f" {work}\n sources = None\n")
    done = run_stream(make_stream(whole=True, seconds=1), code)
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, b"")


@pytest.mark.parametrize("packed", [packed_code, packed_watch, packed_macos])
def test_code_of_a_stream_imports_only_modules_of_the_stream(packed):
    code = packed(True) if packed is packed_code else packed()
    texts = json.loads(lzma.decompress(code))["texts"]
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
