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


def test_what_can_be_done_with_it_as_commands_and_reports_have_it() -> None:
    assert (LIST, DONE) == ("list", {RESTORE: "restored", PRUNE: "pruned"})
    assert {f"{verb}d" for verb in DONE} == {*DONE.values()}
