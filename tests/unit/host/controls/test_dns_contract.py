"""The contract of every DNS filter: its documents, its host, its accounts and its language."""

import importlib
from pathlib import Path

import pytest
from dns_contract import Machine, sample
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.dns import rendering
from proscribe.host.controls.dns.backends import registry
from proscribe.host.controls.dns.backends.declaration import SERVER, Declared
from proscribe.host.controls.dns.choice import choose
from proscribe.host.controls.dns.desired import Desired
from proscribe.host.controls.dns.filtering import Filter
from proscribe.host.controls.dns.rendering import Language
from proscribe.host.system import Host

PROJECT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.parametrize("name", registry.FILTERS)
NAMES = st.sets(st.from_regex(r"[a-z]{1,5}(\.[a-z0-9]{1,4}){0,2}\.(com|org)", fullmatch=True), max_size=6)


def described(host: Host, name: str) -> Filter:
    return registry.backend(name).describe(host, choose(host, {"backend": name}).observed, {})


def language(name: str) -> Language:
    """The language of a backend, which may be another one's."""
    return importlib.import_module(registry.backend(name).__name__).LANGUAGE


def declaration(name: str) -> Declared:
    return importlib.import_module(registry.backend(name).__name__).DECLARED


@pytest.fixture
def host(name, tmp_path):
    machine = Machine(tmp_path, name, sample(name))
    machine.file = described(machine, name).file
    return machine


def test_documents_say_of_it_what_is_so(name, host):
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


def test_a_host_with_it_gets_it(name, host):
    assert registry.backend(name).missing(host, choose(host, {"backend": name}).observed) == ""
    assert choose(host, {"backend": "auto"}).name == name


def test_accounts_of_a_backend_are_those_of_its_sample(name, host):
    observed = choose(host, {"backend": name}).observed
    assert registry.backend(name).users(host, observed) == list(sample(name).users)


@pytest.mark.slow
@given(names=NAMES, through=NAMES)
def test_the_names_come_back_out_of_its_text(name, names, through):
    text = rendering.text(language(name), Desired({"service": sorted(names)}, {}, frozenset(through - names)))
    assert set(language(name).blocked.findall(text)) == names and len(rendering.digest_in(text)) == 32


@pytest.mark.slow
@given(names=NAMES, more=NAMES, through=NAMES)
def test_two_texts_that_differ_have_different_digests(name, names, more, through):
    first = Desired({"service": sorted(names)}, {}, frozenset(through - names))
    second = Desired({"service": sorted(names | more)}, {}, frozenset(through - names - more))
    one, other = (rendering.text(language(name), desired) for desired in (first, second))
    assert (rendering.digest_in(one) == rendering.digest_in(other)) is (one == other)
