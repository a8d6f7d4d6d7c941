"""Scripts for Intune's remediations: the data read back, hostile texts, and code that no plan changes.

Nothing here runs PowerShell. A strict reader takes the data apart, and refuses any other form.
"""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from proscribe.controller.enforcement_points import remediation_scripts as scripts
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.host.controls.browser.browser_settings import SETTINGS
from proscribe.host.controls.group_policy.policies import list_policy_entries
from proscribe.host.controls.group_policy.registry_pol import (
    EMPTY_KEY_NAME,
    decode_entry,
    make_emptying_entry,
    make_number_entry,
    make_text_entry,
)
from proscribe.model.plan import add_digest

KEY = "Software\\Policies\\Google\\Chrome"
NAMES = ("detect.ps1", "remediate.ps1", "save.ps1", "restore.ps1")
OWN = "2fd6bb84-ad40-4ec5-9369-a215b25c9952"
TEXT = r"'(?:[ -&(-~]|'')*'"
DATA = rf"(?:{TEXT}|\(ConvertFrom-Utf8 {TEXT}\)|[0-9]{{1,10}})"
LIST = re.compile(rf"  @\{{ Key = ({TEXT}); Texts = @\(")
VALUE = re.compile(rf"  @\{{ Key = ({TEXT}); Name = ({TEXT})(?:; Data = ({DATA}))? \}}")


def literal(text):
    """Return what PowerShell reads of a literal."""
    if text[0] == "(":
        return base64.b64decode(literal(text.removeprefix("(ConvertFrom-Utf8 ")[:-1])).decode()
    return text[1:-1].replace("''", "'") if text[0] == "'" else int(text)


def read_script(content):
    """Return the arrays of a script, and its lines that are neither an array, nor a comment, nor the program."""
    lines = content.decode("ascii").split("\r\n")
    assert not re.search(r"[^\x20-\x7e]", "".join(lines))
    arrays, code = {}, []
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if not (opened := re.fullmatch(r"\$(lists|values|keys) = @\(", line)):
            if not line.startswith(("# ", "$program = ")):
                code.append(line)
            continue
        items = arrays.setdefault(opened[1], [])
        while (line := lines[position]) != ")":
            position += 1
            if matched := LIST.fullmatch(line):
                texts = []
                while lines[position] != "  ) }":
                    assert re.fullmatch(f"    {DATA}", lines[position]), lines[position]
                    texts.append(
                        literal(lines[position].strip(" ") if lines[position][4] == "(" else lines[position][4:])
                    )
                    position += 1
                position += 1
                items.append((literal(matched[1]), texts))
            elif matched := VALUE.fullmatch(line):
                items.append(tuple(literal(part) for part in matched.groups() if part))
            else:
                assert re.fullmatch(f"  {TEXT}", line), line
                items.append(literal(line[2:]))
        position += 1
    return arrays, code


def as_data(entries):
    """Return registry values in the form of the arrays."""
    lists, values = {}, []
    for entry in entries:
        if entry.value_name == EMPTY_KEY_NAME:
            lists[entry.key] = []
        elif entry.key in lists:
            lists[entry.key].append(decode_entry(entry))
        else:
            values.append((entry.key, entry.value_name, decode_entry(entry)))
    return list(lists.items()), values


def render(entries, program="google_chrome", keys=(KEY,), comment=("Written by Proscribe",)):
    return scripts.render_scripts(program, keys, entries, comment)


CODE = {name: read_script(content)[1] for name, content in render([make_number_entry(KEY, "QuicAllowed", 0)]).items()}
HOSTILE = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("'\"`$(){};#@\n\r\u2018\u2019\u201b"))


@given(st.lists(HOSTILE, max_size=4), HOSTILE, st.integers(0, scripts.MAX_NUMBER))
def test_any_text_is_read_back_and_changes_no_code(texts, text, number):
    entries = [make_text_entry(KEY, "A", text.replace("\0", "")), make_number_entry(KEY, "B", number)]
    texts = [item.replace("\0", "") for item in texts]
    entries.append(make_emptying_entry(f"{KEY}\\L"))
    entries += [make_text_entry(f"{KEY}\\L", str(at), item) for at, item in enumerate(texts, 1)]
    made = render(entries)
    assert tuple(made) == NAMES
    lists, values = as_data(entries)
    for name, content in made.items():
        arrays, code = read_script(content)
        assert code == CODE[name]
        if name in ("detect.ps1", "remediate.ps1"):
            assert (arrays["lists"], arrays["values"]) == (lists, values)
        elif name == "restore.ps1":
            assert arrays["lists"] == [key for key, _ in lists]
            assert arrays["values"] == [item[:2] for item in values]
        else:
            assert arrays == {"keys": [KEY]}


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ([make_text_entry("Software\\a'b", "A", "x")], {}),
        ([make_text_entry(KEY, "A'; calc; '", "x")], {}),
        ([make_text_entry(KEY, "A\n", "x")], {}),
        ([make_number_entry(KEY, "A", 0x80000000)], {}),
        ([make_emptying_entry(f"{KEY}\\L"), make_text_entry(f"{KEY}\\L", "2", "x")], {}),
        ([], {"program": "..\\x'"}),
        ([], {"keys": ('Software\\Policies\\x"',)}),
        ([], {"comment": ("a\nb",)}),
        ([], {"comment": ("\u2028",)}),
    ],
)
def test_a_name_a_number_or_a_comment_that_no_script_can_have_is_refused(entries, named):
    with pytest.raises(ValueError):
        render(entries, **named)


def export(**more):
    made = plan()
    browser = made["controls"]["browser"]
    for id_ in ("onedrive_personal", "google_drive"):
        browser["services"][id_] = {"mode": "enforce", "domains": [], "urls": [], "allow": []}
    settings = {
        "tenants": {"google": ["b.example"], "microsoft": [OWN]},
        "browsers": dict.fromkeys(SETTINGS, "blocked"),
    }
    browser["settings"] |= settings
    browser["services"] |= more
    made = add_digest(made)
    return made, EXPORT_FORMATS["intune"].render_export(decision(made))


def test_the_scripts_of_an_export_set_what_the_registry_file_sets():
    made, rendered = export()
    lists, values = as_data(list_policy_entries(made))
    set_lists, set_values = [], []
    folders = dict.fromkeys(path.split("/")[1] for path in rendered.files if path.startswith("remediations/"))
    programs = "google_chrome microsoft_edge brave chromium firefox thunderbird onedrive google_drive"
    assert list(folders) == programs.split()
    for folder in folders:
        files = {name: rendered.files[f"remediations/{folder}/{name}"] for name in NAMES}
        arrays = {name: read_script(content) for name, content in files.items()}
        assert all(arrays[name][1] == CODE[name] for name in NAMES)
        detected, remediated = arrays["detect.ps1"][0], arrays["remediate.ps1"][0]
        assert detected == {key: items for key, items in remediated.items() if key != "keys"}
        set_lists += detected["lists"]
        set_values += detected["values"]
        saved = remediated["keys"]
        keys = [key for key, *_ in (*detected["lists"], *detected["values"])]
        assert all(any(f"{key}\\".startswith(f"{top}\\") for top in saved) for key in keys)
        assert f"$program = '{folder}'" in files["restore.ps1"].decode()
        assert all(len(content) <= scripts.MAX_SCRIPT_BYTES for content in files.values())
    assert (sorted(set_lists), sorted(set_values, key=str)) == (sorted(lists), sorted(values, key=str))


def test_scripts_over_the_limit_are_left_out_and_named(monkeypatch):
    monkeypatch.setattr(scripts, "MAX_SCRIPT_BYTES", 2_000)
    _, rendered = export()
    assert not [path for path in rendered.files if path.startswith("remediations/google_chrome")]
    (omission,) = [item for item in rendered.left_out if item.subject == "Google Chrome: scripts"]
    assert "over the limit of Intune" in omission.reason
