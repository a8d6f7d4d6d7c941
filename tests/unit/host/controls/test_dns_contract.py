"""The contract of every DNS filter: its documents, its host, its accounts and its language."""

import importlib
from pathlib import Path

import pytest
from dns_contract import Machine, sample
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.dns import filter_text
from proscribe.host.controls.dns.backend_choice import choose_backend
from proscribe.host.controls.dns.backends import filter_backends
from proscribe.host.controls.dns.backends.declaration import SERVER_KIND, BackendDeclaration
from proscribe.host.controls.dns.dns_filter import DnsFilter
from proscribe.host.controls.dns.filter_text import ResolverLanguage
from proscribe.host.controls.dns.names_to_block import DesiredNames
from proscribe.host.system import Host

PROJECT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.parametrize("name", filter_backends.FILTER_BACKENDS)
NAMES = st.sets(st.from_regex(r"[a-z]{1,5}(\.[a-z0-9]{1,4}){0,2}\.(com|org)", fullmatch=True), max_size=6)


def described(host: Host, name: str) -> DnsFilter:
    observation = choose_backend(host, {"backend": name}).observation
    return filter_backends.load_backend(name).describe_filter(host, observation, {})


def language(name: str) -> ResolverLanguage:
    """The language of a backend, which may be another one's."""
    backend = importlib.import_module(filter_backends.load_backend(name).__name__)
    (found,) = (content for content in vars(backend).values() if isinstance(content, ResolverLanguage))
    return found


def declaration(name: str) -> BackendDeclaration:
    return importlib.import_module(filter_backends.load_backend(name).__name__).DECLARED


@pytest.fixture
def host(name, tmp_path):
    machine = Machine(tmp_path, name, sample(name))
    machine.file = described(machine, name).file_path
    return machine


def test_documents_say_of_it_what_is_so(name, host):
    declared = declaration(name)
    said = declared.documentation
    page = (PROJECT / "docs/dns.md").read_text().splitlines()
    rows = [(server, has, f"`{name}`", written, said.tested_hosts or "no") for server, has, written in said.table_rows]
    rows.append((f"`{name}`", said.hit_line or "none", f"`{said.journal_unit}`"))
    assert [row for row in rows if f"| {' | '.join(row)} |" not in page] == []
    assert sum(f"| `{name}` |" in line for line in page) == len(rows)
    assert said.table_rows
    assert bool(said.hit_line) is bool(said.journal_unit) is (language(name).hit_pattern is not None)
    assert said.hit_line or not described(host, name).log_unit
    if declared.kind == SERVER_KIND:  # the others have tests of their own in test_dns_services.py
        assert bool(said.tested_hosts) is (sample(name).packaged is not None)


def test_a_host_with_it_gets_it(name, host):
    observation = choose_backend(host, {"backend": name}).observation
    assert filter_backends.load_backend(name).find_obstacle(host, observation) == ""
    assert choose_backend(host, {"backend": "auto"}).backend_name == name


def test_accounts_of_a_backend_are_those_of_its_sample(name, host):
    observed = choose_backend(host, {"backend": name}).observation
    assert filter_backends.load_backend(name).list_asking_users(host, observed) == list(sample(name).users)


@pytest.mark.slow
@given(names=NAMES, through=NAMES)
def test_the_names_come_back_out_of_its_text(name, names, through):
    desired = DesiredNames({"service": sorted(names)}, {}, frozenset(through - names))
    text = filter_text.render_filter(language(name), desired)
    assert set(language(name).blocked_pattern.findall(text)) == names and len(filter_text.find_digest(text)) == 32


@pytest.mark.slow
@given(names=NAMES, more=NAMES, through=NAMES)
def test_two_texts_that_differ_have_different_digests(name, names, more, through):
    first = DesiredNames({"service": sorted(names)}, {}, frozenset(through - names))
    second = DesiredNames({"service": sorted(names | more)}, {}, frozenset(through - names - more))
    one, other = (filter_text.render_filter(language(name), desired) for desired in (first, second))
    assert (filter_text.find_digest(one) == filter_text.find_digest(other)) is (one == other)
