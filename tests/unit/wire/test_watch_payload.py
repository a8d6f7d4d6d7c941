"""Content for a host with a watch: the program, the code, and the plans that follow each other."""

import base64
import json
import lzma
from types import SimpleNamespace

import pytest
from proscribe.base.timestamps import format_timestamp
from proscribe.host.audit_program import format_program
from proscribe.host.watch.program_text import WATCH_TEXT
from proscribe.host.watch.watch_observation import make_release_name
from proscribe.wire import watch_payload

PROGRAM = format_program(WATCH_TEXT)


@pytest.fixture(autouse=True)
def quick_code(monkeypatch):
    monkeypatch.setattr(watch_payload, "pack_watch_code", lambda: b"code")
    monkeypatch.setattr(watch_payload, "time", SimpleNamespace(time=lambda: 1_000_000_000))


def make_plan(number, last):
    """Make a plan that is followed by the one of the next number, until the last."""
    return {"number": number, **({"later": {"plan": f"sha256:{number + 1}"}} if number < last else {})}


@pytest.mark.parametrize(("last", "sent"), [(1, [1]), (3, [1, 2, 3]), (64, None), (999, None)])
def test_host_is_sent_the_following_plans_up_to_a_limit(last, sent):
    store = SimpleNamespace(read_stored_plan=lambda digest: make_plan(int(digest.removeprefix("sha256:")), last))
    packed = watch_payload.pack_watch(store, make_plan(1, last))  # type: ignore[arg-type]
    numbers = sent or range(1, 65)
    assert json.loads(lzma.decompress(base64.b64decode(packed))) == {
        "program": PROGRAM,
        "code": base64.b64encode(b"code").decode(),
        "plans": [make_plan(number, last) for number in numbers],
        "now": format_timestamp(1_000_000_000),
    }


def test_watcher_of_a_host_is_named_by_the_release_of_the_run():
    watch_payload.make_expected_watch.cache_clear()
    assert watch_payload.make_expected_watch() == {"release": make_release_name(PROGRAM.encode(), b"code")}
    watch_payload.make_expected_watch.cache_clear()
