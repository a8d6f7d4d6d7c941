"""The file of Firefox' default preferences that keeps it from being controlled by another program."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_browser import Tree, section
from proscribe.host.system import Host, Unseen

FOLDER = "etc/firefox/defaults/pref"
FILE = f"{FOLDER}/proscribe.js"
CLOSED = section(browsers={"remote_debugging": "blocked"})
OPEN = section(browsers={"dns_over_https": "blocked"})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path, CLOSED)
    tree.enforce()
    return tree


def reported(tree: Tree) -> tuple[str, str, bool]:
    verdict = tree.verdicts()["remote-debugging"]
    return verdict.state, next((finding.detail for finding in verdict.findings), ""), verdict.drifted


def test_another_file_with_the_preference_is_reported_and_stays(tree: Tree) -> None:
    content = tree.put(f"{FOLDER}/own.js", 'pref("remote.policy.disabled", false, locked);\n')
    assert reported(tree)[:2] == (
        "noncompliant",
        f"/{FOLDER}/own.js has the preference remote.policy.disabled, too: remove it there",
    )
    changes = tree.enforce()
    assert changes.actions == []
    assert [refusal.rule for refusal in changes.refused] == ["browser/remote-debugging"]
    tree.lift()
    assert (tree.root / FOLDER / "own.js").read_bytes() == content


def test_a_file_that_the_plan_no_longer_has_is_reported_and_deleted(tree: Tree) -> None:
    tree.plan["controls"]["browser"] = OPEN
    assert "not in the plan any more" in tree.verdicts()["policy-file"].findings[-1].detail
    tree.enforce()
    assert not (tree.root / FILE).exists()
    assert tree.verdicts()["policy-file"].state == "compliant"


def test_a_file_that_cannot_be_seen_is_unknown(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Host.read

    def refuse(host: Host, path: str) -> bytes | None:
        if path == f"/{FILE}":
            raise Unseen("it cannot be read")
        return read(host, path)

    monkeypatch.setattr(Host, "read", refuse)
    assert reported(tree)[0] == "unknown"
