"""What git is told on a host that pulls: each line shuts a way by which a repository could have something run there."""

from __future__ import annotations

import json
import resource
import sys

import pytest
from proscribe.schedule import commits


def test_all_that_git_is_told() -> None:
    told: dict[str, dict[str, str]] = {}
    for line in commits.CONFIG.splitlines():
        if line.startswith("["):
            section = told.setdefault(line.strip("[]"), {})
        else:
            key, _, value = line.strip().partition(" = ")
            section[key] = value
    assert told == {
        "core": {
            "repositoryFormatVersion": "0",
            "bare": "false",
            "hooksPath": "/dev/null",
            "attributesFile": "/dev/null",
            "fsmonitor": "false",
            "commitGraph": "false",
            "packedGitWindowSize": "32m",
            "packedGitLimit": "256m",
        },
        "protocol": {"allow": "never"},
        'protocol "{scheme}"': {"allow": "always"},
        "fetch": {"fsckObjects": "true", "unpackLimit": "1", "recurseSubmodules": "false"},
        "pack": {"threads": "1"},
        "gc": {"autoDetach": "false"},
        "submodule": {"recurse": "false"},
    }


LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_AS)
PRINT = f"import resource\nprint([resource.getrlimit(which)[0] for which in {LIMITS}])"


@pytest.mark.parametrize("bounded", [None, True])
def test_only_what_talks_to_strangers_is_bounded(bounded: bool | None) -> None:
    """What a whole checkout may need to be written is no business of a limit on what comes over the network."""
    more = {} if bounded is None else {"bounded": bounded}
    code, said, printed = commits.ended([sys.executable, "-I", "-S", "-c", PRINT], 60, **more)
    limits = [commits.LARGEST, commits.MEMORY] if bounded else [resource.getrlimit(which)[0] for which in LIMITS]
    assert (code, said, json.loads(printed)) == (0, "", limits)


def test_the_bounds_are_these() -> None:
    assert (commits.FETCHING, commits.LARGEST, commits.MEMORY) == (600, 512 << 20, 2 << 30)
    assert (commits.SIGNERS, commits.GOOD, commits.FETCHED) == (
        "/etc/proscribe/pull_signers", "refs/proscribe/good", "refs/proscribe/fetched"
    )  # fmt: skip
