"""The program for audits without root, whose caller may be an attacker."""

import ast
import fcntl
import json
import marshal
import os
import signal
import subprocess
import sys
import tempfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest
from patience import LONGEST
from proscribe.host import audit_program
from proscribe.host.cache import CACHE_DIRECTORY
from proscribe.host.system import STATE_DIRECTORY, ControlError, Host
from proscribe.model import finding
from proscribe.model.plan import CONTROLS
from proscribe.wire import audit_installer
from proscribe.wire.audit_text import AUDIT_TEXT
from proscribe.wire.loader import MARK

CODE, PLAN = "c" * 64, "d" * 64
REQUEST = {"code": CODE, "plan": PLAN, "controls": [], "gate": "never", "seconds": 60}
# The smallest code that an enforcing run could store: it reports its arguments and the process.
STORED = {
    "proscribe": "",
    "proscribe.host": "",
    "proscribe.model": "",
    "proscribe.host.system": "class Host: pass",
    "proscribe.model.plan": "def add_cache(plan, follows): return plan, follows",
    "proscribe.host.host_operations": (
        "import os, sys, time\n"
        "def compliance_state(host, known, **call):\n"
        "    if known[0].get('sleeps'): time.sleep(60)\n"
        "    if known[0].get('talks'): return {'record': 'x' * 1000000}\n"
        "    return {'record': call, 'plan': known, 'environment': dict(os.environ), 'at': os.getcwd(),\n"
        "            'umask': os.umask(0),\n"
        "            'flags': [sys.flags.isolated, sys.flags.no_site, sys.flags.utf8_mode], 'path': sys.path}\n"
    ),
}
PACKAGES = ("proscribe", "proscribe.host", "proscribe.model")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are believed")


class Installed:
    """The program and the files that it reads on a host, below one directory."""

    def __init__(self, directory):
        self.state, self.path = directory / "state", directory / "program"
        self.place = self.state / "observe"
        self.place.mkdir(parents=True)
        text = AUDIT_TEXT.replace(CACHE_DIRECTORY, str(self.place)).replace(audit_program.PROGRAM_PATH, str(self.path))
        text = text.replace(f'"{STATE_DIRECTORY}"', f'"{self.state}"').replace(
            "REQUEST_TIMEOUT_SECONDS = 10", "REQUEST_TIMEOUT_SECONDS = 2"
        )
        self.path.write_text(f"#!{os.path.realpath(sys.executable)} -ISXutf8\n{text}")
        self.path.chmod(audit_program.PROGRAM_MODE)
        code = {name: (marshal.dumps(compile(text, name, "exec")), name in PACKAGES) for name, text in STORED.items()}
        self.code = self.place / f"{CODE}-{MAGIC_NUMBER.hex()}"
        self.code.write_bytes(marshal.dumps(code))
        self.plan = self.place / f"{self.code.name}-{PLAN}"
        self.store({"the": "plan"})

    def store(self, plan):
        self.plan.write_bytes(marshal.dumps((plan, {"follows": 1})))

    def run(self, sent, before=(), **options):
        return subprocess.run([*before, str(self.path)], input=sent, capture_output=True, timeout=60, **options)

    def answer(self, sent, before=(), **options):
        done = self.run(json.dumps(sent).encode() + b"\n" if isinstance(sent, dict) else sent, before, **options)
        assert (done.returncode, done.stderr) == (0, b"")
        return json.loads(done.stdout.decode().removeprefix("\n" + MARK))


@pytest.fixture
def installed(tmp_path):
    return Installed(tmp_path)


def test_program_is_of_a_host_with_an_old_python_and_has_the_paths_of_the_host():
    ast.parse(AUDIT_TEXT, feature_version=(3, 9))
    assert "@" not in AUDIT_TEXT
    assert (audit_installer.CONTROLS, set(audit_installer.GATES)) == (tuple(CONTROLS), set(finding.GATES))
    paths = {"CACHE_DIRECTORY": CACHE_DIRECTORY, "STATE_DIRECTORY": STATE_DIRECTORY}
    paths["PROGRAM_PATH"] = audit_program.PROGRAM_PATH
    assert [name for name, path in paths.items() if f'\n{name} = "{path}"' not in AUDIT_TEXT] == []


@needs_root
def test_program_observes_with_stored_files_and_remembers_probes_and_writes_nothing(installed):
    before = {path: path.stat().st_mtime_ns for path in installed.state.rglob("*")}
    call = {"controls": ["dns", "apps"], "gate": "incomplete"}
    answer = installed.answer({**REQUEST, **call})
    assert answer["record"] == {**call, "will_correct": False, "probe": False, "remember": False}
    assert answer["plan"] == [{"the": "plan"}, {"follows": 1}]
    assert {path: path.stat().st_mtime_ns for path in installed.state.rglob("*")} == before


GATES = ("noncompliant", "incomplete")


@needs_root
@pytest.mark.parametrize(
    "sent",
    [
        *(b"", b"{", b"[]\n", b"\xff\xfe{\x00}\x00\n"),
        *(part * 400 + b"\n" for part in (b"[", b'{"code":', b"9999999999")),
        json.dumps(REQUEST).encode("utf-16"),
        b'{"seconds": 1e999}\n',
        b"x" * 4097,
        b" " * 1_000_000 + json.dumps(REQUEST).encode(),
        json.dumps(REQUEST).encode() + b"\n" + json.dumps(REQUEST).encode(),
        json.dumps(REQUEST).encode() + b"\n\n",
    ],
    ids=range(13),
)
def test_input_that_is_no_request_is_refused(installed, sent):
    assert list(installed.answer(sent)) == ["refused"]


@needs_root
@pytest.mark.parametrize(
    "change",
    [
        *({"code": f"{'c' * 63}{last}"} for last in ("/", "\x00", "\n", "")),
        *({"code": code} for code in (f"../{'c' * 61}", f"/{'c' * 63}", "C" * 64, "", None, [CODE], {CODE: CODE})),
        *({"plan": plan} for plan in (f"../../{'d' * 58}", 7)),
        *({"controls": names} for names in ("apps", ["apps", "passwords"], [["apps"]], ["apps"] * 5, {"apps": 1})),
        *({"gate": gate} for gate in ("always", ["never"], None)),
        *({"seconds": seconds} for seconds in (0, -1, True, 1.5, "60", 10**30)),
        *({key: True} for key in ("sizes", "call", "probe", "remember", "program", "record", "__class__")),
    ],
    ids=str,
)
def test_part_of_a_request_that_may_not_be_is_refused(installed, change):
    assert list(installed.answer({**REQUEST, **change})) == ["refused"]
    with pytest.raises(ValueError, match="."):
        audit_installer.parse_request(json.dumps({**REQUEST, **change}).encode())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"code": "0123456789abcdef" * 4, "plan": "fedcba9876543210" * 4}, ""),
        *(({"controls": ["apps", "browser", "firewall", "dns"], "gate": gate}, "") for gate in GATES),
        ({"seconds": 1}, ""),
        ({"seconds": 6 * 3600 + 60}, ""),
        ({"seconds": 6 * 3600 + 61}, "seconds are no number from 1 to 21660"),
        ({"code": "c" * 65}, "code is no name of what is stored"),
        ({"plan": f"{'d' * 63}g"}, "plan is no name of what is stored"),
        ({"controls": ["dns", 7]}, "controls are none that there are"),
        ({"gate": "gate"}, "gate is none that there is"),
        ({"more": 1}, "it has other keys than a request"),
    ],
    ids=str,
)
def test_request_is_read_at_its_bounds_and_a_mistake_is_named(change, why):
    sent = json.dumps({**REQUEST, **change}).encode()
    for padded in (sent, sent + b"\n", sent + b" " * (4095 - len(sent)) + b"\n"):
        if why:
            with pytest.raises(ValueError, match=f"^{why}"):
                audit_installer.parse_request(padded)
        else:
            assert audit_installer.parse_request(padded) == {**REQUEST, **change}
    assert audit_installer.parse_request(b'{"record": true}') == {"record": True}
    for wrong, mistake in ((b"x" * 4097, "longer than 4096"), (sent + b"\n ", "more than a line"), (b"{", "no JSON")):
        with pytest.raises(ValueError, match=f"it is {mistake}"):
            audit_installer.parse_request(wrong)


@needs_root
@pytest.mark.parametrize("key", REQUEST)
def test_request_without_one_of_its_parts_is_refused(installed, key):
    assert list(installed.answer({name: part for name, part in REQUEST.items() if name != key})) == ["refused"]


@needs_root
@pytest.mark.parametrize("change", [{"code": "e" * 64}, {"plan": "e" * 64}, {"code": PLAN, "plan": CODE}])
def test_code_and_plan_that_are_not_stored_are_lacking_and_never_sent(installed, change):
    head = {**REQUEST, **change}
    assert installed.answer(head) == {"lacking": True}
    assert b"refused" in installed.run(json.dumps(head).encode() + b"\n" + b"import os").stdout


@needs_root
@pytest.mark.parametrize("above", range(4), ids=["code", "plan", "directory", "directory above"])
@pytest.mark.parametrize(("mode", "owner"), [(0o720, 0), (0o702, 0), (0o700, 65534)])
def test_file_that_another_user_can_write_is_not_run(installed, above, mode, owner):
    theirs = [installed.code, installed.plan, installed.place, installed.state][above]
    os.chown(theirs, owner, owner)
    theirs.chmod(mode)
    assert installed.answer(REQUEST) == {"lacking": True}


@needs_root
def test_link_and_pipe_in_the_place_of_code_are_not_followed(installed):
    installed.code.symlink_to(installed.code.rename(installed.state / "elsewhere"))
    assert installed.answer(REQUEST) == {"lacking": True}
    installed.code.unlink()
    os.mkfifo(installed.code, 0o600)
    assert installed.answer(REQUEST) == {"lacking": True}


@needs_root
def test_environment_of_the_caller_does_not_count(installed, tmp_path):
    hers = tmp_path / "hers"
    hers.mkdir()
    for name in ("json", "fcntl", "proscribe", "sitecustomize", "usercustomize"):
        (hers / f"{name}.py").write_text("raise SystemExit('hers')")
    environment = dict.fromkeys(("PYTHONPATH", "PYTHONHOME", "PATH", "HOME"), str(hers))
    environment |= {"PYTHONSTARTUP": str(hers / "json.py"), "PYTHONINSPECT": "1", "PYTHONVERBOSE": "1"}
    environment |= {"PYTHONWARNINGS": "error", "PYTHONUTF8": "0", "LC_ALL": "C", "SUDO_USER": "x"}
    answer = installed.answer(REQUEST, env=environment, cwd=hers)
    own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
    assert (answer["environment"], answer["at"], answer["umask"]) == (own, "/", 0o077)
    assert answer["flags"] == [1, 1, 1] and str(hers) not in answer["path"]


@pytest.mark.slow
@needs_root
def test_caller_that_sends_nothing_is_waited_for_only_shortly(installed):
    with subprocess.Popen([installed.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.wait(LONGEST) == -signal.SIGALRM


@needs_root
def test_endless_line_is_read_no_further_than_the_longest_request(installed):
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run([installed.path], stdin=endless, capture_output=True, timeout=LONGEST)
    assert b'"refused": "it is longer than 4096 bytes"' in done.stdout


BLOCKED = (
    "import os, signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.mark.slow
@needs_root
@pytest.mark.parametrize(
    "before",
    [("sh", "-c", 'trap "" ALRM; exec "$@"', "sh"), (sys.executable, "-c", BLOCKED)],
    ids=["ignored", "blocked"],
)
def test_signals_of_the_caller_keep_no_audit_beyond_its_time(installed, before):
    installed.store({"sleeps": True})
    done = installed.run(json.dumps({**REQUEST, "seconds": 1}).encode(), before)
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, b"")


@pytest.mark.slow
@needs_root
def test_caller_that_reads_no_answer_holds_no_audit_longer(installed):
    installed.store({"talks": True})
    reading, writing = os.pipe()
    sent = json.dumps({**REQUEST, "seconds": 1}).encode()
    try:
        done = subprocess.run([installed.path], input=sent, stdout=writing, timeout=LONGEST)
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == -signal.SIGALRM


@needs_root
def test_audit_beside_another_ends_at_once(installed):
    # Processes of root that wait for each other would be memory that the caller does not pay for.
    with open(installed.path, "rb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with subprocess.Popen([installed.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as second:
            assert second.stdout and b'{"busy": true}' in second.stdout.read()
    assert "record" in installed.answer(REQUEST)


@needs_root
def test_program_does_nothing_for_an_account_that_is_not_root():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        Path(directory).chmod(0o755)
        installed = Installed(Path(directory))
        installed.path.chmod(0o755)
        as_user = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-I")
        done = installed.run(json.dumps(REQUEST).encode(), as_user)
        assert (done.returncode, done.stdout) == (1, b"") and b"is run by root" in done.stderr


@needs_root
def test_program_with_arguments_does_nothing(installed):
    done = subprocess.run([installed.path, "-c", "x"], input=json.dumps(REQUEST).encode(), capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")


@needs_root
def test_stored_record_is_answered_where_only_root_can_have_written_it(installed):
    record, asking = installed.state / "record.json", b'{"record": true}\n'
    assert installed.answer(asking) == {"lacking": True}
    record.write_text('{"schema": "proscribe/host/1"}')
    assert installed.answer(asking) == {"stored": {"schema": "proscribe/host/1"}}
    for damaged in ('{"schema": ', "[" * 100_000, ""):
        record.write_text(damaged)
        assert installed.answer(asking) == {"lacking": True}
    record.write_text("{}")
    os.chown(record, 65534, 65534)
    assert installed.answer(asking) == {"lacking": True}
    record.unlink()
    record.symlink_to("/etc/shadow")
    assert installed.answer(asking) == {"lacking": True}
    for other in (b'{"record": "/etc/shadow"}', b'{"record": 1}', b'{"record": true, "code": "x"}'):
        assert list(installed.answer(other)) == ["refused"]


# -- the installation of the program


@pytest.fixture
def host(tmp_path, monkeypatch):
    for directory in ("usr/libexec", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    monkeypatch.setattr(Host, "privileged", True)
    monkeypatch.setattr(audit_program, "find_interpreter", lambda: "/usr/bin/python3")
    return Host(str(tmp_path))


def test_program_without_a_text_is_removed_with_half_written_files(host, tmp_path):
    audit_program.install_program(host, "text\n")
    (tmp_path / audit_program.PROGRAM_PATH.lstrip("/")).with_name(".observe.proscribe~").write_text("half")
    audit_program.install_program(host, "")
    assert not (tmp_path / "usr/libexec/proscribe").exists() and not list((tmp_path / "var/lib").iterdir())
    audit_program.install_program(host, "")


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        yield Path(directory)


@needs_root
def test_interpreter_is_the_file_that_its_links_lead_to(folder, monkeypatch):
    (folder / "python3.11").touch(0o755)
    (folder / "python3").symlink_to(folder / "python3.11")
    monkeypatch.setattr(sys, "executable", str(folder / "python3"))
    assert audit_program.find_interpreter() == str(folder / "python3.11")


@needs_root
@pytest.mark.parametrize("name", ["python 3", "python3\t", "python3\n"])
def test_interpreter_with_a_space_in_its_path_is_not_run_as_root(folder, monkeypatch, name):
    # The kernel takes the rest of the line for an argument (execve(2)).
    (folder / name).touch(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / name))
    with pytest.raises(ControlError, match="is not root's alone$"):
        audit_program.find_interpreter()
