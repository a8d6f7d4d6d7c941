"""Whatever changed in a policy, and in whichever repository: the plans of then are those that were compiled then."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st
from made_policy import NOW, made_catalogue
from properties import examples
from proscribe.controller.cli import inventory
from proscribe.controller.cli.diff import earlier_plans
from proscribe.controller.compile.plans.hosts import compile_hosts

OWN = """---
id: crow
name: Crow
category: webmail
vendor: Example
enforce: true
audience: consumer
sources: [a test]
domains: [{domain}]
"""
WAIVER = """---
id: w1
services: [owl]
hosts: [a]
reason: r
requested_by: x
approved_by: b
approved_on: 2026-11-01T00:00:00Z
expires: 2026-12-31T00:00:00Z
"""


def git(top: Path, *words: str) -> None:
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(top), *author, *words], check=True, capture_output=True)


def write(path: Path, content: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(content)


STATES = st.fixed_dictionaries(
    {
        "exclude": st.sets(st.sampled_from(["parrot", "gull"])),
        "hosts": st.sets(st.sampled_from("abc"), min_size=1).map(lambda names: {"a", *names}),
        "domain": st.sampled_from(["crow.example", "crow.example.org"]),
        "waiver": st.booleans(),
        "own": st.sampled_from(["absolute", "relative", "templated", "called as the project's"]),
    }
)

CALLED_ALIKE = {"exclude": set(), "hosts": {"a"}, "domain": "crow.example.org", "waiver": False}
CALLED_ALIKE["own"] = "called as the project's"


@pytest.mark.slow
@examples(8, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # each runs git a lot
@example(CALLED_ALIKE, CALLED_ALIKE, False)
@given(STATES, STATES, st.booleans())
def test_the_plans_of_a_revision_are_those_that_were_compiled_then(tmp_path_factory, old, new, waivers_apart) -> None:
    where = tmp_path_factory.mktemp("histories").resolve()
    project, policy, own = where / "project", where / "policy", where / "own"
    made_catalogue(project / "catalog")
    (project / "playbooks").mkdir()
    waivers = policy / "waivers"
    for top in (project, policy, own, *([waivers] if waivers_apart else [])):
        top.mkdir(exist_ok=True)
        git(top, "init", "--quiet")
    write(policy / ".gitignore", "waivers/\n" if waivers_apart else "")
    write(policy / "approvers.yml", "all: {head: b}\n")
    arguments = argparse.Namespace(
        **dict.fromkeys(("extra_vars", "vault_ids", "vault_password_files", "old_inventory", "as_now"), []),
        inventory=[str(policy)],
        limit="",
        ask_vault_pass=False,
    )
    compiled = []
    for state in (old, new):
        write(
            policy / "hosts.yml", f"all: {{hosts: {{{', '.join(f'{name}: {{}}' for name in sorted(state['hosts']))}}}}}"
        )
        inside = state["own"] == "called as the project's"  # as docs/catalogue.md has a folder called in an inventory
        named = {
            "absolute": own,
            "relative": "../own",
            "templated": "{{ inventory_dir }}/../own",
            "called as the project's": "catalog",
        }[state["own"]]
        write(
            policy / "group_vars" / "all.yml",
            f"proscribe_catalog_dirs: ['{named}']\nproscribe_services_exclude: {sorted(state['exclude'])}\n",
        )
        crow = OWN.format(domain=state["domain"])
        write(own / "webmail" / "crow.yml", None if inside else crow)
        write(policy / "catalog" / "webmail" / "crow.yml", crow if inside else None)
        write(waivers / "w1.yml", WAIVER if state["waiver"] else None)
        compiled.append(compile_hosts(inventory.question(arguments, project), NOW).hosts)
        for top in (project, policy, own, *([waivers] if waivers_apart else [])):
            git(top, "add", "--all")
            git(top, "commit", "--quiet", "--allow-empty", "--message", "x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earlier_plans, "PROJECT", project)
        found = earlier_plans.earlier("HEAD~1", arguments, NOW, where / "reports")
    assert found.hosts == compiled[0]
    own_repository = [] if old["own"] == "called as the project's" else [own]
    assert set(found.commits) == {project, policy, *own_repository, *([waivers] if waivers_apart else [])}
