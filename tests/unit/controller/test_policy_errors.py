"""Messages about mistakes in a policy, with suggestions."""

import pickle

import pytest
from proscribe.controller import policy_errors
from proscribe.controller.policy_errors import Described, Mistakes, PolicyError, PolicyErrors, alternatives, close_to


@pytest.mark.parametrize(
    ("given", "typed", "mistakes"),
    [
        ("custody_path", True, []),
        ("custody_pth", True, ["custody_path; the variables are custody_path, custody_service"]),
        ("custody_pth", False, ["custody_path"]),
        ("custody_zebra", True, ["one of custody_path, custody_service"]),
        ("custody_zebra", False, []),  # an inventory may have it for something else
        ("their_own", True, []),
    ],
)
def test_a_variable_that_is_none_of_a_commands_is_a_mistake_with_what_was_meant(given, typed, mistakes):
    found = policy_errors.unknown_variables(
        [given], [given] if typed else [], "custody_", ["custody_path", "custody_service"]
    )
    assert found == [f"{given}: found an unknown variable, expected {expected}" for expected in mistakes]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "nothing"),
        ({}, "an empty mapping"),
        ([], "an empty list"),
        (0, "0"),
        ("é\n", r"'\xe9\n'"),
        (b"", "b''"),
        ("x" * 78, f"'{'x' * 78}'"),
        ("x" * 79, f"'{'x' * 79}..."),
        (Described("x" * 90), "x" * 90),
    ],
)
def test_a_wrong_value_is_shown_in_few_characters(value, expected):
    assert policy_errors.shown(value) == expected


@pytest.mark.parametrize(
    ("where", "key", "line"),
    [
        ("a.yml:3", "ports[1]", "a.yml:3: ports[1]: found 7, expected a name"),
        ("a\x1b[2J", "é", r"a\x1b[2J: \xe9: found 7, expected a name"),
    ],
)
def test_mistake_is_one_line_that_steers_no_terminal(where, key, line):
    error = PolicyError(where, key, 7, "a name")
    assert str(error) == line and pickle.loads(pickle.dumps(error)).args == (where, key, 7, "a name")


def test_all_mistakes_are_raised_together_each_of_them_once():
    one, two, three = (PolicyError("a.yml", key, 7, "a name") for key in "abc")
    mistakes = Mistakes()
    mistakes.settle()
    assert not mistakes
    for wrong in (two, PolicyErrors([one, two]), PolicyErrors([])):
        with mistakes.noting():
            raise wrong
    with mistakes.noting():
        pass
    with pytest.raises(ValueError, match="ours"), mistakes.noting():
        raise ValueError("ours")
    mistakes.note(three, three)
    with pytest.raises(PolicyErrors) as raised:
        mistakes.settle()
    assert mistakes and str(raised.value).splitlines() == [
        f"a.yml: {key}: found 7, expected a name" for key in ("b", "a", "c")
    ]
    assert raised.value.args == raised.value.errors


@pytest.mark.parametrize(
    ("words", "choice"),
    [([], ""), (["mail", "webhook"], "mail or webhook"), (["mail", "matrix", "webhook"], "mail, matrix or webhook")],
)
def test_words_as_a_choice(words, choice):
    assert alternatives(words) == choice


@pytest.mark.parametrize(
    ("word", "meant"),
    [("gmial", ", did you mean 'gmail'?"), ("slak", ", did you mean 'slack' or 'slackb'?"), ("zebra", ""), (7, "")],
)
def test_close_words_are_suggested(word, meant):
    assert close_to(word, ["slackb", "gmail", "slack", "slacks and more"]) == meant
