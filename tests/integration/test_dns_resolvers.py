"""The DNS filter in real resolvers, on loopback addresses of their own."""

import os
from pathlib import Path

import pytest
from conftest import require_tool
from dns_samples import MADE
from made_resolver import ANOTHER, KINDS, WECHAT, MadeHost, apply, plan, upstream
from name_server import ask
from patience import processor
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import dns
from proscribe.host.controls.dns import desired, rendering, switching
from proscribe.host.system import ControlError
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, Verdict

PROJECT = Path(__file__).resolve().parents[2]
A, AAAA, HTTPS = 1, 28, 65
NO_SUCH_NAME = (3, 0)
__all__ = ["upstream"]  # a fixture


@pytest.fixture(params=KINDS)
def made(request, tmp_path, upstream):
    upstream.queries.clear()
    os.chmod(tmp_path, 0o755)
    host = MadeHost(request.param, tmp_path, require_tool(MADE[request.param].program))
    yield host
    host.stop()
    upstream.silent = False  # for the tests that share a host, whichever comes next


FINE = {"wechat": COMPLIANT, "personal": COMPLIANT, "canary": COMPLIANT, "resolver": COMPLIANT}


@pytest.mark.parametrize(
    ("name", "kind", "blocked"),
    [
        ("wechat.com", A, True),
        ("wechat.com", AAAA, True),
        ("wechat.com", HTTPS, True),
        ("WWW.WeChat.com", A, True),
        ("a.b.c.d.wechat.com", A, True),
        ("work.wechat.com", A, False),
        ("open.work.wechat.com", A, False),
        ("home.work.wechat.com", A, True),
        ("deep.home.work.wechat.com", A, True),
        ("use-application-dns.net", A, True),
        ("notwechat.com", A, False),
        ("wechat.com.example", A, False),
        ("com", A, False),
    ],
)
def test_client_gets_no_address_of_a_blocked_name(enforced, upstream, name, kind, blocked):
    upstream.queries.clear()
    assert ask(enforced.address, name, kind) == (NO_SUCH_NAME if blocked else (0, 1))
    assert (name.lower() in upstream.queries) is not blocked  # what is blocked never leaves the host


@pytest.fixture(scope="module", params=KINDS)
def enforced(request, tmp_path_factory, upstream):
    root = tmp_path_factory.mktemp(request.param)
    host = MadeHost(request.param, root, require_tool(MADE[request.param].program), ANOTHER)
    assert ask(host.address, "wechat.com") == (0, 1)  # and the answer is in its cache now
    host.enforce()
    yield host
    host.stop()


def test_enforcing_settles_and_lifting_leaves_nothing(made):
    before = made.tree()
    assert made.states() == dict.fromkeys(FINE, NONCOMPLIANT) and made.enforce() == [f"write {made.files}"]
    assert made.states() == FINE and made.enforce() == [] and made.restarts == 1
    assert {name: content for name, content in made.tree().items() if name in before} == before
    assert made.enforce(plan()) == [f"delete {made.files}"]
    assert made.states(plan()) == {"resolver": NOT_APPLICABLE}
    made.enforce()
    assert apply(dns.lift(made.host, {"controls": {}})) == [f"delete {made.files}"] and made.tree() == before
    assert ask(made.address, "wechat.com") == (0, 1) and apply(dns.lift(made.host, {"controls": {}})) == []


def test_a_running_resolver_that_has_not_read_the_file_is_reported_and_corrected(made):
    made.enforce()
    more = plan(wechat=["wechat.com"], signal=["signal.org"])
    made.file.write_text(rendering.text(made.language, desired.of_plan(more["controls"]["dns"], {}, canaries=True)))
    assert set(made.states(more).values()) == {NONCOMPLIANT}
    assert "does not answer with what the file says" in made.details(more)
    assert made.enforce(more) == [f"restart {made.unit}"] and set(made.states(more).values()) == {COMPLIANT}
    assert ask(made.address, "signal.org") == NO_SUCH_NAME


def test_a_file_that_cuts_other_names_is_taken_back(made, upstream, monkeypatch):
    monkeypatch.setattr(switching, "PATIENCE", 1.5)
    made.enforce()
    before = made.tree()
    changes = dns.enforce(made.host, plan(wechat=["wechat.com"], signal=["signal.org"]))
    made.restarts = 0
    made.at_restart = lambda: setattr(upstream, "silent", made.restarts == 1)  # as long as the new names are in place
    with pytest.raises(ControlError, match="names do not resolve any more; name resolution is restored"):
        apply(changes)
    assert made.tree() == before and made.restarts == 2 and ask(made.address, "notwechat.com") == (0, 1)


def test_the_organisations_own_line_that_opens_a_name_is_reported_and_left(made):
    own, text = made.made.opening
    (made.root / own).write_text(text)
    made.enforce()
    verdicts: dict[str, Verdict] = {verdict.rule: verdict for verdict in dns.observe(made.host, WECHAT)}
    wechat = verdicts["dns/wechat"]
    assert (wechat.state, wechat.drifted) == (NONCOMPLIANT, False)
    assert [(f.id, f.path) for f in wechat.findings] == [("web.wechat.com", f"/{own}")]
    assert verdicts["dns/personal"].state == COMPLIANT and made.enforce() == []


def test_ten_thousand_domains(made):
    many = plan(many=[f"d{number}.example" for number in range(10_000)])
    before = processor()
    made.enforce(many)
    enforcing, before = processor() - before, processor()
    assert made.states(many) == {"many": COMPLIANT, "resolver": COMPLIANT}
    observing = processor() - before
    assert ask(made.address, "x.d9999.example") == NO_SUCH_NAME
    assert ask(made.address, "x.d10000.example") == (0, 1) and enforcing < 10 and observing < 2


def test_every_name_of_the_catalogue(made):
    restrictions = read_restrictions({"proscribe_dns_backend": made.kind}, lambda name: name)
    whole = compile_plan(load([PROJECT / "catalog"]), restrictions, [], restrictions.effective_from)
    made.enforce(whole)
    assert {verdict.state for verdict in dns.observe(made.host, whole)} == {COMPLIANT, NOT_APPLICABLE}
    blocked = {*made.language.blocked.findall(made.file.read_text())}
    assert len(blocked) > 700 and {"mask.icloud.com", "use-application-dns.net", "wechat.com"} < blocked
    sample = sorted(blocked)[:: len(blocked) // 40]
    assert {ask(made.address, f"x.{name}") for name in sample} == {NO_SUCH_NAME}
