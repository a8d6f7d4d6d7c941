"""The effect of a filter on programs (with the real C library: integration/test_dns_services.py)."""

import socket
import subprocess
from pathlib import Path

import pytest
from file_hosts import apply, write_files
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_plan
from proscribe.host.controls import dns
from proscribe.host.controls.dns import effect_test, nsswitch
from proscribe.host.controls.dns.effect_test import WITNESS_ADDRESS, WITNESS_NAME, FilterEffect
from proscribe.host.controls.dns.names_to_block import DesiredNames
from proscribe.host.system import Host, ObservationError
from proscribe.host.system.name_resolution import NameResolution
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN

OURS, NOBODY_KNOWS = NameResolution((WITNESS_ADDRESS,)), NameResolution()
GAVE_UP = NameResolution(failure="Temporary failure in name resolution")
SINK, OPEN = NameResolution(("0.0.0.0", "::")), NameResolution(("203.0.113.7",))
NAMES = DesiredNames(
    {"a": ["a.com"], "none": [], "b": ["needed.com", "b.com", "c.com"]}, {"needed.com": ""}, frozenset()
)
IDLE = f"programs do not go by it: the C library says of {WITNESS_NAME}: "
B, W = ("B.COM.", socket.AF_INET), (f"{WITNESS_NAME}.", socket.AF_INET)  # the witness has no other address
PLAN = make_plan("dns", {"wechat": ["wechat.com"]})
WORDS = st.sampled_from(
    [b"hosts:", b"files", b"dns", b"[NOTFOUND=return]", b"[", b"]", b"\n", b"#", b" ", b"passwd: x"]
)


class Library(Host):
    """A host whose C library says of the witness, and of every other name, what it is given."""

    def __init__(self, root: Path, witness: NameResolution | None, others: NameResolution | None = SINK) -> None:
        super().__init__(str(root))
        self.witness, self.describe_write_access = witness, others
        self.queried: list[tuple[str, int]] = []
        self.clock = lambda: 1.0
        write_files(root, {"etc/README": "", "var/lib/README": ""})

    def resolve_name(self, name: str, family: int, patience: float) -> NameResolution | None:
        assert patience > 1  # a busy host takes a while
        self.queried.append((name, family))
        answer = self.witness if name.startswith(WITNESS_NAME) else self.describe_write_access
        if answer is None:
            raise ObservationError(f"no answer for {name}")
        return answer


@pytest.mark.parametrize(
    ("witness", "others", "gives_up", "found", "queried"),
    [
        (OURS, SINK, False, FilterEffect(), [W, B]),
        (OURS, OPEN, False, FilterEffect(resolved_name="b.com", resolved_address="203.0.113.7"), [W, B]),
        (OURS, None, False, FilterEffect(unseen_reason="no answer for B.COM."), [W, B]),
        (None, SINK, False, FilterEffect(unseen_reason=f"no answer for {WITNESS_NAME}."), [W]),
        # Of what does not go by ours no name is asked for: the question would leave the host.
        (NOBODY_KNOWS, OPEN, False, FilterEffect(idle_reason=f"{IDLE}no such name"), [W]),
        (GAVE_UP, OPEN, True, FilterEffect(), [W]),  # systemd-resolved without a link answers nobody
        (NOBODY_KNOWS, OPEN, True, FilterEffect(idle_reason=f"{IDLE}no such name"), [W]),
    ],
)
def test_filter_is_tried(tmp_path, witness, others, gives_up, found, queried):
    host = Library(tmp_path, witness, others)
    assert effect_test.probe_filter_effect(host, NAMES, lambda: gives_up) == found and host.queried == queried


def test_behind_systemd_resolved_the_witness_has_to_do(tmp_path):
    host = Library(tmp_path, OURS, OPEN)
    found = (effect_test.probe_filter_effect(host, NAMES, lambda: False, is_case_preserved=False), host.queried)
    assert found == (FilterEffect(), [W])


@pytest.fixture
def host(tmp_path):
    host = Library(tmp_path, OURS)
    (tmp_path / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    apply(dns.enforce(host, PLAN))
    return host


def seen(host: Host) -> tuple[set[str], str, bool]:
    verdicts = [verdict for verdict in dns.observe(host, PLAN) if verdict.rule in ("dns/wechat", "dns/hosts-file")]
    details = " | ".join(f"{finding.detail}" for verdict in verdicts for finding in verdict.findings)
    return {verdict.state for verdict in verdicts}, details, any(verdict.drifted for verdict in verdicts)


ORDERS = [
    # the line, what is wrong with it, the corrected line
    (b"hosts: files dns", "", b"files dns"),
    (b"hosts: files mdns4_minimal [NOTFOUND=return] dns", "", b"files mdns4_minimal [NOTFOUND=return] dns"),
    (b"hosts:files[SUCCESS=return]dns", "", None),
    (b"passwd: files", "", b"files dns"),
    (b"", "", b"files dns"),
    (b"hosts: dns", "no `files`", b"files dns"),
    (b"hosts: dns files", "`dns` before `files`", b"files dns"),
    (b"hosts: dns [NOTFOUND=return] files", "`dns` before `files`", b"files dns [NOTFOUND=return]"),
    (b"hosts: files [SUCCESS=continue] dns", "goes on after `files`", b"files dns"),
    (b"hosts: files dns\nhosts: dns", "no `files`", b"files dns"),  # of two the last, and for older libraries the first
    (b"hosts: dns\nhosts: files dns", "no `files`", b"files dns"),
]


@pytest.mark.parametrize(("content", "amiss", "right"), ORDERS)
def test_order_that_skips_the_hosts_file_is_corrected(content, amiss, right):
    said = nsswitch.find_order_defect(content)
    assert amiss in said and bool(said) is bool(amiss)
    made = nsswitch.insert_files_first(content, False)
    assert nsswitch.find_order_defect(made) == "" and nsswitch.has_files_first(made)
    assert nsswitch.split_nsswitch(made).foreign_lines == content
    assert right is None or b"\nhosts: " + right + b"\n# END" in made


@given(st.one_of(st.lists(WORDS).map(b" ".join), st.binary(max_size=60)), st.booleans())
def test_any_order_is_corrected_and_restored(content, made):
    if b"proscribe" not in content:
        rendered = nsswitch.insert_files_first(content, made)
        split = nsswitch.split_nsswitch(rendered)
        assert (split.foreign_lines, split.is_new_file, nsswitch.find_order_defect(rendered)) == (content, made, "")
        assert nsswitch.insert_files_first(split.foreign_lines, made) == rendered


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("sed -i 's/^hosts:.*/hosts: dns/' nsswitch.conf", "has no `files` in its line `hosts`"),
        ("chmod 600 hosts", "users' programs cannot read it"),
        ("true", "programs do not go by it: the C library says of filter.proscribe.internal: no such name"),
    ],
)
def test_right_file_without_effect_is_drift(tmp_path, host, tampering, said):
    assert seen(host) == ({COMPLIANT}, "", False)
    subprocess.run(["sh", "-c", tampering], cwd=tmp_path / "etc", check=True)
    host.witness = host.describe_write_access = NOBODY_KNOWS if tampering == "true" else SINK
    states, details, drifted = seen(host)
    assert (states, drifted) == ({NONCOMPLIANT}, True) and said in details
    apply(dns.enforce(host, PLAN))
    host.witness, host.describe_write_access = OURS, SINK
    assert seen(host) == ({COMPLIANT}, "", False)


@pytest.mark.parametrize(
    ("others", "state", "detail"),
    [(None, UNKNOWN, ""), (OPEN, NONCOMPLIANT, "the C library says 203.0.113.7 all the same")],
)
def test_blocked_name_that_resolves_is_named_and_silence_is_unknown(host, others, state, detail):
    host.describe_write_access = others
    states, details, drifted = seen(host)
    assert (states, drifted, detail in details) == ({state}, bool(detail), True)


def test_link_in_the_place_of_the_order_is_left_and_reported(tmp_path):
    host = Library(tmp_path, OURS)
    write_files(tmp_path, {"etc/authselect/nsswitch.conf": "hosts: dns\n"})
    (tmp_path / "etc/nsswitch.conf").symlink_to("authselect/nsswitch.conf")
    changes = dns.enforce(host, PLAN)
    assert [(item.rule, item.subject) for item in changes.refusals] == [("dns/hosts-file", "/etc/nsswitch.conf")]
    apply(changes)
    assert seen(host)[0] == {NONCOMPLIANT}
