"""The transfer between the process of a batch and the actions that run in it."""

import pytest
from members import make_member
from proscribe_ansible import batch
from proscribe_ansible.result_transfer import CapturedAction, transfer


@pytest.mark.parametrize("asks", [True, False])
def test_action_is_captured_just_before_it_would_ask(monkeypatch, asks):
    def run(process, member):
        assert transfer.capturing and process == "batch" and member.name == "h1"
        if asks:
            raise CapturedAction("action", "command")

    monkeypatch.setattr(batch, "run_executor", run)
    captured = batch._capture_action("batch", make_member("h1"))  # type: ignore[arg-type]
    assert (captured is not None and captured.command == "command") is asks and not transfer.capturing
