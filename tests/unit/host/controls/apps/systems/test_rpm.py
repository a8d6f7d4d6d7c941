"""The rpm family: recorded answers of its tools, the guard package, settings of front ends, the trial of a block."""

import gzip
import hashlib
import struct
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from fake_tools import DONE, Tools
from hypothesis import assume, given
from hypothesis import strategies as st
from made_users import ALICE, put
from proscribe.host.controls.apps.blocks.parts import DIFFERENT_PROBLEM, LEFT_OVER_PROBLEM, MISSING_PROBLEM
from proscribe.host.controls.apps.systems import (
    rpm,
    rpm_block,
    rpm_guard_package,
    rpm_removal,
    rpm_transaction,
    rpm_trial,
)
from proscribe.host.controls.apps.systems.guard_conflicts import PackageConflict, list_conflicts
from proscribe.host.controls.apps.systems.package import InstallBlock, Package
from proscribe.host.system import ControlError, Host, ObservationError, Process, ToolResult
from proscribe.model.removal_record import RemovedPackage

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)
POLICY = "Restricted by the policy of this organisation; ask it@example.org."
PLACE = "var/lib/proscribe/proscribe-guard.rpm"
DNF4 = "Removing:\n wechat  noarch  4.0-1  @made  42 k\n\nTransaction Summary\n=====\n{}\n\nFreed space: 126 k\n"
DNF5 = "Package  Arch\nRemoving:\n wechat noarch\n\nTransaction Summary:\n{}\n"
ZYPPER = '<stream><install-summary packages-to-change="2">{}</install-summary></stream>'
SOLVABLE = '<solvable type="package" name="{}" edition="4.0-1"><description>name="x"</description></solvable>'
REMOVES, INSTALLS = f"<to-remove>{SOLVABLE}</to-remove>", f"<to-install>{SOLVABLE}</to-install>"
OTHERS = REMOVES.format("wechat") + REMOVES.format("moments") + INSTALLS.format("tim")
LINES = ["[main]", "[other]", "# a", "; b", "", "gpgcheck=1", "excludepkgs=a,", "exclude = b c", "  d", "x\udcff"]
BLOCK_GUARD = rpm_block.GuardPackage((PackageConflict("viber"), PackageConflict("wechat")), POLICY)
# https://rpm.org/docs/4.20.x/manual/format_v4.html
CONFLICTS = [PackageConflict("owl"), PackageConflict("elk", "<", "2:1.0-1"), PackageConflict("elk", ">", "2:1.0-1")]
INT32, STRING, BINARY = 4, 6, 7
KINDS = {
    **dict.fromkeys((1000, 1006, 1009, 1053, 1112, 5093), INT32),  # 1000 of the signatures is a size
    **dict.fromkeys((100, 1047, 1054, 1055, 1113, 5092), 8),  # several texts
    **dict.fromkeys((1004, 1005, 1016), 9),  # texts in a language
}
FORMAT = "%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n"
ANSWER = "elk\t1-1\telk-1-1.noarch\npackage yak is not installed\nowl\t2:1-1\towl-1-1.x86_64\n"
FILES = {"elk-1-1.noarch": "/usr/share/elk\n/usr/bin/elk\n", "owl-1-1.x86_64": "/usr/bin/owl\n/opt/owl/owl\n"}
OWL = Package("rpm", "owl", "2:1-1", ("owl-1-1.x86_64",), path="/opt/owl")
ELK = Package("rpm", "elk", "1-1", ("elk-1-1.noarch",), path="/usr/bin/elk")
FAILED = "Transaction failed: Rpm transaction failed."
DNF, ZYPP = "/etc/dnf/dnf.conf", "/etc/zypp/zypp.conf"
DNF_FOLDERS = ["/etc/dnf/libdnf5.conf.d", "/usr/share/dnf5/libdnf.conf.d"]


def host(root: Path, *rows: tuple[str, ToolResult], tools: Sequence[str] = ("rpm",)) -> Host:
    put(root, "var/lib/rpm/rpmdb.sqlite")
    for tool in tools:
        put(root, f"usr/bin/{tool}", mode=0o755)
    return Host(str(root), Tools(*rows))


def package(name: str, version: str = "1.0-1") -> Package:
    return Package("rpm", name, version, (f"{name}-{version}.noarch",))


@given(st.text(), st.sets(NAMES))
def test_any_answer_of_rpm_names_no_other_package(answer, ids):
    assert {package.id for package in rpm.parse_packages(answer, ids)} <= ids


def test_database_that_cannot_be_read_is_unseen_and_a_broken_one_an_error(root, monkeypatch):
    unread = ([], "there is an rpm database, and no rpm to read it")
    assert rpm.find_packages(host(root, tools=()), {"wechat"}) == unread
    answer = ToolResult(1, "package wechat is not installed\n", "error: rpmdb: damaged header #7\n")
    with pytest.raises(ControlError, match="damaged header #7"):
        rpm.find_packages(host(root, ("-q", answer)), {"wechat"})
    monkeypatch.setattr(Host, "privileged", False)
    closed = host(root, ("-q", ToolResult(1, "", "error: sqlite failure: attempt to write a readonly database\n")))
    assert "cannot read its database" in rpm.find_packages(closed, {"wechat"})[1]
    with pytest.raises(ObservationError):
        BLOCK_GUARD.find_problem(closed, True)


FIND_DNF, FIND_ZYPPER = rpm_removal.find_dnf_objection, rpm_removal.find_zypper_objection


@pytest.mark.parametrize(
    ("objection", "rc", "out", "reason"),
    [
        (FIND_DNF, 1, DNF4.format("Remove  1 Package"), ""),
        (FIND_DNF, 1, DNF5.format(" Removing:           1 package"), ""),
        (FIND_DNF, 1, DNF4.format("Install  1 Package\nRemove   1 Package"), "install 1, remove 1"),
        (FIND_DNF, 1, DNF5.format(" Removing: 2 packages\n Replacing: 1 package"), "2, replacing 1"),
        (FIND_DNF, 1, "Error: protected packages: wechat", "Error: protected packages: wechat"),
        (FIND_ZYPPER, 0, ZYPPER.format(REMOVES.format("wechat")), ""),
        (FIND_ZYPPER, 0, ZYPPER.format(OTHERS), "would also install tim, remove moments"),
        (FIND_ZYPPER, 4, ZYPPER.format('<message type="error">locked</message>'), "locked"),
    ],
)
def test_simulation_of_a_front_end_decides(objection, rc, out, reason):
    result = objection(ToolResult(rc, out, ""), [package("wechat")])
    assert result.endswith(reason) and bool(result) is bool(reason)


@pytest.mark.parametrize(("locked", "front"), [("wechat", ""), ("other", "zypper")])
def test_package_that_zypper_locked_is_removed_by_rpm(root, locked, front):
    put(root, "usr/bin/zypper", mode=0o755)
    put(root, "etc/zypp/locks", rpm_block.merge_locks([locked], POLICY, ""))
    assert rpm_removal.find_front_end(Host(str(root)), [package("wechat")]) == front


def test_package_that_others_need_stays_also_at_the_second_check(root):
    breaks = ToolResult(1, "", "error: Failed dependencies:\n\twechat is needed by (installed) moments-1.0-1.noarch\n")
    wechat = package("wechat")
    refused = rpm_removal.plan_removal(host(root, ("--test", breaks)), [wechat])
    assert refused == ([], [(wechat, "would break moments-1.0-1.noarch")])
    here = host(root, ("--test", DONE))
    (action,) = rpm_removal.plan_removal(here, [wechat])[0]
    here._run = tools = Tools(("--test", breaks))
    with pytest.raises(ControlError, match="not removed: would break moments"):
        action.apply()
    assert all("--test" in call for call in tools.calls)


@given(st.lists(st.sampled_from(LINES)), st.sampled_from(["", "\n"]), st.lists(NAMES, min_size=1, unique=True))
def test_configuration_of_dnf_is_given_back(lines, end, names):
    before = "\n".join(lines) + end
    after = rpm_block.merge_excludes(names, POLICY, before)
    assert after != before and rpm_block.merge_excludes(names, POLICY, after) == after
    assert rpm_block.strip_excludes(after) == rpm_block.merge_excludes([], POLICY, after) == before


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("", "", ["[main]", "excludepkgs=owl"]),
        ("[main]\n# x\nexcludepkgs=a\n", "", ["exclude=owl"]),
        ("[main]\n;e\nexcludepkgs = a\nexclude=b\n c d\n", "[other]\nexclude=x\n y\n", ["exclude=b,c,d,owl"]),
        ("[other]\nexclude=x\n[main]\n[other]\n y\n[main]\nkey=1\n", "\n[last]\n", ["excludepkgs=owl"]),
    ],
)
def test_names_are_excluded_beside_those_of_the_administrator(before, after, lines):
    text = rpm_block.merge_excludes(["owl"], POLICY, before + after)
    head, begin, block = text.removeprefix(before).removesuffix(after).partition(f"# {POLICY}\n")
    assert head.startswith("# proscribe: begin. Written by Proscribe") and begin
    assert block == "".join(f"{line}\n" for line in [*lines, "# proscribe: end"])


def stanza(name: str, comment: str = "") -> str:
    comment_line = f"comment: {comment}\n" if comment else ""
    return f"\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {name}\n{comment_line}\n"


@pytest.mark.slow
@given(st.lists(st.tuples(NAMES, st.sampled_from(["", "why", "Written by hand"]))), st.sets(NAMES), st.booleans())
def test_locks_of_zypper_are_given_back(theirs, names, ended):
    before = "".join(stanza(*lock) for lock in theirs)
    before = before if ended else before.rstrip("\n")
    new = names - {name for name, comment in theirs if not comment}
    assume(new)
    after = rpm_block.merge_locks(sorted(names), POLICY, before)
    assert rpm_block.merge_locks(sorted(names), POLICY, after) == after
    assert rpm_block.strip_locks(after) == before and rpm_block.list_locked_names(after) == new


def test_locks_in_another_order_are_the_same_locks():
    text = rpm_block.merge_locks(["wechat", "viber"], POLICY, stanza("other"))
    parts = [part.strip("\n") for part in text.split("\n\n") if part.strip()]
    shuffled = "\n" + "\n\n\n".join(parts[::-1]) + "\n\n"
    assert rpm_block.merge_locks(["wechat", "viber"], POLICY, shuffled) == shuffled
    assert rpm_block.strip_locks(shuffled).strip() == stanza("other").strip()


def guard_host(root: Path, release: str, *provided: str) -> Host:
    missing = ToolResult(1, "package proscribe-guard is", "")
    query = ToolResult(0, f"proscribe-guard\t{release}", "") if release else missing
    provides = ToolResult(0, "\n".join(provided), "")
    return host(root, ("-q --qf --whatprovides viber wechat", provides), ("-q --qf proscribe-guard", query))


@pytest.mark.parametrize(
    ("beside", "installed", "expected", "problem"),
    [
        (None, [], True, MISSING_PROBLEM),
        (None, [], False, ""),
        ([], [], True, ""),
        ([], [], False, LEFT_OVER_PROBLEM),
        (["wechat"], ["wechat"], True, ""),  # it has to stand beside what cannot be removed
        (["wechat"], [], True, DIFFERENT_PROBLEM),  # and to conflict with it as soon as it is gone
        ([], ["wechat", "other"], True, ""),  # what was forced past it does not make it wrong
    ],
)
def test_guard_state(root, beside, installed, expected, problem):
    release = "" if beside is None else BLOCK_GUARD.make_release(set(beside))
    assert BLOCK_GUARD.find_problem(guard_host(root, release, *installed), expected) == problem


def test_guard_is_planned_for_the_packages_that_remain(root):
    here = guard_host(root, BLOCK_GUARD.make_release({"wechat"}), "wechat")
    assert BLOCK_GUARD.exclude_packages({"wechat"}).find_problem(here, True) == DIFFERENT_PROBLEM
    assert "Conflicts: wechat\n" in BLOCK_GUARD.exclude_packages({"wechat"}).make_desired_text(here)


def test_file_of_a_killed_run_is_deleted_with_the_guard(root):
    here, place = guard_host(root, ""), put(root, PLACE)
    assert BLOCK_GUARD.is_in_place(here) and BLOCK_GUARD.read_current_text(here) == ""
    BLOCK_GUARD.lift(here)
    assert not place.exists() and not BLOCK_GUARD.is_in_place(here)
    guard = guard_host(root, "7f")
    guard._run = tools = Tools(("-e", DONE), *guard._run.rows)
    assert BLOCK_GUARD.is_in_place(guard) and BLOCK_GUARD.read_current_text(guard) == "proscribe-guard 7f\n"
    assert [argv[3] for argv, _ in tools.ran] == ["%{NAME}\t%{RELEASE}", "[%{PROVIDENAME}\n]"] * 2
    BLOCK_GUARD.lift(guard)
    assert tools.calls[-1] == "rpm -e proscribe-guard"


def header(content: bytes, at: int, region: int) -> tuple[dict[int, Any], int]:
    """Return a header's values by tag, and where it ends. Its region is checked and left out."""
    magic, count, size = struct.unpack_from(">8sii", content, at)
    index = [struct.unpack_from(">iiii", content, at + 16 + 16 * number) for number in range(count)]
    start = at + 16 + 16 * count
    store = content[start : start + size]
    assert (magic, index[0]) == (b"\x8e\xad\xe8\x01\0\0\0\0", (region, BINARY, size - 16, 16))
    assert struct.unpack(">iiii", store[-16:]) == (region, BINARY, -16 * count, 16)
    assert [tag for tag, *_ in index[1:]] == sorted({tag for tag, *_ in index[1:]})
    values: dict[int, Any] = {}
    for tag, kind, offset, items in index[1:]:
        assert kind == (STRING if (tag, region) == (1000, 63) else KINDS.get(tag, STRING))
        assert (kind != INT32 or offset % 4 == 0) and (kind != STRING or items == 1)
        texts = [text.decode() for text in store[offset:].split(b"\0")[:items]]
        numbers = list(struct.unpack_from(f">{items}i", store, offset)) if kind == INT32 else []
        values[tag] = numbers or (texts[0] if kind == STRING else texts)
    return values, start + size


def read(content: bytes) -> dict[int, Any]:
    """Return the header of a package. Lead and signatures are checked."""
    assert content[:4] == b"\xed\xab\xee\xdb"
    signature, end = header(content, 96, 62)
    begin = -(-end // 8) * 8
    assert not content[end:begin].strip(b"\0")
    message, end = header(content, begin, 63)
    assert signature == {273: hashlib.sha256(content[begin:end]).hexdigest(), 1000: [len(content) - begin]}
    return message


def test_guard_package_says_all_that_rpm_needs():
    content = rpm_guard_package.build_package(CONFLICTS, "7f", POLICY, ["Ask IT."], "x" * 100, "owl")
    assert content[:10] == b"\xed\xab\xee\xdb\x03\0\0\0\0\x01" and content[76:96] == b"\0\x01\0\x05" + bytes(16)
    assert content[10:76] == b"x" * 65 + b"\0", "a long name is cut in the lead alone"
    payload = content[content.rindex(b"\x1f\x8b\x08\0\0\0\0\0") :]
    assert gzip.decompress(payload) == b"07070100000000%024d00000001%048d0000000b%08dTRAILER!!!\0\0\0\0" % (0, 0, 0)
    version = "restricted.by.the.policy.of.this.organisation.ask.it.at.example.org"
    about = f"{POLICY} This package conflicts with what is restricted, and goes with: ./proscribe lift --limit"
    assert read(content) == {
        100: ["C"], 1000: "x" * 100, 1001: version, 1002: "7f", 1004: [f"Written by Proscribe. {POLICY}"],
        1005: [f"{about} THIS_HOST\nAsk IT."], 1006: [0], 1009: [0], 1014: "GPL-3.0-or-later", 1016: ["Unspecified"],
        1021: "linux", 1022: "noarch", 1044: f"{'x' * 100}-{version}-7f.src.rpm", 1047: ["x" * 100, "owl"],
        1053: [0, 2, 4], 1054: ["owl", "elk", "elk"], 1055: ["", "2:1.0-1", "2:1.0-1"], 1064: "4.14.0",
        1112: [8, 8], 1113: [f"{version}-7f"] * 2, 1124: "cpio", 1125: "gzip", 1126: "9",
        5092: [hashlib.sha256(payload).hexdigest()], 5093: [8],
    }  # fmt: skip
    versions = {"x" * 201: "x" * 200, f"{'x' * 199}!y": "x" * 199, "!": "0"}
    assert {text: rpm_guard_package.format_policy_version(text) for text in versions} == versions
    assert read(rpm_guard_package.build_package((), "0", "p"))[1000] == "proscribe-guard"


def test_permitted_version_has_two_conflicts_and_odd_names_have_none():
    permitted = {"elk": ["1"], "yak": ["1", "2"], "other": ["3"]}
    pairs = [PackageConflict("owl", "", ""), PackageConflict("elk", "<", "1"), PackageConflict("elk", ">", "1")]
    assert list(list_conflicts(["owl", "elk", "yak"], permitted)) == pairs
    parts = rpm_block.make_block_parts(InstallBlock({"wechat", "we*", "a,b", "-e", "x y", "[abc]"}, "it@example.org"))
    assert parts[0].make_desired_text(Host("/nonexistent")).count("=wechat\n") == 1
    (guard,) = (part for part in parts if isinstance(part, rpm_block.GuardPackage))
    assert guard.conflicts == (PackageConflict("wechat"),)


@pytest.mark.parametrize("rc", [0, 1])
def test_guard_is_installed_from_a_file_that_is_deleted(root, rc):
    runs: list[Any] = []

    def run(argv: Any, **_: Any) -> ToolResult:
        runs.append((argv, (root / PLACE).read_bytes()[:4], (root / PLACE).stat().st_mode & 0o777))
        return ToolResult(rc, "", "error: no")

    (root / "var/lib").mkdir(parents=True)
    with pytest.raises(ControlError, match="rpm could not: error: no") if rc else nullcontext():
        rpm_guard_package.install_guard(Host(str(root), run), CONFLICTS, "abc", POLICY, ["Ask IT."])
    assert runs == [(["rpm", "-U", "--oldpackage", "--nosignature", f"/{PLACE}"], b"\xed\xab\xee\xdb", 0o600)]
    assert not (root / PLACE).exists()


def test_block_has_settings_of_each_front_end_and_the_guard(root):
    here = Host(str(root))
    block = InstallBlock({"owl", "elk"}, "it@example.org", {"elk": ["2:1.0-1"]}, messages=["Ask IT."])
    dnf, guard, protected, zypper, shop, trial = rpm_block.make_block_parts(block)
    assert guard.conflicts == (*CONFLICTS[1:], CONFLICTS[0]) and guard.read_current_text(here) == ""
    lines = "Conflicts: elk < 2:1.0-1\nConflicts: elk > 2:1.0-1\nConflicts: owl\n"
    assert guard.make_desired_text(here) == f"proscribe-guard {guard.make_release(set())}\n{lines}"
    paths = ["/etc/dnf/dnf.conf", "/etc/dnf/protected.d/proscribe.conf", "/etc/zypp/locks", "a made package"]
    assert [part.path for part in (dnf, protected, zypper, trial)] == paths
    assert "excludepkgs=owl\n" in dnf.make_desired_text(here) and f"# {POLICY}\n" in dnf.make_desired_text(here)
    assert protected.make_desired_text(here).endswith("\nproscribe-guard\n")
    locks = zypper.make_desired_text(here)
    assert rpm_block.list_locked_names(locks) == {"owl", "proscribe-guard"} and POLICY in locks
    assert shop.path.endswith("packagekit-rpm.rules") and '["owl"]' in shop.make_desired_text(here)
    nothing = rpm_block.make_block_parts(InstallBlock())
    assert [guard.is_applicable(here), nothing[1].is_applicable(here)] == [True, False]
    assert len(nothing) == 5 and [part.make_desired_text(here) for part in (nothing[0], nothing[3])] == ["", ""]
    for tool, parts in (("dnf-3", [dnf, protected]), ("zypper", [zypper]), ("microdnf", [dnf, protected])):
        place = put(root, f"usr/bin/{tool}", mode=0o755)
        assert [part for part in (dnf, protected, zypper) if part.is_applicable(here)] == parts
        place.unlink()


def built(root: Path, own: int = 0) -> tuple[Host, Tools]:
    put(root, "/var/lib/rpm/Packages.db")
    put(root, "/usr/bin/rpm", mode=0o755)
    tools = Tools(
        *((f"-ql {handle}", ToolResult(0, files, "")) for handle, files in FILES.items()),
        ("-q --qf", ToolResult(2, ANSWER, "")),
        ("-q rpm", ToolResult(own, "", "")),
    )
    return Host(str(root), tools), tools


def test_query_reads_packages_and_files(root):
    host, tools = built(root)
    assert rpm.find_packages(host, {"owl", "elk", "yak"}) == ([ELK, OWL], "")
    assert [argv for argv, _ in tools.ran] == [
        ["rpm", "-q", "--qf", FORMAT, "--", "elk", "owl", "yak"],
        *(["rpm", "-ql", "--", handle] for handle in ("elk-1-1.noarch", "owl-1-1.x86_64")),
    ]
    assert rpm.find_packages(host, set()) == rpm.find_user_packages(host, ALICE, {"owl"}) == ([], "")
    assert len(tools.ran) == 3


def test_a_program_belongs_to_the_package_with_its_file(root, monkeypatch):
    host, _ = built(root)
    whose = rpm.make_program_matcher(host, {"owl"}, [OWL, ELK])
    for shares in (True, False):
        monkeypatch.setattr(host, "has_host_root", lambda process, shares=shares: shares)
        result = [whose(Process(7, exe)) for exe in ("/opt/owl/owl", "/usr/bin/elk", "/opt/owl")]
        assert result == (["owl", "elk", ""] if shares else ["", "", ""])


@pytest.mark.parametrize("lacking", ["", "var/lib/rpm/Packages.db", "usr/bin/rpm", "an rpm of rpm"])
def test_family_needs_database_and_own_rpm(root, lacking):
    host, tools = built(root, own=int(lacking == "an rpm of rpm"))
    if "/" in lacking:
        (root / lacking).unlink()
    assert rpm.is_block_applicable(host) is not bool(lacking)
    assert [argv for argv, _ in tools.ran] == [["rpm", "-q", "rpm"]] * ("/" not in lacking)
    assert rpm.is_present(host, None) is not lacking.startswith("var") and not rpm.is_present(host, ALICE)


def needs(handle: str, *others: str) -> ToolResult:
    lines = [f"\t{handle} is needed by (installed) {other}" for other in others]
    return ToolResult(len(lines), "", "\n".join(["error: Failed dependencies:", *lines]))


def test_as_many_as_can_go_together_go(root):
    ran: list[list[str]] = []

    def run(argv: Sequence[str], **_: Any) -> ToolResult:
        ran.append([*argv])
        names = [handle.partition("-")[0] for handle in argv[argv.index("--") + 1 :]]
        if "yak" in names:
            return needs("yak", "b-1", "a-1", "b-1")
        if "ape" in names:
            return ToolResult(1, "", "error: odd")
        return ToolResult(0, "", "") if "owl" in names or "elk" not in names else needs("elk", "owl-1")

    packages = [Package("rpm", name, "1", (f"{name}-1.noarch",)) for name in ("elk", "yak", "ape", "owl")]
    ((action,), refused) = rpm_removal.plan_removal(Host(str(root), run), packages)
    assert (str(action), action.before) == ("remove owl, elk", "owl-1.noarch\nelk-1.noarch\n")
    assert refused == [(packages[1], "would break a-1, b-1"), (packages[2], "error: odd")]
    assert ran[0] == ["rpm", "-e", "--test", "--", *(package.handles[0] for package in packages)]
    action.apply()
    assert ran[-1] == ["rpm", "-e", "--", "owl-1.noarch", "elk-1.noarch"]


@pytest.mark.parametrize(
    ("tool", "words", "simulates", "does"),
    [
        ("dnf", "--disablerepo=* --setopt=clean_requirements_on_remove=False --setopt=disable_excludes=main {} remove"
         " owl-1-1.x86_64", "--assumeno", "--assumeyes"),
        ("zypper", "--non-interactive --no-refresh --xmlout remove --no-clean-deps {} owl=2:1-1", "--dry-run", ""),
    ],
)  # fmt: skip
def test_front_end_is_simulated_and_called(root, tool, words, simulates, does):
    put(root, f"/usr/bin/{tool}", mode=0o755)
    runs: list[Any] = []
    solved = '<to-remove><solvable type="package" name="owl"/></to-remove>'

    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        runs.append(([*argv], options))
        return ToolResult(0, solved if tool == "zypper" else "Removing: 1 package\n", "")

    ((action,), _) = rpm_removal.plan_removal(Host(str(root), run), [OWL])
    action.apply()
    trial, real = ([tool, *words.format(option).split()] for option in (simulates, does))
    assert [argv for argv, _ in runs if argv[0] == tool] == [trial, trial, real]
    assert [options for _, options in runs] == [{}, {"timeout": 120}] * 2 + [{"timeout": 1800}]
    assert action.removed_packages == [RemovedPackage("rpm", "owl", "2:1-1", "system", "owl.x86_64", tool)]


@pytest.mark.parametrize(
    ("tool", "answer", "times", "why"),
    [
        ("rpm", ToolResult(1, "", "error: no"), 1, "rpm could not: error: no"),
        ("zypper", ToolResult(8, "", "error: no"), 1, "zypper could not: error: no"),
        ("zypper", ToolResult(7, "", "locked"), 62, "another package manager has been at work for 60 s: locked"),
        ("dnf5", ToolResult(1, "", f"Running transaction\n{FAILED}"), 62, "dnf5 could not"),
    ],
)
def test_failed_transaction_is_tried_again_where_another_is_at_work(monkeypatch, tool, answer, times, why):
    now, runs = [0.0], []

    def run(argv: Any, **options: Any) -> ToolResult:
        runs.append(options)
        return answer

    monkeypatch.setattr(rpm_transaction.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(rpm_transaction.time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    with pytest.raises(ControlError, match=f"^{why}"):
        rpm_transaction.run_transaction(Host("/nonexistent", run), [tool])
    assert runs == [{"timeout": 1800}] * times


def trial_host(root: Path, files: dict[str, str], answer: ToolResult | None = None) -> tuple[Host, list[bytes]]:
    """A host with these files whose rpm answers so; None does not end. The packages that rpm has read."""
    packages: list[bytes] = []

    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        *words, path = argv
        assert (words, options) == (["rpm", "-i", "--test", "--nosignature"], {"timeout": 30}), "it changes nothing"
        packages.append(Path(path).read_bytes())
        if answer is None:
            raise ControlError("rpm did not end within 30 s")
        return answer

    for path, text in files.items():
        put(root, path, text)
    return Host(str(root), run), packages


@pytest.mark.parametrize(
    ("path", "text", "key"),
    [
        (DNF, "[main]\ndisable_excludes=all\n", "disable_excludes"),
        (f"{DNF_FOLDERS[0]}/10.conf", "disable_excludes=*", "disable_excludes"),
        (f"{DNF_FOLDERS[1]}/10.conf", "protected_packages=a", "protected_packages"),
        (ZYPP, "locksfile.apply = no", "locksfile.apply"),
        (ZYPP, "locksfile.path=/tmp/locks", "locksfile.path"),
        (DNF, "# disable_excludes=all\ndisable_excludes=\nlocksfile.apply = no", ""),  # which only zypper reads
        (ZYPP, "locksfile.apply = TRUE\nlocksfile.path = /etc/zypp/locks\ndisable_excludes=all", ""),
        *((ZYPP, f"locksfile.apply = {harmless}", "") for harmless in ("yes", "1", "On")),
    ],
)
def test_setting_that_opens_the_block_is_named(root, path, text, key):
    refusal = ToolResult(1, "", "error:\n\twechat conflicts with proscribe-guard-1-1.noarch\n")
    reason = rpm_trial.find_open_routes(trial_host(root, {path: text}, refusal)[0], "wechat")
    assert reason.startswith(f"{path} sets {key}, ") if key else reason == ""


def test_all_open_settings_are_named_and_the_package_that_rpm_installs(root):
    here, packages = trial_host(root, {DNF: "disable_excludes=all", ZYPP: "locksfile.path=/x"}, DONE)
    first, second, third = rpm_trial.find_open_routes(here, "wechat").split("; ")
    assert DNF in first and ZYPP in second and "installs" in third and b"wechat" in packages[0]


@pytest.mark.parametrize("answer", ["", "error: proscribe-guard is damaged", "x conflicts with another-1-1"])
def test_other_answer_of_rpm_is_unseen(root, answer):
    with pytest.raises(ObservationError):
        rpm_trial.find_open_routes(trial_host(root, {}, ToolResult(1, "", answer) if answer else None)[0], "wechat")


def test_trial_depends_on_the_files_that_rpm_and_front_ends_read(root):
    files = [*(f"{folder}/10.conf" for folder in DNF_FOLDERS), "/etc/rpm/macros"]
    here, _ = trial_host(root, dict.fromkeys(files, ""))
    put(root, "/usr/bin/rpm", mode=0o755)
    depends = set(rpm_trial.list_dependencies(here))
    assert {DNF, ZYPP, *files, "/usr/bin/rpm", "/etc/rpmrc", "/etc/popt", "/etc/popt.d", "/root/.rpmmacros"} <= depends
    assert {f"{folder}/rpmdb.sqlite" for folder in ("/var/lib/rpm", "/usr/lib/sysimage/rpm")} <= depends
