"""Short names become full ones where a name stands, and nowhere else; what is not resolved is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from proscribe.controller.cli import Refused
from proscribe.controller.cli.collection import documents, full_names, layout, metadata, python_source
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


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("library/one.py", "plugins/modules/one.py"),
        *((f"{kind}_plugins/one.py", f"plugins/{kind}/one.py") for kind in ("action", "callback", "filter", "test")),
        ("doc_fragments/one.py", "plugins/doc_fragments/one.py"),
        ("module_utils/proscribe/one.py", "plugins/module_utils/proscribe/one.py"),
        *((f"{name}/a/one.yml", f"{name}/a/one.yml") for name in ("playbooks", "roles", "catalog", "docs", "examples")),
        *((name, name) for name in ("LICENSE", "CHANGELOG.md", "SECURITY.md")),
        *((name, "") for name in ("README.md", "tests/one.py", "docs", "x/LICENSE", "pyproject.toml")),
        ("module_utils/proscribe/controller/cli/collection/building.py", ""),
        ("module_utils/proscribe/controller/cli/__main__.py", ""),
        (
            "module_utils/proscribe/controller/cli/merging.py",
            "plugins/module_utils/proscribe/controller/cli/merging.py",
        ),
    ],
)
def test_where_a_collection_has_a_file(path: str, place: str) -> None:
    assert layout.place_of(path) == place


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
        ("- other.names.module:\n", "found the action 'other.names.module'"),
        ("- name: nothing\n", "found the actions none, expected a task with one action"),
        ("- compile_plans:\n  quarantine:\n", "found the actions compile_plans, quarantine"),
        ("- compile_plans:\n    a: '{{ x | mistyped }}'\n", "x.yml:2: found the filter 'mistyped'"),
        ("- compile_plans:\n  when: x | mistyped\n", "found the filter 'mistyped'"),
        ("- compile_plans:\n    a: '{{ x | (] }}'\n", "found a template that cannot be read"),
        ("- ansible.builtin.include_role:\n    name: unknown\n", "found the role 'unknown'"),
        ("- ansible.builtin.include_role:\n    name: '{{ table[x] }}'\n", "found the role"),
        ("- ansible.builtin.include_role:\n    name: '{{ t[x] }}'\n  vars: {t: {a: unknown}}\n", "found the role"),
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


@pytest.mark.parametrize(
    "wrong", ["", "a", "Acme", "1a", "a__b", "a_", "a-b", "a.b", "../x", "a/b", "a b", "é1", "x" * 65]
)
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


def test_what_is_used_elsewhere_stays() -> None:
    text = python_source.plugin(PLUGIN + "    print(sys.argv, PROJECT)\n", NAMES, "x.py")
    assert "import sys\nfrom pathlib import Path\n\nPROJECT = Path(" in text and "sys.path" not in text


@pytest.mark.parametrize(
    "line", ["import proscribe.model.plan", "from \\\n  proscribe.model.plan import x", "import (", 'EXAMPLES = ""']
)
def test_what_cannot_be_rewritten_is_refused(line: str) -> None:
    with pytest.raises(Refused, match="x.py:1: "):
        python_source.plugin(line, NAMES, "x.py")


def test_links_of_documents_lead_to_what_the_collection_has() -> None:
    text = "[a](page.md#x) [b](../library/quarantine.py) [c](../roles/dns_filter) [d](../tests/x.py) [e](https://x)"
    text += " [f](#g)"
    expected = "[a](page.md#x) [b](../plugins/modules/quarantine.py) [c](../roles/dns_filter) d [e](https://x) [f](#g)"
    assert documents.document(text, NAMES, "docs/other.md", "docs/other.md", SOURCE) == expected
    assert documents.document("[a](page.md)", NAMES, "docs/o.md", "README.md", SOURCE) == "[a](docs/page.md)"


def test_a_readme_of_a_role_is_about_the_collection() -> None:
    text = "# R\n\nIn a checkout, say\nthis.\n\n![p](../../docs/page.md#x) ![q](q.png)\n"
    text += "`ansible-doc -t module quarantine` `ansible-doc -t module copy`\n"
    of_role = text.replace("In a checkout, say\nthis.\n\n", "").replace("module q", "module acme.ban.q")
    place = "roles/dns_filter/README.md"
    assert documents.document(text, NAMES, place, place, SOURCE) == of_role.replace("![q](q.png)", "q")
    assert "In a checkout" in documents.document(text, NAMES, "docs/a.md", "docs/a.md", SOURCE)


def test_examples_of_documents_have_full_names_where_they_are_tasks() -> None:
    text = "```yaml\n- quarantine:\n```\n```yaml\nquarantine: yes\n```\n```yaml\n- some: thing\n```\n"
    expected = text.replace("- quarantine", "- acme.ban.quarantine")
    assert documents.document(text, NAMES, "docs/o.md", "docs/o.md", SOURCE) == expected


def release(declared: str, version: str = "", day: str = "") -> metadata.Release:
    return metadata.Release(NAMES, version or declared, declared, day, "", "", "", "")


def test_what_is_not_released_is_in_the_changelog_of_a_build_under_its_own_version() -> None:
    text = "## [1.1.0] - unreleased\n### Added\n- one\n## [1.0.0] - 2026-01-02\n### Added\n- two\n"
    found = yaml.safe_load(metadata.changelog(text, release("1.1.0", "1.1.0-dev.20260203+g1", "2026-02-03")))
    assert list(found["releases"]) == ["1.1.0-dev.20260203+g1", "1.0.0"]
    assert [one["release_date"] for one in found["releases"].values()] == ["2026-02-03", "2026-01-02"]
    without = yaml.safe_load(metadata.changelog(text, release("1.1.0", "1.1.0-dev")))
    assert "release_date" not in without["releases"]["1.1.0-dev"]


def test_names_of_tests() -> None:
    text = "- block: []\n  when: x is @failing and x is not @failing(['is piped']) and x is defined\n"
    text += '- quarantine:\n  vars: {a: "{{ x is not @failing | ternary(1, 2) }} is failing"}\n'
    names = NAMES._replace(tests=frozenset({"failing"}), modules=frozenset())
    full = text.replace("quarantine", "acme.ban.quarantine").replace("@", "acme.ban.")
    assert full_names.tasks(text.replace("quarantine", "acme.ban.quarantine").replace("@", ""), names, "x.yml") == full
    with pytest.raises(Refused, match="x.yml:2: found the test 'failing', expected one of the project's"):
        full_names.tasks(TEXT_WITH_A_TEST, NAMES, "x.yml")


def test_the_changelog_in_the_form_of_collections() -> None:
    text = "# C\n\n## [1.0.0] - 2026-01-02\n\n### Added\n\n- `one`\n  [more](x.md)\n- two\n\n### Fixed\n\n- three\n"
    assert metadata.changelog(text, release("1.0.0")) == (
        "---\nancestor: null\nreleases:\n  1.0.0:\n    changes:\n      minor_changes:\n"
        "        - '``one`` more'\n        - two\n"
        "      bugfixes:\n        - three\n    release_date: '2026-01-02'\n"
    )
    with pytest.raises(Refused, match="found no heading of version 2.0.0"):
        metadata.changelog(text, release("2.0.0"))
    with pytest.raises(Refused, match="CHANGELOG.md:2: found '### News'"):
        metadata.changelog("## [1.0.0] - unreleased\n### News\n", release("1.0.0"))


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
