"""The files of the watch on a host: settings, moments, and the state of the last observation."""

import json
from typing import Any

import pytest
from proscribe.host.system import ControlError, Unseen
from proscribe.host.watch.state import files
from proscribe.host.watch.state.files import Damaged, Settings
from refusals import make_refusal
from watch_host import ROOT, Made

pytestmark = ROOT
AT, LATER = "2026-11-27T03:00:00Z", "2026-12-27T03:00:00Z"
SETTINGS = Settings("r1", 300, 600, "sha256:a", ((AT, "sha256:b"), (LATER, "sha256:c")), {"/x": "1", "/y": "2"})
GIVEN = json.loads(files.settings_text(SETTINGS))


def write_settings(made: Made, given: Any) -> Settings | None:
    made.write(files.SETTINGS, given if isinstance(given, str) else json.dumps(given), 0o600)
    return files.settings(made)


def test_settings_are_read_as_they_were_written(made):
    assert files.settings(made) is None
    assert write_settings(made, files.settings_text(SETTINGS)) == SETTINGS
    assert files.settings_text(SETTINGS).endswith("}\n") and "\n " in files.settings_text(SETTINGS)
    assert [*GIVEN] == sorted(GIVEN)


@pytest.mark.parametrize(
    ("now", "digest"),
    [("2026-11-27T02:59:59Z", "sha256:a"), (AT, "sha256:b"), (LATER, "sha256:c"), ("2030-01-01T00:00:00Z", "sha256:c")],
)
def test_plan_of_a_moment_is_the_last_one_before_it(now, digest):
    assert SETTINGS.in_effect(now) == digest
    assert SETTINGS.plans() == ["sha256:a", "sha256:b", "sha256:c"]
    assert files.plan_file(digest) == f"/var/lib/proscribe/watch/plans/{digest[-1]}.json"


@pytest.mark.parametrize("given", ["", "[]", "[" * 100_000, "{}"])
def test_broken_settings_are_damage(made, given):
    with pytest.raises(Damaged):
        write_settings(made, given)


def test_settings_that_differ_have_different_identities():
    others = {"release": "r2", "every": 301, "max_age": 601, "plan": "sha256:d", "chain": SETTINGS.chain[:1]}
    others["files"] = {"/x": "1", "/y": "3"}
    names = [files.identity(SETTINGS._replace(**{name: value})) for name, value in others.items()]
    assert len({*names, files.identity(SETTINGS)}) == 7
    assert files.identity(SETTINGS._replace(files={"/y": "2", "/x": "1"})) == files.identity(SETTINGS)


def test_file_that_was_not_installed_so_is_damage(made, monkeypatch):
    known = SETTINGS._replace(files={"/x": files.hash_of(b"x")})

    def wrong():
        with pytest.raises(Damaged) as raised:
            files.require(made, known, "/x")
        return raised.value.wrong

    assert files.content_of(made, "/x") is None and wrong() == "is missing"
    made.write("/x", "x", 0o600)
    assert files.require(made, known, "/x") == b"x"
    made.write("/x", "y", 0o600)
    assert wrong() == "is not what was installed"
    made.write("/x", "x", 0o602)
    assert wrong() == "others than root can write it"
    made.write("/x", "x" * 65, 0o600)
    assert files.content_of(made, "/x", 65) == b"x" * 65
    with pytest.raises((Damaged, Unseen)):
        files.content_of(made, "/x", 64)
    monkeypatch.setattr(made, "stat", make_refusal(ControlError("is no file")))
    assert wrong() == "is no file"


@pytest.mark.parametrize(
    ("text", "moment"), [(AT, AT), (f" {AT}\n", AT), ("soon", None), ("", None), (f"{AT}{' ' * 44}", AT), ("ä", None)]
)
def test_moment_is_read_from_a_short_file_of_root(made, text, moment):
    assert files.renewed(made) is None is files.clock_mark(made)
    made.write(files.RENEWED, text, 0o600)
    made.write(files.CLOCK, text, 0o600)
    assert files.renewed(made) == moment == files.clock_mark(made)
    for path in (files.RENEWED, files.CLOCK):
        made.write(path, AT + " " * 45, 0o600)
    assert files.renewed(made) is None is files.clock_mark(made)
    made.write(files.RENEWED, AT, 0o666)
    assert files.renewed(made) is None


# By field: values that may be there, and values that may not.
LEFT: dict[str, tuple[list[Any], list[Any]]] = {
    "last": ([AT], ["soon", None]),
    "plan": (["p", ""], [5, None]),
    **{name: ([[], ["x", "y"]], ["x", [5], ["x", None], {}]) for name in ("drifted", "reported")},
    "uncorrected": (
        [[], [{"control": "apps", "user": "alice", "reason": "x"}]],
        ["x", [5], [{}], [{"control": "apps", "user": "alice"}], [{"control": "apps", "user": 5, "reason": "x"}]],
    ),
    "unwritten": ([[], [{}, {"a": 1}]], [{}, [5], [{}, "x"]]),
    **{name: ([0, 7], [-1, "7", True, 1.0]) for name in ("clock", "up")},
    "boot": ([""], [5]),
    "journal": ([[0, 0], [7, 9]], [[], [1], [1, 2, 3], [1, -1], ["1", 2], {"a": 1, "b": 2}, 5]),
}


@pytest.mark.parametrize("name", LEFT)
def test_state_of_the_last_observation_has_sound_fields_only(made, name):
    fits, wrong = LEFT[name]
    other = "plan" if name != "plan" else "boot"
    for value in fits:
        made.write(files.STATE, json.dumps({name: value, other: "x", "more": 1}), 0o600)
        assert files.state(made) == {name: value, other: "x"}
    for value in wrong:
        made.write(files.STATE, json.dumps({name: value, other: "x"}), 0o600)
        assert files.state(made) == {other: "x"}


def test_missing_or_writable_state_is_empty(made, monkeypatch):
    assert files.state(made) == {}
    made.write(files.STATE, '{"plan": "x"}', 0o666)
    assert files.state(made) == {}
    monkeypatch.setattr(files, "content_of", make_refusal(Unseen("no")))
    assert files.state(made) == {} and files.renewed(made) is None
