"""Policies as tables of JSON values."""

from proscribe.host.controls.policy_tables import distinct_entries, missing_entries, same


def test_number_and_boolean_of_json_are_different_entries():
    assert not same({"a": 1}, {"a": True}) and same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert distinct_entries([1, True, "x", 1, "x"]) == [1, True, "x"]
    assert missing_entries([True, "x"], [1, "x"]) == [True]
