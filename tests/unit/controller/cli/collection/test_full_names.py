"""Short names become full ones where a name stands, and nowhere else; what is not resolved is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.controller.cli import Refused
from proscribe.controller.cli.collection import full_names, layout, metadata, python_source
from proscribe.controller.cli.collection.full_names import Names

SOURCE = {
    "library/compile_plans.py": b"",
    "library/quarantine.py": b"",
    "filter_plugins/proscribe_plan.py": b"",
    "roles/dns_filter/tasks/main.yml": b"",
    "roles/restricted_apps/tasks/main.yml": b"",
    "doc_fragments/shared.py": b"",
    "docs/page.md": b"",
}
TEXT_WITH_A_TEST = "- quarantine:\n  when: x is failing\n"
NAMES = Names.of(SOURCE, "acme", "ban")

# Tasks, with a sign where a short name becomes a full one.
MARKED = """\
# quarantine: stays, it is a comment
- name: Compile | proscribe_plan
  @compile_plans:
    mode: quarantine # a value
  vars: {quarantine: "{{ x | default('a|proscribe_plan') | @proscribe_plan('b') }}"}
  when: x | @proscribe_plan(1) and "proscribe_plan" not in y
- block:
    - "@quarantine":
        ids: "{{ ids[0] | map('int') | list }}"
  rescue:
    - ansible.builtin.include_role:
        name: @dns_filter
- vars:
    table: {apps: @restricted_apps, dns: @dns_filter}
  block:
    - ansible.builtin.include_role:
        name: "{{ table[control] }}"
"""
TASKS, FULL = MARKED.replace("@", ""), MARKED.replace("@", "acme.ban.")


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    monkeypatch.setattr(layout, "LARGEST", 9)
    (tmp_path / "LICENSE").write_bytes(b"x" * (9 + more))
    if not more:
        assert layout.source_files(tmp_path) == {"LICENSE": b"x" * 9}
        return
    with pytest.raises(Refused, match="LICENSE: found more than 9 bytes"):
        layout.source_files(tmp_path)


def test_a_file_that_is_no_text_is_named() -> None:
    assert layout.text_of("a.md", "é".encode()) == "é"
    with pytest.raises(Refused, match="a.md: found bytes that are no UTF-8"):
        layout.text_of("a.md", b"\xff")


def test_names_of_tasks() -> None:
    assert full_names.tasks(TASKS, NAMES, "x.yml") == FULL


def test_names_of_a_playbook() -> None:
    text = "- hosts: \"{{ h | proscribe_plan('a') }}\"\n  roles: [dns_filter, {role: restricted_apps}]\n"
    expected = "- hosts: \"{{ h | acme.ban.proscribe_plan('a') }}\"\n"
    expected += "  roles: [acme.ban.dns_filter, {role: acme.ban.restricted_apps}]\n"
    assert full_names.playbook(text, NAMES, "x.yml") == expected
    inside = "- hosts: all\n  post_tasks:\n    - quarantine:\n"
    assert full_names.playbook(inside, NAMES, "x.yml") == inside.replace("quarantine", "acme.ban.quarantine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- debug:\n", "x.yml:1: found the action 'debug', expected a module of the project, or a full name"),
        ("- name: nothing\n", "found the actions none, expected a task with one action"),
        ("- compile_plans:\n  quarantine:\n", "found the actions compile_plans, quarantine"),
        ("- compile_plans:\n    a: '{{ x | mistyped }}'\n", "x.yml:2: found the filter 'mistyped'"),
        ("- compile_plans:\n    a: '{{ x | (] }}'\n", "found a template that cannot be read"),
        ("- ansible.builtin.include_role:\n    name: unknown\n", "found the role 'unknown'"),
        ("- ansible.builtin.include_role:\n    name: '{{ table[x] }}'\n", "found the role"),
        (
            "- ansible.builtin.include_role:\n    name: '{{ t[x] }}'\n  vars: {t: {a: dns_filter, b: unknown}}\n",
            "found the role",
        ),
        ("- a: [\n", "x.yml: cannot be read as YAML"),
    ],
)
def test_what_is_not_resolved_is_refused(text: str, message: str) -> None:
    with pytest.raises(Refused, match=message.replace("'", ".").replace("[", r"\[")):
        full_names.tasks(text, NAMES, "x.yml")


@pytest.mark.parametrize("wrong", ["", "a", "Acme", "1a", "a__b", "a_", "a-b", "../x", "é1", "x" * 65])
@pytest.mark.parametrize("option", ["--namespace", "--name"])
def test_a_name_that_galaxy_does_not_take_is_refused(option: str, wrong: str) -> None:
    given = {"--namespace": "acme", "--name": "ban", option: wrong}
    with pytest.raises(Refused, match=f"{option}: found .*, expected 2 to 64 small letters"):
        Names.of(SOURCE, given["--namespace"], given["--name"])


def test_the_namespace_of_ansible_is_refused() -> None:
    with pytest.raises(Refused, match="--namespace: found 'ansible', which is Ansible's own"):
        Names.of(SOURCE, "ansible", "ban")


PLUGIN = '''\
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin: from proscribe.x import y."""

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
if str(PROJECT / "module_utils") not in sys.path:
    sys.path.insert(0, str(PROJECT / "module_utils"))

from ansible.module_utils.basic import AnsibleModule
from proscribe.model.plan import (
    CONTROLS,
)
from proscribe_ansible.action import HostAction

DOCUMENTATION = r"""
module: é
description: See M(quarantine), M(copy) and P(proscribe_plan#filter).
extends_documentation_fragment: [shared, default_callback]
author: The authors
"""
EXAMPLES = r"""
- quarantine:
"""
RETURN = r"""
one: {description: As of M(quarantine).}
"""


def used() -> None:
    from ansible.module_utils.proscribe.host.run import change
'''
PLUGIN_FULL = '''\
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plugin: from proscribe.x import y."""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.acme.ban.plugins.module_utils.proscribe.model.plan import (
    CONTROLS,
)
from ansible_collections.acme.ban.plugins.module_utils.proscribe_ansible.action import HostAction

DOCUMENTATION = r"""
module: é
description: See M(acme.ban.quarantine), M(copy) and P(acme.ban.proscribe_plan#filter).
extends_documentation_fragment: [acme.ban.shared, default_callback]
author: The authors (!UNKNOWN)
"""
EXAMPLES = r"""
- acme.ban.quarantine:
"""
RETURN = r"""
one: {description: As of M(acme.ban.quarantine).}
"""


def used() -> None:
    from ansible_collections.acme.ban.plugins.module_utils.proscribe.host.run import change
'''


def test_a_plugin_imports_by_the_full_name() -> None:
    assert python_source.plugin(PLUGIN, NAMES, "x.py") == PLUGIN_FULL


@pytest.mark.parametrize(
    "line", ["import proscribe.model.plan", "from \\\n  proscribe.model.plan import x", "import (", 'EXAMPLES = ""']
)
def test_what_cannot_be_rewritten_is_refused(line: str) -> None:
    with pytest.raises(Refused, match="x.py:1: "):
        python_source.plugin(line, NAMES, "x.py")


def release(declared: str, version: str = "", day: str = "") -> metadata.Release:
    return metadata.Release(NAMES, version or declared, declared, day, "", "", "", "")


def test_names_of_tests() -> None:
    text = "- block: []\n  when: x is @failing and x is not @failing(['is piped']) and x is defined\n"
    text += '- quarantine:\n  vars: {a: "{{ x is not @failing | ternary(1, 2) }} is failing"}\n'
    names = NAMES._replace(tests=frozenset({"failing"}), modules=frozenset())
    full = text.replace("quarantine", "acme.ban.quarantine").replace("@", "acme.ban.")
    assert full_names.tasks(text.replace("quarantine", "acme.ban.quarantine").replace("@", ""), names, "x.yml") == full
    with pytest.raises(Refused, match="x.yml:2: found the test 'failing', expected one of the project's"):
        full_names.tasks(TEXT_WITH_A_TEST, NAMES, "x.yml")


PROJECT = Path(__file__).resolve().parents[5]
# Of the project itself, of a checkout of it, and for its contributors.
OF_A_CHECKOUT = (
    *("architecture", "coverage", "glossary", "index", "collection", "release-a-version", "run-one-test"),
    "test-with-the-real-program",
)
PAGES = [
    path
    for folder in ("docs", "docs/how-to")
    for path in sorted((PROJECT / folder).glob("*.md"))
    if path.stem not in OF_A_CHECKOUT and not path.stem.startswith("add-a")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_with_commands_says_where_they_are_in_a_collection(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "./proscribe " not in text or "collection.md#commands" in text
