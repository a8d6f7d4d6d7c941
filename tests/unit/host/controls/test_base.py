"""Actions of a control as differences of an answer."""

from proscribe.host.controls import base


def test_differences_beyond_the_limit_are_cut(monkeypatch):
    monkeypatch.setattr(base, "LARGEST_DIFFERENCES", 5)
    actions = [base.Action("write", "/a", dict, "abc", "def"), base.Action("write", "/b", dict, "x", "y")]
    assert [(item["before_header"], item["before"], item["after"]) for item in base.differences(actions)] == [
        ("write /a", "abc", "de"),
        ("write /b", "", ""),
    ]
