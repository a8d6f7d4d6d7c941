"""A filter put in place and removed in steps (with a real resolver: integration/test_dns_resolvers.py)."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dns_contract import make_reply
from file_hosts import write_files
from proscribe.host.controls.dns import filter_changes, filter_text
from proscribe.host.controls.dns.backends.dnsmasq import DNSMASQ_LANGUAGE
from proscribe.host.controls.dns.dns_filter import DnsFilter, FilterStage
from proscribe.host.controls.dns.dns_query import NS_TYPE
from proscribe.host.controls.dns.names_to_block import DesiredNames
from proscribe.host.controls.dns.resolver_observation import DnsObservation
from proscribe.host.system import ControlError, Host, ToolResult

NAMES, UNIT_FILE = "/etc/resolver/names.conf", "/etc/systemd/system/proscribe-resolver.service"
LINK = "/etc/systemd/system/multi-user.target.wants/proscribe-resolver.service"
DESIRED = DesiredNames({"wechat": ["wechat.com"]}, {}, frozenset())
TEXT = filter_text.render_filter(DNSMASQ_LANGUAGE, DESIRED)
FIRST, SECOND = ("127.0.0.1", 53), ("127.0.0.1", 5353)
OBSERVED = DnsObservation((), (), "", {})


class Resolver(Host):
    """`refused_command` is the command that fails, `gone` the command after which other names do not resolve any more.
    `silent` are the addresses that do not answer in time, `closed` those where nothing listens. `deaf` go on with what
    they read before.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), self.answer)
        self.ran: list[str] = []
        self.refused_command = self.gone = ""
        self.silent, self.closed, self.deaf = (set[tuple[str, int]]() for _ in range(3))
        self.resolves = True
        self.queried: list[tuple[str, float]] = []
        write_files(root, {"etc/systemd/system/README": "", "run/README": ""}, ["usr/bin/check"])
        write_files(root, {"etc/resolver/README": "", "etc/resolv.conf": "nameserver 127.0.0.1\nnameserver 10.0.0.1\n"})

    def answer(self, argv: Sequence[str], **_: Any) -> ToolResult:
        line = " ".join(argv)
        self.ran.append(line)
        if "check" in argv[0]:
            self.candidate = self.read_text(filter_changes.CANDIDATE_PATH)
        if self.gone and self.gone in line:
            self.resolves = False
        is_refused = self.refused_command and self.refused_command in line
        return ToolResult(1, "", "no") if is_refused else ToolResult(0, "", "")

    def send_datagram(self, address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        where = (address, port)
        self.queried.append((address, timeout))
        if where in self.silent:
            return None
        if where in self.closed:
            raise ConnectionRefusedError
        if int.from_bytes(message[-4:-2], "big") == NS_TYPE:
            return make_reply(message, code=0 if self.resolves else 2)
        digest = filter_text.find_digest(self.read_text(NAMES) or "")
        return make_reply(message, "old" if where in self.deaf else digest)

    def list_service_commands(self) -> list[str]:
        return [line for line in self.ran if "check" not in line]


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(filter_changes, "START_TIMEOUT_SECONDS", 0.01)
    return Resolver(tmp_path)


def made(*stages: FilterStage) -> DnsFilter:
    usual = (
        FilterStage({UNIT_FILE: "[Service]\n"}, [("start", "unit")], [], [("leave", "unit")], [("left", "unit")]),
        FilterStage({NAMES: TEXT}, [("start", "names")], [FIRST, SECOND], [("leave", "names")], [("left", "names")]),
    )
    return DnsFilter("made", NAMES, DNSMASQ_LANGUAGE, lambda _: stages or usual, ["check", "--test"], ["made.service"])


def put(host: Resolver, *stages: FilterStage) -> list[Any]:
    return filter_changes.install_filter(host, made(*stages), DESIRED)


@pytest.mark.parametrize(("address", "restarted"), [("127.0.0.53", False), ("127.0.0.1", True)])
def test_raced_stub_is_not_restarted_for_a_foreign_answer(host, address, restarted):
    host.write_file(NAMES, TEXT)
    host.deaf = {(address, 53)}
    stage = FilterStage({NAMES: TEXT}, [("restart",)], [(address, 53)])
    assert bool(filter_changes.install_filter(host, made(stage)._replace(is_raced=True), DESIRED)) is restarted


@pytest.mark.parametrize(
    ("path", "text", "started"),
    [(UNIT_FILE, "[Service]\n", ["start names"]), (NAMES, TEXT, ["start unit", "start names"])],
)
def test_stages_after_a_change_are_done_again(host, path, text, started):
    host.write_file(path, text)
    (action,) = put(host)
    action.apply()
    assert host.list_service_commands() == started


@pytest.mark.parametrize("held", [True, False])
def test_silent_resolver_is_restarted_only_if_it_is_stopped(host, held, monkeypatch):
    host.write_file(NAMES, TEXT)
    host.silent = {FIRST}
    monkeypatch.setattr(filter_changes, "is_resolver_held", lambda *_: held)
    assert bool(put(host, FilterStage({NAMES: TEXT}, [("start", "names")], [FIRST]))) is held


def test_tool_may_want_the_file_before_its_options_and_none_is_needed(host):
    strict = made()._replace(check_command=lambda path: ("check", path, "--strict"))
    filter_changes.install_filter(host, strict, DESIRED)[0].apply()
    assert host.ran[0] == f"/usr/bin/check {filter_changes.CANDIDATE_PATH} --strict" and host.candidate == TEXT
    host.delete_file(NAMES)
    host.ran.clear()
    filter_changes.install_filter(host, made()._replace(check_command=()), DESIRED)[0].apply()
    assert host.ran == ["start names"] and host.read_text(filter_changes.CANDIDATE_PATH) is None


@pytest.mark.parametrize("answers", [True, False])
def test_a_resolver_that_could_not_be_started_again_may_answer_as_before(host, answers):
    host.write_file(NAMES, "old\n")
    (action,) = put(host, FilterStage({NAMES: TEXT}, [("start", "names")], []))
    host.refused_command, host.gone = "start names", "" if answers else "start names"
    works = "works, but its old state " if answers else ""
    with pytest.raises(ControlError, match=rf"; name resolution {works}cannot be restored \(start names ended"):
        action.apply()


@pytest.mark.parametrize(
    ("before", "ran"),
    [
        # new files go, the last one first
        ({}, ["start unit", "start names", "leave names", "left names", "leave unit", "left unit"]),
        # what was there is there again
        ({UNIT_FILE: "theirs\n", NAMES: "old\n"}, ["start unit", "start names", "start names", "start unit"]),
    ],
)
@pytest.mark.parametrize("wrong", ["deaf", "closed", "silent", "refused_command", "gone"])
def test_a_change_that_fails_is_taken_back(host, before, ran, wrong):
    for path, text in before.items():
        host.write_file(path, text)
    setattr(host, wrong, {SECOND} if wrong in ("deaf", "closed", "silent") else "start names")
    (action,) = put(host)
    with pytest.raises(ControlError) as failed:
        action.apply()
    said = str(failed.value)
    if wrong == "gone":
        assert "other names do not resolve any more" in said
    elif wrong != "refused_command":
        assert "127.0.0.1 port 5353 does not answer with the new names" in said
    cannot = wrong == "refused_command" and bool(before)  # what starts it does not work any more
    assert ("name resolution is restored" in said) is not cannot
    assert ("cannot be restored (start names ended with 1: no)" in said) is cannot
    assert {path: host.read_text(path) for path in (UNIT_FILE, NAMES)} == {UNIT_FILE: None, NAMES: None, **before}
    assert host.list_service_commands() == ran


def test_a_stage_that_was_not_begun_is_not_taken_back(host):
    host.refused_command = "start unit"
    host.write_file(NAMES, "old\n")
    with pytest.raises(ControlError):
        put(host)[0].apply()
    assert host.list_service_commands() == ["start unit", "leave unit", "left unit"]
    assert host.read_text(NAMES) == "old\n"


def test_a_resolver_has_a_while_to_answer(host, monkeypatch):
    monkeypatch.setattr(filter_changes, "START_TIMEOUT_SECONDS", 60.0)
    host.silent = {SECOND}
    host.queried.clear()

    def wait(_: float) -> None:
        host.silent.clear()
        host.resolves = True

    monkeypatch.setattr(filter_changes.time, "sleep", wait)
    put(host)[0].apply()
    assert host.read_text(NAMES) == TEXT
    host.resolves = False
    assert filter_changes._wait_for_resolution(host)


def test_drop_in_beside_our_unit_is_deleted(host):
    host.write_file(f"{UNIT_FILE}.d/theirs.conf", "[Service]\nExecStart=\n")
    host.write_file(UNIT_FILE, "[Service]\n")
    stage = FilterStage({UNIT_FILE: "[Service]\n"}, [("start", "unit")], [])
    put(host, stage)[0].apply()
    assert host.read_text(f"{UNIT_FILE}.d/theirs.conf") is None and put(host, stage) == []


@pytest.mark.parametrize(
    ("servers", "expected"), [("127.0.0.1 127.0.0.9", True), ("127.0.0.9 127.0.0.1", False), ("127.0.0.8", False)]
)
def test_host_resolves_by_its_first_name_server(host, servers, expected):
    host.write_file("/etc/resolv.conf", "".join(f"nameserver {server}\n" for server in servers.split()))
    host.closed, host.silent = {("127.0.0.9", 53)}, {("127.0.0.8", 53)}
    assert filter_changes._is_resolving(host, [2]) is expected and all(timeout == 2 for _, timeout in host.queried)


@pytest.fixture
def filtered(host, monkeypatch):
    stages = [
        FilterStage({UNIT_FILE: ""}, (), (), [("leave", "unit")], [("left", "unit")], required_paths=[LINK]),
        FilterStage({NAMES: "", "/etc/resolver/none.conf": ""}, (), (), [("leave", "names")], [("left", "names")]),
    ]
    backends = {"made": SimpleNamespace(list_possible_stages=lambda host, observed: stages)}
    monkeypatch.setattr(filter_changes, "load_backend", backends.__getitem__)
    for path, text in ((NAMES, TEXT), (UNIT_FILE, "[Service]\n"), (LINK, "")):
        host.write_file(path, text)
    return host


def test_removal_goes_on_after_a_failed_stop(filtered):
    filtered.refused_command = "leave"
    for action in filter_changes.remove_filters(filtered, OBSERVED, ["made"]):
        action.apply()
    assert filtered.read_text(NAMES) is None


@pytest.mark.parametrize(("worked", "fails"), [(True, True), (False, False)])
def test_host_that_resolves_no_more_is_an_error_if_it_did(filtered, worked, fails):
    filtered.resolves, filtered.gone = worked, "left names"
    action = filter_changes.remove_filters(filtered, OBSERVED, ["made"])[0]
    error = pytest.raises(ControlError, match=f"names do not resolve any more now that {NAMES} is gone")
    with error if fails else contextlib.nullcontext():
        action.apply()
    assert filtered.read_text(NAMES) is None
