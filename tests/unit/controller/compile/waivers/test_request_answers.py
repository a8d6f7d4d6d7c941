"""How requests are answered on the controller: refusals on disk, answers in plans, signatures of waivers."""

from __future__ import annotations

from proscribe.controller.compile.waivers.refusals import Refusal
from proscribe.controller.compile.waivers.request_answers import refused_by_host, with_answers

ONE = Refusal("0" * 16, "press01", "wong", "whatsapp", "no", "head", "2026-11-25T08:00:00Z")


BODY = {"schema": "proscribe/plan/1", "controls": {}}


def test_a_refusal_is_in_what_the_plan_of_its_host_consists_of() -> None:
    refused = refused_by_host([ONE])
    assert with_answers(BODY, refused["press01"], [])["answers"][ONE.id]["why"] == "no"
    assert "press02" not in refused
    assert with_answers(BODY, {}, []) == BODY
