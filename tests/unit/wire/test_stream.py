"""The streamed code: it gives the very record that the module gives, and no answer is no answer."""

from __future__ import annotations

import json
import lzma
import marshal
import os
import signal
import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest
from proscribe.host.cache import PLACE
from proscribe.model import plan as plans
from proscribe.wire.loader import LACKING, MARK
from proscribe.wire.replies.shapes import Unusable
from proscribe.wire.store import Store
from proscribe.wire.stream import BOOTSTRAP, RECEIVE, RECEIVER, answer, packed_code, packed_macos, packed_watch, payload
from streams import parts, with_program

MODULE = Path(__file__).resolve().parents[3] / "library" / "compliance_state.py"

APPS = {
    "name": "A",
    "mode": "enforce",
    "packages": {"apt": ["nosuch-package"]},
    "processes": [],
    "paths": ["/opt/nosuch"],
}
SITES = {"name": "B", "mode": "enforce", "domains": ["nosuch.example.com"], "urls": [], "allow": []}
PLAN = plans.sealed(
    {
        "schema": plans.SCHEMA,
        "contact": "x",
        "browsers": [{"id": "owl", "family": "chromium", "path": "/etc/nosuch/proscribe.json", "browsers": ["owl"]}],
        "controls": {
            "apps": {"mode": "enforce", "services": {"a": APPS}, "settings": {}},
            "browser": {
                "mode": "enforce",
                "services": {"b": SITES},
                "settings": {"browsers": {"dns_over_https": "blocked"}, "tenants": {}},
            },
            "dns": {"mode": "enforce", "services": {"b": SITES}, "settings": {}},
        },
    }
)

# The file scan of what users have costs most of an observation, and does not matter to how the code gets to a host.
SHORT = plans.canonical(plans.sealed({**PLAN, "controls": {"dns": PLAN["controls"]["dns"]}}))

RUN = "def compliance_state(host, plan, **call): return {'kept code': plan}"
CALL = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": False}
TEXT = plans.canonical(PLAN)
OWN_SPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def sent(store=None, plan=TEXT, whole=True, **call):
    store = store or Store()
    code = store.code(bool(call.get("probe")))
    return payload(code, store.plan(plan), {**CALL, **call}, whole)


def own_scratch_places():
    """The beginning of a command that sees no other process, and empty folders where other tests make and remove
    directories meanwhile: of two scans, one would find what the other one does not. Nothing where that needs root's
    right and there is none.
    """
    here = (Path(sys.prefix), Path(sys.base_prefix))
    places = [place for place in ("/tmp", "/var/tmp", "/dev/shm") if not any(Path(place) in p.parents for p in here)]
    mounting = " && ".join(f"mount -t tmpfs tmpfs {place}" for place in places) or ":"
    return [*OWN_SPACES, "sh", "-ec", f'{mounting}; exec "$@"', "sh"] if os.geteuid() == 0 else []


def streamed(stream, before=(), code=BOOTSTRAP):
    command = [*before, sys.executable, "-I", "-S", "-c", RECEIVE]
    done = subprocess.run(command, input=with_program(stream, code), capture_output=True, check=True)
    reply = answer(done.stdout.decode())
    return reply and {key: value for key, value in reply.items() if key != "cached"}


def without_clocks(reply):
    clocks = ("checked_at", "duration_ms", "full_scan")  # nothing is remembered here, so all is read now
    record = {key: value for key, value in reply["record"].items() if key not in clocks}
    return {**reply, "record": record}


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["never", "noncompliant"])
def test_the_stream_and_the_code_itself_give_the_same_answer(gate):
    reply = streamed(sent(gate=gate), own_scratch_places())
    direct = (
        "import json, os, sys\n"
        "sys.path.insert(0, f'/proc/self/fd/{os.open(os.curdir, os.O_RDONLY)}')\n"  # its path may be hidden
        "from proscribe.host.system import Host\n"
        "from proscribe.host.run import compliance_state\n"
        "plan, call = json.load(sys.stdin)\n"
        "json.dump(compliance_state(Host(), plan, **call), sys.stdout)\n"
    )
    command = [*own_scratch_places(), sys.executable, "-I", "-S", "-c", direct]
    text = json.dumps([PLAN, {**CALL, "gate": gate}]).encode()
    code = MODULE.parents[1] / "module_utils"
    done = subprocess.run(command, input=text, capture_output=True, check=True, cwd=code)
    assert without_clocks(reply) == without_clocks(json.loads(done.stdout))
    assert reply["record"]["rules_evaluated"] >= 3
    assert reply.get("failed", False) is (gate == "noncompliant")


def test_the_module_gives_the_answer_of_the_stream(tmp_path):
    """As Ansible calls a module that wants JSON: a file with the arguments."""
    arguments = tmp_path / "arguments"
    arguments.write_text(json.dumps({"stream": sent(plan=SHORT).decode()}))
    done = subprocess.run([sys.executable, str(MODULE), str(arguments)], capture_output=True, check=True)
    reply = json.loads(done.stdout)
    assert reply.pop("cached") is False
    assert without_clocks(reply) == without_clocks(streamed(sent(plan=SHORT)))


def test_the_module_without_its_action_says_what_it_lacks(tmp_path):
    arguments = tmp_path / "arguments"
    arguments.write_text(json.dumps({"plan": PLAN}))
    done = subprocess.run([sys.executable, str(MODULE), str(arguments)], capture_output=True)
    assert (done.returncode, json.loads(done.stdout)["failed"]) == (1, True)
    assert "action plugin" in json.loads(done.stdout)["msg"]


def test_the_answer_begins_a_line_whatever_was_printed_before_it():
    assert streamed(sent(plan=SHORT), code="print('no line end', end='')\n" + BOOTSTRAP) is not None


def test_a_plan_that_cannot_be_used_is_reported():
    reply = streamed(sent(plan="{}"))
    assert (reply["failed"], "schema" in reply["msg"]) == (True, True)


@pytest.mark.parametrize("command", [RECEIVER, RECEIVE])
def test_the_command_is_one_line_that_no_shell_reads_otherwise(command):
    """Between double quotes, within single ones: as a word of every shell's, csh and fish too."""
    assert not set(command) & set("\n\r'\"!$`\\")


@pytest.mark.parametrize("shell", [["sh"], ["sh", "-s"], ["bash"]], ids=" ".join)
@pytest.mark.parametrize("lost", [0, 1], ids=["all", "but its first line"])
def test_a_shell_that_reads_the_stream_does_nothing(tmp_path, shell, lost):
    """It ends at once; one whose profile has taken that line away finds one word, which is no command."""
    stream = sent(whole=True).split(b"\n", lost)[-1]
    done = subprocess.run(shell, input=stream, capture_output=True, cwd=tmp_path, env={"HOME": str(tmp_path)})
    assert (done.stdout, list(tmp_path.iterdir())) == (b"", [])
    assert lost or done.returncode == 0


class AnsibleText(str):
    """A text as ansible-core 2.19 passes arguments on, with where they come from."""


def test_what_ansible_says_is_plain_for_a_host():
    """The form of the head has no other kinds of texts than one, and every Python has to read it."""
    call = {"gate": AnsibleText("never"), "controls": [AnsibleText("dns")], "watch": {AnsibleText("now"): 5}}
    stream = payload(Store().code(False), Store().plan(SHORT), call, whole=False, seconds=7)
    _, head, code, plan = parts(stream)
    assert (head["call"], type(head["call"]["gate"]), head["seconds"], code, plan) == (call, str, 7, b"", b"")


def test_a_host_that_does_not_have_the_code_says_so_and_does_nothing():
    assert streamed(sent(whole=False)) == {LACKING: True}


@pytest.mark.parametrize(
    ("output", "reply"),
    [
        (f'{MARK}{{"changed": false}}\n', {"changed": False}),
        (f'Welcome to web01\n{MARK}{{"changed": false}}\n', {"changed": False}),
        (f'Welcome{MARK}\n{MARK}{{"record": "/home/a/{MARK}x"}}\n', {"record": f"/home/a/{MARK}x"}),
        ("", None),
        ("python3: command not found\n", None),
    ],
)
def test_an_answer_is_found_behind_what_a_shell_prints_and_else_there_is_none(output, reply):
    assert answer(output) == reply


@pytest.mark.parametrize(
    "reply", ['{"changed": fal', "", '{"a": NaN}', "[" * 100_000, "[1]", "null", '{"a": 1' + "0" * 5000 + "}"]
)
def test_an_answer_that_is_no_json_is_said_to_be_none(reply):
    with pytest.raises(Unusable, match="no JSON|no mapping"):
        answer(f"{MARK}{reply}\n")


@pytest.mark.parametrize("work", ["__import__('time').sleep(60)", "__import__('re').match('(a+)+$', 'a' * 60 + 'b')"])
def test_an_observation_that_takes_too_long_is_ended_by_the_host_itself_wherever_it_is(work):
    stream = payload(Store().code(probe=False), Store().plan(SHORT), CALL, seconds=1)
    code = BOOTSTRAP.replace(" sources = None\n", f" {work}\n sources = None\n")
    command = [sys.executable, "-I", "-S", "-c", RECEIVE]
    done = subprocess.run(command, input=with_program(stream, code), capture_output=True)
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are believed")
def test_code_that_a_host_keeps_is_used_unless_somebody_else_can_have_written_it(tmp_path):
    """What else is not used is in test_loader_program.py."""
    loader = BOOTSTRAP.replace(PLACE, str(tmp_path))
    code = {
        **dict.fromkeys(("proscribe", "proscribe.base", "proscribe.host", "proscribe.model"), ""),
        "proscribe.host.system": "Host = dict",
        "proscribe.model.plan": "known = dict.__or__",
        "proscribe.host.run": RUN,
        "proscribe.base.json_text": "from json import dumps as written",
    }
    packed = {name: (marshal.dumps(compile(text, name, "exec")), not text) for name, text in code.items()}
    named = f"{Store().code(False).name}-{MAGIC_NUMBER.hex()}"
    files = [tmp_path / named, tmp_path / f"{named}-{Store().plan(SHORT).name}"]
    for part, value in zip(files, (packed, ({"the": "plan"}, {}))):
        part.write_bytes(marshal.dumps(value))
        part.chmod(0o600)
    assert streamed(sent(plan=SHORT, whole=False), code=loader) == {"kept code": {"the": "plan"}}
    assert "record" in streamed(sent(plan=SHORT), code=loader), "what is sent comes before what is kept"
    for part in files:
        part.chmod(0o620)
        assert streamed(sent(plan=SHORT, whole=False), code=loader) == {LACKING: True}
        part.chmod(0o600)


def code_of(store, probe):
    return json.loads(lzma.decompress(store.code(probe).packed()))["texts"]


def test_only_what_asks_for_the_probe_has_its_code(tmp_path):
    store = Store(tmp_path)
    assert set(code_of(store, probe=True)) - set(code_of(store, probe=False)) == {
        "proscribe.host.controls.browser.probe",
        "proscribe.host.system.transient_user",
        "proscribe.host.system.listener",
    }
    assert len(list(tmp_path.glob("*.code"))) == 2


def test_what_changes_a_host_is_not_sent():
    names = {name.rpartition(".")[2] for name in code_of(Store(), probe=False)}
    assert not names & {"changes", "loading", "moving", "confirm", "switching", "rpm_removal", "as_owner", "restoring"}


# With the plan of the whole catalogue, which the playbooks' tests have: about 24 KiB named, 201 KiB with the code.
def test_a_stream_that_only_names_its_code_is_small():
    assert len(sent(whole=False)) < 8 * 1024
    assert len(sent()) < 212 * 1024


@pytest.mark.parametrize("packed", [packed_code, packed_watch, packed_macos])
def test_code_that_is_sent_imports_nothing_of_ours_that_is_not(packed):
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


def test_the_stream_needs_nothing_but_the_standard_library():
    listing = "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('ansible', 'yaml', 'jinja2')))"
    stream = with_program(sent(plan=SHORT), BOOTSTRAP.replace("os._exit(0)", listing))
    done = subprocess.run([sys.executable, "-I", "-c", RECEIVE], input=stream, capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"
