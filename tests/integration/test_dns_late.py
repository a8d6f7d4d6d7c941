"""A resolver that is late is asked again; one that stays silent is `unknown`, and nobody starts it anew for that.

A resolver is stopped by a signal, as a machine without a free processor stops it: its port is open, and nothing comes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dns_samples import MADE
from made_resolver import KINDS, WECHAT, MadeHost
from proscribe.host.controls import dns
from proscribe.host.controls.dns import question
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN

pytestmark = pytest.mark.integration

FINE = {"wechat": COMPLIANT, "personal": COMPLIANT, "canary": COMPLIANT, "resolver": COMPLIANT}


@pytest.fixture(params=KINDS)
def made(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    require_tool: Callable[[str], str],
    require_root: Callable[[], None],
) -> Iterator[MadeHost]:
    """A host that keeps the ban."""
    require_root()
    os.chmod(tmp_path, 0o755)
    host = MadeHost(request.param, tmp_path, require_tool(MADE[request.param].program))
    host.enforce()
    assert host.states() == FINE
    host.restarts = 0
    yield host
    host.stop()


def stopped(made: MadeHost) -> None:
    """The resolver does nothing any more; its port stays open."""
    assert made.process is not None
    made.process.send_signal(signal.SIGSTOP)
    while ") T " not in Path(f"/proc/{made.process.pid}/stat").read_text():
        time.sleep(0.01)


def counting(
    made: MadeHost, monkeypatch: pytest.MonkeyPatch, after: Callable[[int], None] = lambda _: None
) -> list[float]:
    """The patience of each question, as they are asked; `after` gets their number when one has got nothing."""
    patience: list[float] = []
    exchange = made.host.exchange

    def counted(address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        patience.append(timeout)
        answer = exchange(address, port, message, timeout)
        if answer is None:
            after(len(patience))
        return answer

    monkeypatch.setattr(made.host, "exchange", counted)
    return patience


@pytest.mark.parametrize("silences", [1, 2])
def test_a_late_resolver_is_asked_again_and_keeps_the_ban(
    made: MadeHost, monkeypatch: pytest.MonkeyPatch, silences: int
) -> None:
    process = made.process
    assert process is not None
    patience = counting(
        made, monkeypatch, lambda count: process.send_signal(signal.SIGCONT) if count == silences else None
    )
    stopped(made)
    assert made.states() == FINE
    assert len(patience) == silences + 1
    assert patience == sorted(patience) and patience[0] <= 1, "patience grows, and a host in line pays for a short one"


def test_a_silent_resolver_is_unknown_and_is_not_started_anew(made: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = counting(made, monkeypatch)
    stopped(made)
    # No resolver has a part in what programs see of files.
    verdicts = [verdict for verdict in dns.observe(made.host, WECHAT) if verdict.rule != "dns/private-view"]
    assert {verdict.rule.partition("/")[2]: verdict.state for verdict in verdicts} == dict.fromkeys(FINE, UNKNOWN)
    assert not any(verdict.drifted for verdict in verdicts), "a run that enforces would start it anew"
    assert {made.address in verdict.reason and "no answer" in verdict.reason for verdict in verdicts} == {True}
    assert tuple(patience) == question.WAITS and sum(patience) <= 6
    assert made.enforce() == []
    assert made.restarts == 0
    assert made.process is not None and made.process.poll() is None


def test_what_a_file_says_is_known_all_the_same(made: MadeHost) -> None:
    """The file itself shows that the ban is incomplete, so a silent resolver is not asked about it."""
    file = made.file
    file.write_text(file.read_text().replace("wechat.com", "wechat.example"))
    stopped(made)
    states = made.states()
    assert (states["wechat"], states["resolver"]) == (NONCOMPLIANT, NONCOMPLIANT)


def test_a_resolver_that_does_not_run_is_reported_at_once_and_started(
    made: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = counting(made, monkeypatch)
    made.stop()
    assert made.states() == dict.fromkeys(FINE, NONCOMPLIANT)
    assert len(patience) == 1, "a closed port says so itself: there is nothing to wait for"
    assert made.enforce() == [f"restart {made.unit}"]
    assert made.states() == FINE
