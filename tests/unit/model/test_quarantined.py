"""The ids of what is in a quarantine: which are some, and which one an action names at its end."""

from __future__ import annotations

import pytest
from proscribe.model.quarantined import DONE, ID, LIST, PRUNE, RESTORE, id_of, moved

ID_OF_OWL = "owl_2-0123abcd"


@pytest.mark.parametrize("id_", [ID_OF_OWL, "a-00000000", f"{'a' * 64}-ffffffff"])
def test_what_is_moved_is_named_at_the_end_of_its_action(id_: str) -> None:
    assert ID.fullmatch(id_)
    assert id_of(f"quarantine /home/alice/a as b {moved(id_)}") == id_
    assert f"x {moved(id_)}" == f"x as {id_}"


@pytest.mark.parametrize(
    "action",
    [
        "",
        f"remove /opt/owl as {ID_OF_OWL}",
        "quarantine /opt/owl",
        f"quarantine {ID_OF_OWL}",
        f"quarantine /opt/as {ID_OF_OWL}",
        f"quarantine /opt/owl as {ID_OF_OWL} more",
        *(
            f"quarantine /opt/owl as {id_}"
            for id_ in ("owl", "2owl-0123abcd", "owl-0123abcg", "owl-0123abc", "Owl-0123abcd", f"{'a' * 65}-ffffffff")
        ),
        "quarantine /opt/owl as ../owl-0123abcd",
    ],
)
def test_what_names_none(action: str) -> None:
    assert id_of(action) == ""


def test_what_can_be_done_with_it_as_commands_and_reports_have_it() -> None:
    assert (LIST, DONE) == ("list", {RESTORE: "restored", PRUNE: "pruned"})
    assert {f"{verb}d" for verb in DONE} == {*DONE.values()}
