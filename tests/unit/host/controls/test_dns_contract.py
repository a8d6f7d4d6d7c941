"""What every DNS filter passes: all that the control, the firewall and the exports have of a backend's one file."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dns_contract import OPENED, UPSTREAM, Machine, sample
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls import dns
from proscribe.host.controls.dns import hits, rendering
from proscribe.host.controls.dns.backends import registry
from proscribe.host.controls.dns.backends.declaration import KINDS, SERVER, Declared
from proscribe.host.controls.dns.choice import choose
from proscribe.host.controls.dns.desired import Desired
from proscribe.host.controls.dns.effect import EXPORT_WITNESS
from proscribe.host.controls.dns.filtering import Filter
from proscribe.host.controls.dns.observed import Observed
from proscribe.host.controls.dns.rendering import Language
from proscribe.host.controls.firewall.exemptions import collect
from proscribe.host.controls.firewall.rule_text import spelled
from proscribe.host.controls.forwarders import FORWARDERS
from proscribe.host.system import Host
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT

PROJECT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.parametrize("name", registry.FILTERS)
DESIRED = Desired({"wechat": ["wechat.com", "wx.qq.com"]}, {}, frozenset(["work.wechat.com"]))
NAMES = st.sets(st.from_regex(r"[a-z]{1,5}(\.[a-z0-9]{1,4}){0,2}\.(com|org)", fullmatch=True), max_size=6)


def plan(name: str, **services: Mapping[str, Any]) -> dict[str, Any]:
    entries = {id_: {"name": id_, "mode": "enforce", "allow": [], **entry} for id_, entry in services.items()}
    section = {"mode": "enforce", "services": entries, "settings": {"backend": name, "upstreams": []}}
    return {"controls": {"dns": section}}


def wechat(name: str) -> dict[str, Any]:
    return plan(name, wechat={"domains": ["wechat.com", "wx.qq.com"], "allow": ["work.wechat.com"]})


def described(host: Host, name: str) -> Filter:
    return registry.backend(name).describe(host, choose(host, {"backend": name}).observed, {})


def language(name: str) -> Language:
    """The language of a backend, which may be another one's."""
    return importlib.import_module(registry.backend(name).__name__).LANGUAGE


def declaration(name: str) -> Declared:
    return importlib.import_module(registry.backend(name).__name__).DECLARED


@pytest.fixture
def host(name: str, tmp_path: Path) -> Machine:
    machine = Machine(tmp_path, name, sample(name))
    machine.file = described(machine, name).file
    return machine


def enforce(host: Host, made: dict[str, Any]) -> list[str]:
    changes = dns.enforce(host, made)
    for action in changes.actions:
        action.apply()
    assert list(changes.refused) == []
    return [str(action) for action in changes.actions]


def states(host: Host, made: dict[str, Any]) -> dict[str, str]:
    found = {verdict.rule: verdict.state for verdict in dns.observe(host, made)}
    return {rule: found[rule] for rule in ("dns/wechat", "dns/resolver")}


def test_it_is_listed_as_it_is_declared(name: str) -> None:
    declared = declaration(name)
    assert (declared.kind, declared.unit, tuple(declared.files)) == registry.FILTERS[name]
    assert declared.name == name and declared.kind in KINDS and declared.forwarders
    read = [tuple(map(tuple, one)) for each in registry.FILTERS for one in declaration(each).forwarders]
    assert read == list(FORWARDERS)


def test_documents_say_of_it_what_is_so(name: str, host: Machine) -> None:
    declared = declaration(name)
    said = declared.documented
    page = (PROJECT / "docs/dns.md").read_text().splitlines()
    rows = [(server, has, f"`{name}`", written, said.tested or "no") for server, has, written in said.rows]
    rows.append((f"`{name}`", said.hits or "none", f"`{said.journal}`"))
    assert [row for row in rows if f"| {' | '.join(row)} |" not in page] == []
    assert sum(f"| `{name}` |" in line for line in page) == len(rows)
    assert said.rows and bool(said.hits) is bool(said.journal) is (language(name).hit is not None)
    assert said.hits or not described(host, name).logs
    if declared.kind == SERVER:  # the others have tests of their own in test_dns_services.py
        assert bool(said.tested) is (sample(name).packaged is not None)


def test_a_host_without_it_is_said_what_it_lacks(name: str, tmp_path: Path) -> None:
    assert registry.backend(name).missing(Host(str(tmp_path)), Observed((), (), "", {}))


def test_a_host_with_it_gets_it(name: str, host: Machine) -> None:
    assert registry.backend(name).missing(host, choose(host, {"backend": name}).observed) == ""
    assert choose(host, {"backend": "auto"}).name == name


def test_enforcing_settles_drift_is_corrected_and_lifting_leaves_nothing(name: str, host: Machine) -> None:
    # A line of the organisation's own that opens a name stays, and is reported.
    fine = {"dns/wechat": NONCOMPLIANT if sample(name).opens else COMPLIANT, "dns/resolver": COMPLIANT}
    wrong = {"dns/wechat": NONCOMPLIANT, "dns/resolver": NONCOMPLIANT}
    made, before = wechat(name), host.tree()
    assert states(host, made) == wrong and host.tree() == before
    assert enforce(host, made)
    assert states(host, made) == fine and enforce(host, made) == []
    written = host.text(host.file) or ""
    host.write(host.file, written.replace("wx.qq.com", "x.example"))
    assert states(host, made) == wrong
    assert enforce(host, made) and host.text(host.file) == written
    host.deaf = True
    assert states(host, made) == wrong
    assert enforce(host, made) and states(host, made) == fine
    for action in dns.lift(host, made).actions:
        action.apply()
    assert host.tree() == before


def test_the_firewall_lets_pass_whom_it_asks(host: Machine) -> None:
    service = {"name": "Telegram", "mode": "enforce", "networks": ["192.0.2.0/24"], "ports": []}
    section: Any = {"mode": "enforce", "services": {"telegram": service}, "settings": {}}
    assert [spelled(one.network) for one in collect(host, section, "").resolvers] == [UPSTREAM]


def test_which_accounts_ask_for_it(name: str, host: Machine) -> None:
    observed = choose(host, {"backend": name}).observed
    assert registry.backend(name).users(host, observed) == list(sample(name).users)


def test_a_line_that_opens_a_name_is_reported(name: str, host: Machine) -> None:
    assert (OPENED in {opened for _, _, opened in described(host, name).openers}) is sample(name).opens


def test_a_refusal_is_known_by_its_line_in_the_log(name: str) -> None:
    line, hit = sample(name).refusal, language(name).hit
    found = list(hits.named(f"Started.\n{line}\n", hit))
    assert list(hits.named(line.replace(OPENED, OPENED.upper()), hit)) == []  # an observation's own
    if hit is None:
        assert not line
    else:
        assert OPENED in line and len(found) == 1 and f".{OPENED}".endswith(f".{found[0]}")


@given(names=NAMES, through=NAMES)
def test_the_names_come_back_out_of_its_text(name: str, names: set[str], through: set[str]) -> None:
    text = rendering.text(language(name), Desired({"service": sorted(names)}, {}, frozenset(through - names)))
    assert set(language(name).blocked.findall(text)) == names
    assert len(rendering.digest_in(text)) == 32


@given(names=NAMES, more=NAMES, through=NAMES)
def test_two_texts_that_differ_have_different_digests(
    name: str, names: set[str], more: set[str], through: set[str]
) -> None:
    first = Desired({"service": sorted(names)}, {}, frozenset(through - names))
    second = Desired({"service": sorted(names | more)}, {}, frozenset(through - names - more))
    one, other = (rendering.text(language(name), desired) for desired in (first, second))
    assert (rendering.digest_in(one) == rendering.digest_in(other)) is (one == other)


def test_its_own_tool_reads_what_hosts_and_exports_get(name: str, host: Machine, tmp_path: Path) -> None:
    filter_ = described(host, name)
    candidate = tmp_path / "candidate.conf"
    command = filter_.checking(str(candidate))
    if not command:
        return
    program, *options = command
    tool = shutil.which(Path(program).name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if tool is None:
        pytest.skip(f"{Path(program).name} is not here: install it, and this test has it read the file")

    def accepts(text: str) -> bool:
        candidate.write_text(text)
        return subprocess.run([tool, *options], capture_output=True, check=False).returncode == 0

    of_export = [*filter_.language.head, *filter_.language.lines(["wechat.com"], ["work.wechat.com"])]
    of_export += filter_.language.witness(EXPORT_WITNESS, "plan=sha256:1 at=2026-11-30T06:00:00Z", "")
    assert accepts(filter_.render(DESIRED)) and accepts("\n".join([*of_export, ""]))
    assert not accepts(filter_.render(DESIRED) + "no such option: x\n")
