"""Debian packages: recorded answers of dpkg and apt, the gate's script on real archives, and the trial of a block."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_tools import DONE, Tools
from hypothesis import given
from hypothesis import strategies as st
from made_users import put
from proscribe.host.controls.apps.blocks.trial_cache import PROGRAM_DIRECTORIES
from proscribe.host.controls.apps.systems import dpkg, dpkg_removal, dpkg_trial, rpm, rpm_trial
from proscribe.host.controls.apps.systems.package import InstallBlock, Package
from proscribe.host.system import ControlError, Host, ObservationError, Process, ToolResult
from proscribe.model.removal_record import RemovedPackage

RECORDED = Path(__file__).parents[4] / "recorded/controls/apps"
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)
NATIVE = ("--print-architecture", ToolResult(0, "amd64\n", ""))
PLAIN = ("dpkg-query", ToolResult(0, "no no ", ""))
APT_OPTIONS = (
    "--quiet --option=Dir::State::lists=/nonexistent --option=Dir::Cache::pkgcache= --option=Dir::Cache::srcpkgcache="
    " --option=APT::Default-Release= --option=APT::Get::AutomaticRemove=false --option=APT::Get::Purge=false"
)
NEEDS_DPKG_DEB = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb, which makes the archives")
REFUSED, NOWHERE = "does not allow proscribe-trial ", "/proc/none"


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


def host(tmp_path: Path, *rows: tuple[str, ToolResult], tools: Sequence[str] = ("apt-get", "dpkg")) -> Host:
    for name in tools:
        put(tmp_path, f"usr/bin/{name}", mode=0o755)
    return Host(str(tmp_path), Tools(*rows))


def package(name: str, **fields: Any) -> Package:
    return Package("dpkg", name.partition(":")[0], "1.0", (name,), **fields)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from("uihrp"), st.sampled_from("ncHUFWti"), NAMES)), st.sets(NAMES))
def test_whatever_is_listed_is_found_unless_its_files_are_gone(rows, ids):
    desired = ids | {name for _, _, name in rows[::2]}
    listing = "".join(f"{want}{state} \t{name}\t{name}\t1\n" for want, state, name in rows)
    result = [(p.id, p.is_held) for p in dpkg.parse_packages(listing, desired)]
    assert result == [(name, want == "h") for want, state, name in rows if name in desired and state not in "nc"]


def test_recorded_listing_has_packages_of_every_state_and_architecture():
    """Removed with its configuration left (linuxqq) is not there; on hold, unpacked or half installed is."""
    names = {"wechat", "linuxqq", "pidgin", "signal-desktop", "viber"}
    names |= {"skypeforlinux", "libpurple0t64", "chat", "wecha"}
    assert [(*package[:4], package.is_held) for package in dpkg.parse_packages(recorded("dpkg-query"), names)] == [
        ("dpkg", "libpurple0t64", "2.14", ("libpurple0t64:amd64",), False),
        ("dpkg", "libpurple0t64", "2.14", ("libpurple0t64:i386",), False),
        ("dpkg", "pidgin", "2:2.14", ("pidgin",), True),
        ("dpkg", "signal-desktop", "7.0", ("signal-desktop",), False),
        ("dpkg", "skypeforlinux", "8.0", ("skypeforlinux:i386",), False),
        ("dpkg", "viber", "1", ("viber",), False),
        ("dpkg", "wechat", "4.0", ("wechat",), False),
    ]


def test_the_programs_of_a_package_are_the_files_in_its_list(tmp_path):
    put(tmp_path, "var/lib/dpkg/info/wechat.list", "/.\n/opt\n/opt/wechat\n/opt/wechat/wechat\n")
    put(tmp_path, "var/lib/dpkg/info/skype:i386.list", "/usr/bin/skype\n")
    put(tmp_path, "proc/8/root/x")
    (tmp_path / "proc/7").mkdir()
    (tmp_path / "proc/7/root").symlink_to(tmp_path)
    program = dpkg.make_program_matcher(Host(str(tmp_path)), set(), [package("wechat"), package("skype:i386")])
    starts = [(7, "/opt/wechat/wechat"), (7, "/usr/bin/skype"), (7, "/opt/wechat/other"), (8, "/opt/wechat/wechat")]
    assert [program(Process(*start)) for start in starts] == ["wechat", "skype", "", ""]  # 8 is in a container


@pytest.mark.parametrize(
    ("simulation", "doomed", "refused"),
    [
        ("apt-nothing-else", ["wechat"], ""),
        ("apt-foreign-architecture", ["skypeforlinux:i386", "libpurple0t64:i386", "libpurple0t64:amd64"], ""),
        ("apt-takes-dependent", ["wechat"], "would also remove viber, wechat-moments"),
        ("Inst wechat [1] (2 x)\n", ["wechat"], "would also install wechat"),
        ("Remv wechat [1]\nPurg wechat [1]\n", ["wechat"], "would also purge wechat"),
        ("apt-installs-in-place", ["linuxqq"], "would also install innocent-lib, tim"),
        ("apt-pending-configuration", ["wechat"], "dpkg --configure -a` (not configured: signal-desktop, viber)"),
    ],
)
def test_recorded_simulation_decides(tmp_path, simulation, doomed, refused):
    text = recorded(simulation) if simulation.startswith("apt-") else simulation
    here = host(tmp_path, NATIVE, PLAIN, ("--simulate", ToolResult(0, text, "")))
    actions, reasons = dpkg_removal.plan_removal(here, [package(name) for name in doomed])
    assert [why.endswith(refused) for _, why in reasons] == [True] * len(doomed) * bool(refused)
    assert [str(a) for a in actions] == ([] if refused else ["remove " + ", ".join(doomed)])


@pytest.mark.parametrize(
    ("auto", "tools", "how", "mark"),
    [
        ("wechat:i386", ["apt-get", "apt-mark"], "apt-get", "auto"),
        ("tim", ["apt-get", "apt-mark"], "apt-get", "manual"),
        ("wechat", ["apt-get"], "apt-get", "manual"),
        ("wechat", [], "dpkg", "manual"),
    ],
)
def test_removed_package_keeps_its_mark(tmp_path, auto, tools, how, mark):
    simulation = ("--simulate", ToolResult(0, "Remv wechat:i386 [1.0]\n", ""))
    rows = (NATIVE, PLAIN, simulation, ("showauto", ToolResult(0, f"{auto}\n", "")))
    here = host(tmp_path, *rows, tools=["dpkg", *tools])
    ((action,), refused) = dpkg_removal.plan_removal(here, [package("wechat:i386")])
    assert (refused, str(action), action.before) == ([], "remove wechat:i386", "wechat:i386 1.0\n")
    assert action.removed_packages == [RemovedPackage("dpkg", "wechat", "1.0", "system", "wechat:i386", how, mark=mark)]
    by_apt = [f"apt-get --simulate {APT_OPTIONS} remove wechat:i386", "dpkg --print-architecture"]
    first, *calls = here._run.calls
    assert first == "dpkg-query -W -f ${Essential} ${Protected} ${Important} wechat:i386"
    assert calls[:2] == (by_apt if tools else ["dpkg --simulate --remove wechat:i386"])
    assert calls[2:] == ["apt-mark showauto wechat:i386"] * ("apt-mark" in tools)


def test_a_broken_package_state_is_reported_in_apts_words_and_not_repaired(tmp_path):
    answer = ToolResult(100, "", recorded("apt-broken"))
    actions, ((_, why),) = dpkg_removal.plan_removal(
        host(tmp_path, PLAIN, ("--simulate", answer)), [package("linuxqq")]
    )
    assert actions == [] and why.startswith("E: Unmet dependencies. Try 'apt --fix-broken install'")


def test_one_refused_package_does_not_keep_the_others(tmp_path):
    answers = {
        "viber wechat": recorded("apt-takes-dependent"),
        "viber": "Remv viber [1]\n",
        "wechat": "Remv wechat-moments [1.0]\nRemv wechat [4.0]\n",
    }
    rows = [(f"--simulate {names}", ToolResult(0, text, "")) for names, text in answers.items()]
    actions, refused = dpkg_removal.plan_removal(
        host(tmp_path, NATIVE, PLAIN, *rows), [package("viber"), package("wechat")]
    )
    assert [str(action) for action in actions] == ["remove viber"]
    assert refused == [(package("wechat"), "would also remove wechat-moments")]


@pytest.mark.parametrize(
    ("held", "answer", "reason"),
    [(True, "no no ", "unhold"), *((False, words, "Essential") for words in ("yes no ", "no yes ", "no no yes"))],
)
def test_held_or_essential_package_stays(tmp_path, held, answer, reason):
    item = package("wechat", is_held=held)
    here = host(tmp_path, ("dpkg-query", ToolResult(0, answer, "")))
    (actions, ((refused, why),)) = dpkg_removal.plan_removal(here, [item])
    assert (actions, refused) == ([], item) and reason in why


def test_change_since_the_simulation_stops_the_removal(tmp_path):
    here = host(tmp_path, NATIVE, PLAIN, ("--simulate", ToolResult(0, "Remv wechat [4.0]\n", "")))
    actions, _ = dpkg_removal.plan_removal(here, [package("wechat")])
    here._run = later = Tools(NATIVE, ("--simulate", ToolResult(0, recorded("apt-takes-dependent"), "")))
    with pytest.raises(ControlError, match="not removed: would also remove viber, wechat-moments"):
        actions[0].apply()
    assert not [call for call in later.calls if "--yes" in call]


def test_another_running_package_manager_is_reported(tmp_path):
    locked = "Reading\nE: Could not get lock /var/lib/dpkg/lock. It is held by process 42 (apt-get)\ndpkg: error: x\n"
    simulation = ("--simulate", ToolResult(0, "Remv wechat [4.0]\n", ""))
    here = host(tmp_path, NATIVE, PLAIN, simulation, ("--yes", ToolResult(100, "", locked)))
    said = "E: Could not get lock /var/lib/dpkg/lock. It is held by process 42 (apt-get) dpkg: error: x"
    with pytest.raises(ControlError, match=f"^{re.escape(f'apt-get could not: {said}')}$"):
        dpkg_removal.plan_removal(here, [package("wechat")])[0][0].apply()
    assert here._run.calls[-1] == f"apt-get --yes {APT_OPTIONS} --option=DPkg::Lock::Timeout=60 remove wechat"


@pytest.mark.parametrize(
    ("interrupted", "marked", "tool", "mode"),
    [
        (False, False, "apt-get", 0o600),
        (True, False, "apt-get", 0),  # somebody else's, which apt reports
        (True, True, "dpkg", 0o600),  # ours, which dpkg itself completes
    ],
)
def test_removal_that_was_cut_short_is_completed_where_it_was_ours(tmp_path, interrupted, marked, tool, mode):
    mark, runs = tmp_path / "var/lib/proscribe/dpkg", []

    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        if options == {"timeout": 1800}:
            runs.append((argv[0], mark.stat().st_mode & 0o777 if mark.exists() else 0))
            assert marked or not mark.exists() or mark.read_text() == "wechat\n"
            return DONE
        return ToolResult(0, "Remv wechat [1]\n" if "--simulate" in argv else "amd64\n", "")

    here = host(tmp_path)
    here._run = run
    for path, is_present in (("var/lib/dpkg/updates/0001", interrupted), ("var/lib/proscribe/dpkg", marked)):
        if is_present:
            put(tmp_path, path, mode=0o600)
    ((action,), _) = dpkg_removal.plan_removal(here, [package("wechat")])
    action.apply()
    assert runs == [(tool, mode)] and mark.exists() is marked


def test_without_apt_dpkg_says_what_would_break_and_removes(tmp_path):
    rows = (PLAIN, ("dpkg --simulate wechat", ToolResult(1, "", recorded("dpkg-breaks-dependent"))))
    actions, refused = dpkg_removal.plan_removal(host(tmp_path, *rows, tools=["dpkg"]), [package("wechat")])
    assert (actions, refused) == ([], [(package("wechat"), "would break wechat-moments")])
    tools = Tools(PLAIN, ("dpkg", DONE))
    ((action,), _) = dpkg_removal.plan_removal(Host(str(tmp_path), tools), [package("wechat")])
    action.apply()
    assert tools.calls[-1] == "dpkg --remove wechat"


@given(st.sets(NAMES, min_size=1), st.text())
def test_the_gates_list_has_exactly_the_names_and_the_contact_is_one_harmless_line(ids, contact):
    listing, places, contact_file, script, configuration, *_ = dpkg.make_block_parts(
        InstallBlock(ids, contact, paths=[f"/opt/{id_}" for id_ in ids])
    )
    assert [line for line in listing.content.splitlines() if not line.startswith("#")] == sorted(ids)
    assert [line for line in places.content.splitlines() if line[0] == "/"] == sorted(f"/opt/{id_}" for id_ in ids)
    lines = contact_file.content.split("\n")
    assert len(lines) == 3 and lines[1].isprintable() and lines[1].strip()
    assert (script, configuration) == dpkg.make_block_parts(InstallBlock({"other"}))[
        3:5
    ]  # nothing of the plan gets into code


def test_dpkg_reads_the_gates_configuration():
    assert re.fullmatch(r"/etc/dpkg/dpkg\.cfg\.d/[A-Za-z0-9_-]+", dpkg.HOOK_CONFIGURATION_PATH)  # dpkg.cfg(5)
    assert max(map(len, dpkg.HOOK_TEXT.splitlines())) < 1000  # longer lines are cut


# What ends with anything but 0 stops dpkg for every package. So the script ends with 9 where something is restricted,
# and with 0 whatever else happens.


class Gate:
    """The script of the block with its files below a directory, and its log."""

    def __init__(self, place: Path) -> None:
        self.place, self.tools, self.script = place, place / "tools", place / "usr/libexec/proscribe/dpkg-gate"
        paths = ["/opt/wechat/wechat", "/usr/bin/qq", "/opt/tree"]
        block = InstallBlock({"wechat", "linuxqq", "kept-app"}, "it@example.org", {"wechat": ["4.1.0"]}, paths)
        for file in dpkg.make_block_parts(block)[:4]:
            path = place / file.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            text = file.content.replace("/etc/proscribe/", f"{place}/etc/proscribe/")
            path.write_text(text.replace("PATH=/usr/sbin", f"PATH={place}/tools:/usr/sbin"))
            path.chmod(file.mode)
        self.tools.mkdir()
        self.tool("logger", f'echo "$@" >>{place}/log')
        self.tool("dpkg-query", 'for last; do :; done; [ "$last" = kept-app ] && printf "ii "')
        (place / "log").touch()

    def tool(self, name: str, script: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def archive(self, name: str, fields: str = "", files: Sequence[str] = (), version: str = "1.0") -> Path:
        tree = self.place / f"tree-{name}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@example.org>\n{fields}"
        (tree / "DEBIAN/control").write_text(f"{control}Description: made\n")
        for file in files:
            put(tree, file, "x")
        package = self.place / f"{name}_{version}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, package], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)
        return package

    def ask(self, *arguments: str | Path, action: str = "install", check: bool = True) -> tuple[int, str]:
        """Return how the script ends for a dpkg with these arguments, and what it prints."""
        # A process with that command line, which the script reads in /proc; it waits until its input ends.
        line = ["dpkg", "-c", "echo; read x; :", *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(line, executable="/bin/sh", cwd=self.place, **pipes) as caller:
            assert caller.stdout
            caller.stdout.readline()  # a process that has just begun has no command line yet
            done = subprocess.run(
                ["/bin/sh", self.script, *(["--check"] if check else []), str(caller.pid)],
                env={**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}", "DPKG_HOOK_ACTION": action},
                cwd=self.place, text=True, capture_output=True, timeout=300,
            )  # fmt: skip
        return done.returncode, done.stderr

    @property
    def log(self) -> str:
        return (self.place / "log").read_text()


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


@NEEDS_DPKG_DEB
@pytest.mark.parametrize(
    ("package", "why"),
    [
        ({"name": "wechat"}, "wechat"),
        ({"fields": "Provides: a, wechat (= 1.0)\n"}, "x (which provides wechat)"),
        ({"fields": "Provides: wechat:amd64\n"}, "x (which provides wechat)"),
        ({"files": ["/opt/wechat/wechat"]}, "x (which has /opt/wechat/wechat in it)"),
        ({"files": ["/bin/qq"]}, "x (which has /usr/bin/qq in it)"),  # by its other name
        ({"files": ["/opt/tree/a/b"]}, "x (which has /opt/tree in it)"),
        ({"name": "wechat-theme"}, ""),
        ({"fields": "Provides: wechat-theme, linuxqq2\nDepends: wechat\nConflicts: wechat\n"}, ""),
        ({"files": ["/opt/wechat2/wechat", "/opt/wechat/other", "/srv/opt/wechat/wechat"]}, ""),
        ({"name": "wechat", "version": "4.1.0", "files": ["/opt/wechat/wechat"]}, ""),  # a waived version
        ({"name": "kept-app"}, ""),  # an update of an installed package
    ],
)
def test_restricted_archive_is_refused_and_another_passes(gate, package, why):
    archive = gate.archive(**{"name": "x", **package})
    ends, text = gate.ask("-i", archive)
    if not why:
        assert (ends, text, gate.log) == (0, "", "")
        return
    assert ends == gate.ask("-i", archive, check=False)[0] == 9
    assert f"does not allow {why} on this host" in text and "ask it@example.org" in text
    assert f"auth.notice -- the package gate refused {why}" in gate.log


@NEEDS_DPKG_DEB
def test_restricted_archive_is_refused_under_any_name_and_among_others(gate):
    innocent, wrong = gate.archive("innocent"), gate.archive("wechat")
    assert [gate.ask("-i", wrong, action=action)[0] for action in ("unpack", "remove", "configure")] == [9, 0, 0]
    for name in ("innocent.deb", "-x.deb", "a b.deb", "$(touch ran).deb", "a\nb.deb", "*.deb"):
        shutil.copy(wrong, gate.place / name)
        assert gate.ask("--force-all", "-i", innocent, name, innocent)[0] == 9, name
        (gate.place / name).unlink()
    (gate.place / "many/deep").mkdir(parents=True)
    wrong.rename(gate.place / "many/deep/b.deb")
    shutil.copy(innocent, gate.place / "wechat_1.0.deb")
    for options, ends in ((["-iR"], 9), (["-i", "--recursive"], 9), (["-i"], 0)):
        assert gate.ask(*options, "many")[0] == ends
    (gate.place / "odd.deb").write_bytes(b"!<arch>\n" + bytes(100))
    assert gate.ask("-i", "wechat_1.0.deb", "odd.deb", "gone.deb") == (0, "")
    assert not (gate.place / "ran").exists()


@NEEDS_DPKG_DEB
def test_gate_that_lacks_a_file_or_gets_stuck_lets_dpkg_pass(gate):
    archive = gate.archive("wechat")
    for name in ("restricted-paths", "contact"):
        (gate.place / "etc/proscribe" / name).unlink()
        assert gate.ask("-i", archive)[0] == 9
    (gate.place / "etc/proscribe/restricted-packages").unlink()
    assert gate.ask("-i", archive)[0] == 0 and "auth.err -- the package gate cannot read" in gate.log
    gate.tool("timeout", "exit 124")  # timeout(1) ends a check that hangs on a dead mount
    assert gate.ask("-i", archive, check=False)[0] == 0
    assert "the package gate failed with 124, and let dpkg pass" in gate.log


@NEEDS_DPKG_DEB
def test_refusal_has_the_organisations_messages_in_their_order(gate):
    messages = ("# not a comment \\c $(id)", "本電腦不得安裝此軟件。")
    contact = dpkg.make_block_parts(InstallBlock({"wechat"}, "it@example.org", messages=messages))[2]
    (gate.place / contact.path.lstrip("/")).write_text(contact.content, encoding="utf-8")
    _, text = gate.ask("-i", gate.archive("wechat"))
    assert text.splitlines()[-2:] == [f"proscribe: {message}" for message in messages]


@pytest.mark.parametrize(("ends", "stops"), [(0, False), (9, True), (1, False), (127, False)])
def test_only_a_nine_stops_dpkg(tmp_path, ends, stops):
    """The line in dpkg's configuration, as dpkg runs it: a gate that is broken or missing stops no package."""
    (line,) = [line for line in dpkg.HOOK_TEXT.splitlines() if line.startswith("pre-invoke=")]
    script = tmp_path / "gate"
    script.write_text(f"#!/bin/sh\nexit {ends}\n")
    script.chmod(0o755)
    if ends == 127:
        script.unlink()
    ran = subprocess.run(
        ["sh", "-c", line.partition("=")[2].replace(dpkg.BLOCK_SCRIPT_PATH, str(script))], capture_output=True
    )
    assert bool(ran.returncode) is stops


@NEEDS_DPKG_DEB
@pytest.mark.parametrize("restricted", ["owl", "wechat", "x" * 400])
def test_made_package_provides_a_restricted_one_and_has_nothing_in_it(tmp_path, restricted):
    (tmp_path / "made.deb").write_bytes(dpkg_trial.build_trial_package(restricted))
    fields = "Package: proscribe-trial\nVersion: 0\nArchitecture: all\nMaintainer: Proscribe <root@localhost>\n"
    fields += f"Provides: {restricted}\nDescription: tries whether this host refuses it\n"
    for option, printed in (("--field", fields), ("--contents", "")):
        done = subprocess.run(["dpkg-deb", option, tmp_path / "made.deb"], capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == (printed, "")


@pytest.mark.parametrize(
    ("errors", "printed", "outcome"),
    [
        (f"Proscribe {REFUSED}(wechat)", "", "False"),
        (f"dpkg: error: cannot create {NOWHERE}/lock", "", "True"),  # it came as far as its database
        (f"Proscribe {REFUSED}\ndpkg: error: {NOWHERE}", "", "False"),
        ("a" * 500 + "\nthe\nend", "", "it ended with 2: " + "a" * 192 + " the end"),
        ("", "what it prints", "it ended with 2: what it prints"),
        ("", "", "dpkg did not end within 30 s"),
    ],
)
def test_dpkg_passes_refuses_or_is_unknown(errors, printed, outcome):
    def run(argv: Sequence[str], **options: object) -> ToolResult:
        assert (argv, options) == (["/usr/bin/dpkg", "--admindir=/proc/none", "--unpack", "/made.deb"], {"timeout": 30})
        if not errors and not printed:
            raise ControlError("dpkg did not end within 30 s")
        return ToolResult(2, printed, errors)

    try:
        answer = str(dpkg_trial._is_passed(Host("/nowhere", run), ["/usr/bin/dpkg"], "/made.deb"))
    except ObservationError as unseen:
        answer = str(unseen)
    assert answer.endswith(outcome)


def test_a_try_depends_on_every_program_that_the_script_runs():
    script = (Path(dpkg_trial.__file__).parents[3] / "programs/dpkg_block.sh").read_text()
    code = "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("#"))
    before = r"(?:^|[|;(!]|&&|-exec|\$\(|\b(?:then|do|else|if|while|timeout \d+|xargs(?: -\S+)*)\b)\s*"
    words = set(re.findall(before + r"([a-z][a-z-]+)\b", code, re.MULTILINE)) - {"echo", "install", "which"}
    runs = {word for word in words if any(os.access(f"{folder}/{word}", os.X_OK) for folder in PROGRAM_DIRECTORIES)}
    assert {"dpkg-deb", "logger", "tar"} <= runs <= set(dpkg_trial.USED_TOOLS)


class WithApt(Host):
    def __init__(self, root: Path, dumped: str = "", apt: bool = True) -> None:
        super().__init__(str(root), self.answer)
        self.dumped = dumped
        self.ran: list[Sequence[str]] = []
        for path in dpkg_trial.SHARED_DIRECTORIES:
            (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        if apt:
            put(root, dpkg_trial.APT_CONFIG)

    def answer(self, argv: Sequence[str], **options: object) -> ToolResult:
        assert options == {"timeout": 30}
        self.ran.append(argv)
        return ToolResult(0, self.dumped, NOWHERE)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    put(tmp_path, "bin/dpkg", mode=0o755)
    (tmp_path / "local").mkdir()
    monkeypatch.setattr(dpkg_trial, "LOCAL_PROGRAM_DIRECTORIES", (f"{tmp_path}/local",))
    monkeypatch.setattr(dpkg_trial, "PROGRAM_DIRECTORIES", (f"{tmp_path}/bin", f"{tmp_path}/none"))
    return tmp_path


@pytest.mark.parametrize(
    ("dumped", "tried"),
    [
        ('Dir::Bin::dpkg "{usual}";\nDPkg::Chroot-Directory "/";\n', []),
        ('Dir::Bin::dpkg "/opt/dpkg";\n', [("/opt/dpkg, which apt runs,", ["/opt/dpkg"])]),
        ('Dir::Bin::dpkg "{usual}";\nDPkg::Options:: "--x";\n', [("{usual} --x, which apt runs,", ["{usual}", "--x"])]),
    ],
)
def test_another_dpkg_of_apt_is_tried(programs, dumped, tried):
    usual = str(programs / "bin/dpkg")
    host = WithApt(programs / "root", dumped.replace("{usual}", usual))
    expected = [(ending.format(usual=usual), [word.format(usual=usual) for word in argv]) for ending, argv in tried]
    assert list(dpkg_trial._list_dpkg_commands(host)) == [(usual, [usual]), *expected]
    assert host.ran == [["/usr/bin/apt-config", "dump"]]


def test_each_dpkg_is_tried_once_however_many_names_it_has(programs):
    host = WithApt(programs / "root", apt=False)
    usual, first = str(programs / "bin/dpkg"), programs / "local/dpkg"
    first.symlink_to(usual)
    assert list(dpkg_trial._list_dpkg_commands(host)) == [(str(first), [str(first)])]
    first.unlink()
    first.touch(0o644)
    assert list(dpkg_trial._list_dpkg_commands(host)) == [(usual, [usual])]
    first.chmod(0o755)
    assert list(dpkg_trial._list_dpkg_commands(host)) == [(str(first), [str(first)]), (usual, [usual])]


def test_a_dpkg_in_another_root_is_not_known(programs):
    host = WithApt(programs / "root", 'DPkg::Chroot-Directory "/srv/x";\n')
    with pytest.raises(ObservationError, match="apt runs dpkg in /srv/x"):
        list(dpkg_trial._list_dpkg_commands(host))


def test_every_dpkg_that_installs_it_is_named_and_who_could_see_to_that(programs):
    host, usual = WithApt(programs / "root", apt=False), programs / "bin/dpkg"
    assert dpkg_trial.find_open_routes(host, "wechat").startswith(f"{usual} installs a made package")
    ((*argv, package),) = host.ran
    assert argv == [str(usual), f"--admindir={NOWHERE}", "--unpack"]
    assert not os.path.lexists(package), "it was in memory"
    for folder in ("etc/dpkg", "etc/dpkg/dpkg.cfg.d", "usr/libexec"):
        (programs / "root" / folder).chmod(0o777)
        first, second = dpkg_trial.find_open_routes(host, "wechat").split("; ")
        assert first.startswith(f"/{folder}: it can be changed by others") and second.startswith(f"{usual} installs")
        (programs / "root" / folder).chmod(0o755)
    usual.unlink()
    assert dpkg_trial.find_open_routes(host, "wechat") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only its links are followed")
def test_a_try_depends_on_dpkgs_and_apts_configuration_and_on_what_apt_runs(tmp_path):
    host = WithApt(tmp_path, 'Dir::Bin::dpkg "/opt/dpkg";\n', apt=False)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/dpkg").symlink_to("real")
    files = ["/etc/dpkg/dpkg.cfg.d/theirs", "/etc/apt/apt.conf.d/50x"]
    for path in files:
        put(tmp_path, path)
    tools = ["sh", "timeout", "tr", "grep", "xargs", "awk", "dpkg", "dpkg-deb", "dpkg-query", "readlink", "tar", "sed"]
    tools += ["find", "logger", "apt-config"]
    assert set(dpkg_trial.list_dependencies(host)) == {
        *("/usr/local/sbin/dpkg", "/usr/local/bin/dpkg", "/etc/ld.so.preload", "/etc/ld.so.cache"),
        *(f"{folder}/{tool}" for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin") for tool in tools),
        *("/etc/dpkg", "/etc/dpkg/dpkg.cfg.d", "/etc/apt/apt.conf.d", *files, "/usr/libexec"),
        *("/root/.dpkg.cfg", "/etc/apt/apt.conf"),
    }
    assert host.ran == []
    put(tmp_path, dpkg_trial.APT_CONFIG)
    assert set(dpkg_trial.list_dependencies(host)) >= {"/opt/dpkg", "/opt/real"}


@pytest.mark.parametrize(("system", "trial"), [(dpkg, dpkg_trial), (rpm, rpm_trial)], ids=["dpkg", "rpm"])
def test_first_name_is_tried(tmp_path, monkeypatch, system, trial):
    monkeypatch.setattr(trial, "find_open_routes", lambda host, name: f"open to {name}")
    assert system.make_block_parts(InstallBlock({"owl", "elk"}))[-1].run_trial(Host(str(tmp_path))) == "open to elk"
