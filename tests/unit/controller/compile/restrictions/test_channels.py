"""Channels of `proscribe_notify`: their files of tasks as Ansible reads them; nothing is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from proscribe.controller.compile.restrictions import channels
from proscribe.controller.policy_errors import UnexpectedValue

pytestmark = pytest.mark.parametrize("name", channels.read_channels())
# Words of a task that name no module.
KEYWORDS = {"name", "vars", "register", "retries", "delay", "until", "no_log", "changed_when", "failed_when", "when"}
KEYWORDS |= {"loop", "loop_control", "timeout"}


def block(name: str) -> dict[str, Any]:
    (result,) = yaml.safe_load((channels.CHANNELS_FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(result, dict)
    return result


def read_tasks(name: str) -> Iterator[tuple[dict[str, Any], str]]:
    for task in block(name)["block"]:
        (module,) = task.keys() - KEYWORDS
        yield task, module


def test_example_of_a_channel_is_a_value(name):
    example = channels.read_channels()[name].example
    assert channels.read_notify_channels({name: example}) == {name: example}
    assert channels.is_setgid_needed({name: example}) is channels.read_channels()[name].setgid


def test_a_secret_is_in_no_message(name):
    if not channels.read_channels()[name].secret:
        pytest.skip("its value is no secret")
    with pytest.raises(UnexpectedValue) as refused:
        channels.read_notify_channels({name: "a secret\n"})
    assert "a secret" not in str(refused.value)
    assert [task["name"] for task, _ in read_tasks(name) if not task.get("no_log")] == []


def test_channel_sends_the_notification_to_its_value(name):
    text = str(block(name)["block"])
    assert f"proscribe_notify.{name}" in text
    assert "proscribe_notice.facts" in text or "proscribe_notice.message" in text


def test_tasks_of_a_channel_have_names_and_full_modules(name):
    for task, module in read_tasks(name):
        assert task["name"] and module.count(".") == 2
        assert "shell" not in module, "what hosts and users wrote is in a notification: no shell reads it"
