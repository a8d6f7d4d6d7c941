"""The glossary's lint: what it finds, and what it leaves alone."""

import ast

import pytest
import terms
from terms import Term

TERMS = [
    Term("observe, scan", frozenset({"look", "told"}), ("look at", "is told"), frozenset({"look_up"})),
    Term("incident", frozenset({"episode"}), (), frozenset()),
]


def names(code, path="module_utils/x.py"):
    return [one.text for one in terms.in_identifiers(path, ast.parse(code), TERMS)]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def look(): pass\nclass LookAgain: pass", ["look", "LookAgain"]),
        ("told = 1\nx.look = 2\n_told_: int = 3\nfor look in (): pass", ["told", "look", "look", "_told_"]),
        ("import x as told\nfrom y import look as z\nwith x as look: pass", ["told", "look"]),
        ("look_up = overlook = outlook = 1", []),
        ("x = path.look(); shutil.look = told()", ["look"]),
        ("def test_what_is_told(): pass\nclass TestLook: pass", []),
    ],
)
def test_names_that_a_file_defines_are_read_and_those_it_uses_are_not(code, found):
    assert sorted(names(code)) == sorted(found)


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("module_utils/a.py", '"""Look at it."""\nx = "look at it"', 2),
        ("module_utils/a.py", 'x = f"{y} is told"\nraise E("looks at")', 1),
        ("module_utils/a.py", "# `look at` is a phrase\nx = 1", 0),
        ("tests/a.py", 'x = "look at it"', 0),
        ("tests/a.py", "def test_what_is_told(): pass  # look at it", 2),
        ("roles/a.yml", "- name: Look at it\n# look at it\n", 1),
        ("playbooks/a.yml", "msg: it overlook at-it\n", 0),
        ("tests/tool", "#!/usr/bin/env python3\ntold = 1\n", 1),
    ],
)
def test_messages_are_the_texts_of_code_and_playbooks(path, text, found):
    assert len(list(terms.found_in({path: text.encode()}, TERMS))) == found


LONG = "word " * 26


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (f"# {LONG}", [1]),
        (f"# {'word ' * 25}", []),
        (f"x = 1\n# {'word ' * 13}\n# {'word ' * 13}", [2]),
        (f"# {'word ' * 13}\nx = 1\n# {'word ' * 13}", []),
        (f"# {'word ' * 13}. {'word ' * 13} `{LONG}`", []),
        (f'def f():\n    """Short.\n\n    {LONG}\n    """', [2]),
        (f"x = '{LONG}'", []),
    ],
)
def test_a_sentence_of_too_many_words_is_found(code, found):
    assert [one.line for one in terms.too_long("a.py", code, ast.parse(code))] == found


GLOSSARY = """
| we say | not | no identifier has | no message has |
| --- | --- | --- | --- |
| observe | look | `look` but for `look_up` | `look at` `a look` |
| DNS filter | name filter | | |
"""


def test_the_rules_are_the_table_of_the_glossary():
    assert terms.terms(GLOSSARY) == [
        Term("observe", frozenset({"look"}), ("look at", "a look"), frozenset({"look_up"})),
        Term("DNS filter", frozenset(), (), frozenset()),
    ]
    for wrong, said in (("", "no table"), (GLOSSARY.replace("| DNS filter |", "| DNS | filter |"), "5 columns")):
        with pytest.raises(ValueError, match=said):
            terms.terms(wrong)
