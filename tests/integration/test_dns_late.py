"""A resolver that is stopped by a signal, as a machine without a free processor stops it: its port stays open."""

import os
import signal
import time
from pathlib import Path

import pytest
from conftest import require_root, require_tool
from dns_samples import MADE
from made_resolver import KINDS, WECHAT, MadeHost
from proscribe.host.controls import dns
from proscribe.model.finding import COMPLIANT, UNKNOWN

FINE = {"wechat": COMPLIANT, "personal": COMPLIANT, "canary": COMPLIANT, "resolver": COMPLIANT}


@pytest.fixture(params=KINDS)
def host(request, tmp_path):
    require_root()
    os.chmod(tmp_path, 0o755)
    host = MadeHost(request.param, tmp_path, require_tool(MADE[request.param].program))
    host.enforce()
    assert host.states() == FINE
    host.restarts = 0
    yield host
    host.stop()


def stopped(host):
    host.process.send_signal(signal.SIGSTOP)
    while ") T " not in Path(f"/proc/{host.process.pid}/stat").read_text():
        time.sleep(0.01)


def test_a_silent_resolver_is_unknown_and_is_not_started_anew(host, monkeypatch):
    patience = []
    send_datagram = host.host.send_datagram

    def count(address, port, message, timeout):
        patience.append(timeout)
        return send_datagram(address, port, message, timeout)

    monkeypatch.setattr(host.host, "send_datagram", count)
    stopped(host)
    # No resolver has a part in what programs see of files.
    verdicts = [verdict for verdict in dns.observe(host.host, WECHAT) if verdict.rule != "dns/private-view"]
    assert {verdict.rule.partition("/")[2]: verdict.state for verdict in verdicts} == dict.fromkeys(FINE, UNKNOWN)
    assert not any(verdict.drifted for verdict in verdicts), "a run that enforces would start it anew"
    assert {host.address in verdict.reason and "no answer" in verdict.reason for verdict in verdicts} == {True}
    assert len(patience) > 1 and patience == sorted(patience) and sum(patience) <= 6
    assert host.enforce() == [] and host.restarts == 0
    assert host.process.poll() is None
