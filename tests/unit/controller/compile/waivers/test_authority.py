"""The approver list: who may approve waivers, and which errors a wrong list gives."""

from __future__ import annotations

from typing import Any

import pytest
from made_waivers import GROUPS, NOW, Organisation, at
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.compile.waivers.authority import Authority, objection, read_register
from proscribe.controller.policy_errors import PolicyErrors


@pytest.mark.parametrize("approver", ["", "None", "null", "no head is named", "chan"])
def test_an_empty_entry_lets_nobody_approve(approver: str) -> None:
    why = objection(approver, frozenset({"press01"}), {"press": Authority("")}, {"press": frozenset({"press01"})})
    assert why.startswith(f"{approver} may not approve for press (no head is named), which owns press01")


@pytest.mark.parametrize(
    ("register", "warning"),
    [
        ({"press": {"head": "chan"}}, []),
        ({"press": ""}, ["nobody can approve a waiver for the group press: name the head in approvers.yml"]),
        (
            {"press": "", "finance": ""},
            ["nobody can approve a waiver for the group finance (and 1 more): name the head in approvers.yml"],
        ),
    ],
)
def test_every_run_says_for_whom_nobody_can_approve(
    organisation: Organisation, register: dict[str, Any], warning: list[str]
) -> None:
    organisation.approvers(register)
    assert compile_hosts(organisation.question(), at(NOW)).warnings == warning


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pres: {head: chan}\n", r"approvers\.yml:1: pres: found 'pres', expected a group .*did you mean 'press'"),
        ("press: chan\n", r"press: found 'chan', expected a mapping such as \{head"),
        ("press: {deputies: [chan]}\n", r"press\.head: found nothing, expected the head's name"),
        ("press: {head: [chan]}\n", r"press\.head: found a list, expected the head's name"),
        ("press: {head: chan, deputy: lee}\n", r"press\.deputy: found 'deputy', .*did you mean 'deputies'"),
        ("press: {head: chan, deputies: lee}\n", r"press\.deputies: found 'lee', expected a list, such as \[lee\]"),
        ("press: {head: chan, deputies: ['']}\n", r"press\.deputies\[0\]: found nothing, expected a deputy's name"),
        ("[press]\n", "found a list, expected a mapping such as press"),
        ("press: {head: chan}\npress: {head: lee}\n", "the key a second time"),
        ("", "a YAML document"),
    ],
)
def test_a_wrong_register_is_named_with_its_place(tmp_path, content, message):
    (tmp_path / "approvers.yml").write_text(content, encoding="utf-8")
    with pytest.raises(PolicyErrors, match=message):
        read_register([tmp_path], GROUPS)


def test_a_department_stands_in_one_register(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "approvers.yml").write_text("press: {head: chan}\n", encoding="utf-8")
    with pytest.raises(PolicyErrors, match="each department in one register only"):
        read_register([tmp_path / "a", tmp_path / "b"], GROUPS)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("pres: {head: a}", "pres"),
        ("press: chan", "press"),
        ("press: {deputies: [a]}", "press.head"),
        ("press: {head: a, deputies: b}", "press.deputies"),
        ("press: {head: a, deputies: [b, ' c']}", "press.deputies[1]"),
        ("press: {head: a, mail: b}", "press.mail"),
    ],
)
def test_a_mistake_in_one_department_hides_none_in_the_next(tmp_path, entry, key):
    (tmp_path / "approvers.yml").write_text(f"{entry}\nfinance: {{head: ''}}\n", encoding="utf-8")
    with pytest.raises(PolicyErrors) as wrong:
        read_register([tmp_path], GROUPS)
    assert [error.key for error in wrong.value.errors] == [key, "finance.head"]
