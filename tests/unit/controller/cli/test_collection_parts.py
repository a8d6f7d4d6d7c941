"""`collection`: options, version, place and source; metadata and full names; the placed collection."""

import ast
import datetime
import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from proscribe.controller.cli import CommandError, collection, command_line
from proscribe.controller.cli.collection import collection_files, full_names, layout, metadata, placement, python_source
from proscribe.controller.cli.collection.full_names import CollectionNames
from proscribe.wire import installation
from recording import compare

PROJECT = """\
[project]
version = "1.2.0"
description = "A ban"
license = "GPL-3.0-or-later"
dependencies = ["ansible-core>=2.19,<2.22"]
"""
RECORDED = Path(__file__).parents[2] / "recorded/cli"
USUAL = (collection.DEFAULT_NAMESPACE, collection.DEFAULT_NAME)


class Checkout:
    def __init__(self, root, patch):
        self.root = root / "root"
        self.root.mkdir()
        (self.root / "pyproject.toml").write_text(PROJECT)
        self.commit = SimpleNamespace(tag="", time=datetime.date(2026, 11, 5))
        self.made = {}
        patch.setattr(installation, "PROJECT_DIRECTORY", self.root)
        for name, answer in (
            ("read_source_files", "source"), ("build_collection", "built"), ("pack_collection", b"packed"),
            ("make_file_name", "p-b.tar.gz"), ("make_collection_files", "files"), ("find_target", "target"),
            ("install_collection", None), ("find_version", "1.2.0+5"),
        ):  # fmt: skip
            patch.setattr(collection, name, self.noting(name, answer))
        patch.setattr(collection, "CollectionNames", SimpleNamespace(collect_names=lambda source, *names: names))
        patch.setattr(collection, "read_commit", lambda root, declared: self.commit if declared == "1.2.0" else None)
        patch.setattr(collection, "find_repository_url", lambda root: "")

    def noting(self, name, answer):
        return lambda *given: self.made.update({name: given}) or answer

    def run(self, *options):
        run, arguments = command_line.parse_command("collection", options)
        assert run(arguments) == 0


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Checkout(tmp_path, monkeypatch)


def test_collection_is_placed_in_a_collections_path(checkout, capsys):
    checkout.run("--directory", "collections")
    assert checkout.made["find_target"] == (Path("collections"), USUAL)
    assert checkout.made["pack_collection"] == ("files", USUAL, "1.2.0+5")
    assert checkout.made["install_collection"] == (b"packed", "target") and "build_collection" not in checkout.made
    assert capsys.readouterr() == ("target\n", f"{collection.NO_REPOSITORY_NOTE}\n") and os.listdir() == ["root"]


def test_collection_is_packed_for_a_new_repository(checkout, capsys):
    assert collection.build_archive() == ("p-b.tar.gz", b"packed")
    assert checkout.made["read_source_files"] == (checkout.root,)
    assert checkout.made["make_file_name"] == (USUAL, "1.2.0+5")
    source, names, release = checkout.made["make_collection_files"]
    assert (source, names, release.repository) == ("source", USUAL, "")
    assert checkout.made["pack_collection"] == ("files", USUAL, "1.2.0+5") and capsys.readouterr() == ("", "")


def test_version_of_a_collection_is_that_of_the_tag(checkout):
    checkout.commit.tag = "v1.3.0"
    with pytest.raises(CommandError, match="pyproject.toml: version: found '1.2.0', expected 1.3.0 as the tag"):
        checkout.run()
    assert "build_collection" not in checkout.made
    for checkout.commit.tag in ("", "v1.2.0"):
        checkout.run()


def test_without_a_commit_its_day_is_not_known(checkout):
    checkout.commit = None
    checkout.run()
    assert checkout.made["make_collection_files"][2].commit_day == ""


def test_collection_is_not_built_from_a_collection(checkout, monkeypatch):
    monkeypatch.setattr(installation, "COLLECTION", "acme.ban")
    with pytest.raises(CommandError, match="this is the collection acme.ban; it is built from a checkout"):
        checkout.run()


@pytest.mark.parametrize("remote", ["", "https://alice:secret@git.example.org/it/proscribe.git"])
def test_a_checkout_says_where_it_was_cloned_from(tmp_path, remote):
    assert collection.find_repository_url(tmp_path) == "", "an archive without git"
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert collection.find_repository_url(tmp_path) == ("https://git.example.org/it/proscribe" if remote else "")


NAMES = CollectionNames("acme.ban", *[frozenset[str]()] * 4)
ABOUT = ("2026-02-03", "a ban of é", "GPL-3.0-or-later", ">=2.19.0", "https://x/y")
RELEASE = metadata.ReleaseMetadata(NAMES, "1.1.0", "1.1.0", *ABOUT)
SECTIONS = {"Added": "minor_changes", "Changed": "minor_changes", "Deprecated": "deprecated_features"}
SECTIONS |= {"Removed": "removed_features", "Fixed": "bugfixes", "Security": "security_fixes"}


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        *((version, True) for version in ("1.0.0", "10.20.30", "1.0.0-dev", "1.0.0-dev.2+g1.changed", "1.0.0+g1")),
        *((version, False) for version in ("", "1.0", "v1.0.0", "1.0.0.0", "1.0.0 ", "1.0.0-", "1.0.0-é", "1.0.०")),
    ],
)
def test_a_version(version, taken):
    if taken:
        assert yaml.safe_load(metadata.format_galaxy_file(RELEASE._replace(version=version)))["version"] == version
        return
    with pytest.raises(CommandError, match="pyproject.toml: version: found .*, expected MAJOR.MINOR.PATCH"):
        metadata.format_galaxy_file(RELEASE._replace(version=version))


def test_description_of_a_collection_is_as_recorded():
    assert "repository" not in yaml.safe_load(metadata.format_galaxy_file(RELEASE._replace(repository="")))
    written = metadata.format_galaxy_file(RELEASE) + metadata.format_changelog_settings(RELEASE)
    compare(RECORDED / "collection.galaxy.yml.txt", written)


def test_the_modules_that_have_the_options_of_controls_are_a_group():
    fragment = b"extends_documentation_fragment:\n  - proscribe_enforcing\n"
    source = {
        "library/b.py": fragment,
        "library/a.py": fragment + b"  - other\n",
        "library/c.py": fragment.replace(b"enforcing", b"enforcing_not"),
        "library/d.py": b"  # - proscribe_enforcing\n",
        "action_plugins/e.py": fragment,
    }
    assert metadata.format_runtime_file(RELEASE, source) == (
        '---\nrequires_ansible: ">=2.19.0"\naction_groups:\n  controls:\n    - a\n    - b\n'.replace('"', "'")
    )
    with pytest.raises(CommandError, match="library: found no module with the fragment proscribe_enforcing"):
        metadata.format_runtime_file(RELEASE, {"library/d.py": b"", "action_plugins/e.py": fragment})


def released(text, release=RELEASE):
    found = yaml.safe_load(metadata.convert_changelog(text, release))
    assert [*found] == ["ancestor", "releases"] and found["ancestor"] is None
    return found["releases"]


@pytest.mark.parametrize(("title", "section"), SECTIONS.items())
def test_sections_of_a_changelog_have_a_place(title, section):
    text = f"# Changes\n- no\n## [1.1.0] - 2026-02-04\n- no\n### {title}\n\n- one `a` [b](c.md)\n  more\n- two\n\n no\n"
    changes = {section: ["one ``a`` b more", "two no"]}
    assert released(text) == {"1.1.0": {"changes": changes, "release_date": "2026-02-04"}}
    settings = {**yaml.safe_load(metadata.format_changelog_settings(RELEASE))}
    assert ([section, title] in settings["sections"]) is (title != "Changed")


def test_added_and_changed_stand_together_in_order_of_versions():
    text = "## [1.1.0] - unreleased\n### Changed\n- a\n### Added\n- b\n## [1.0.0] - 2026-1-2\n### Fixed\n- c\n"
    of = {"1.1.0": {"changes": {"minor_changes": ["a", "b"]}, "release_date": "2026-02-03"}}
    before = {"1.0.0": {"changes": {"bugfixes": ["c"]}}}
    assert [*released(text).items()] == [*of.items(), *before.items()]
    expected = {"1.1.0-dev": {"changes": {"minor_changes": ["a", "b"]}}, **before}
    assert released(text, RELEASE._replace(version="1.1.0-dev", commit_day="")) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("### Added\n", "CHANGELOG.md:1: found '### Added', expected one of Added, Changed"),
        ("## [1.1.0] - x\n\n### News\n", "CHANGELOG.md:3: found '### News', expected one of Added, Changed"),
        ("## [1.0.0] - x\n", "CHANGELOG.md: found no heading of version 1.1.0"),
    ],
)
def test_a_changelog_of_another_form_is_refused(text, why):
    with pytest.raises(CommandError, match=why):
        metadata.convert_changelog(text, RELEASE)


@pytest.mark.parametrize(
    ("dependencies", "range_"),
    [(">=2.19,<2.22", ">=2.19.0,<2.22.0"), ("==2.20", "==2.20.0"), ("", ""), (">=2.19; python_version>'3'", "")],
)
def test_the_range_of_ansible(dependencies, range_):
    if range_:
        assert metadata.parse_ansible_range([f"ansible-core{dependencies}"]) == range_
        return
    for found in ([f"ansible-core{dependencies}"] * bool(dependencies), ["ansible-core>=2.19", "ansible-core<2.22"]):
        with pytest.raises(CommandError, match="pyproject.toml: dependencies: found "):
            metadata.parse_ansible_range(found)


SOURCE = dict.fromkeys(("library/compile_plans.py", "library/quarantine.py", "filter_plugins/proscribe_plan.py"), b"")
SOURCE |= dict.fromkeys(("roles/dns_filter/tasks/main.yml", "roles/restricted_apps/tasks/main.yml"), b"")
SOURCE |= {"doc_fragments/shared.py": b"", "docs/page.md": b""}
ACME_NAMES = CollectionNames.collect_names(SOURCE, "acme", "ban")


def test_a_file_has_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "MAX_FILE_BYTES", 9)
    (tmp_path / "LICENSE").write_bytes(b"x" * 9)
    assert layout.read_source_files(tmp_path) == {"LICENSE": b"x" * 9}
    (tmp_path / "LICENSE").write_bytes(b"x" * 10)
    with pytest.raises(CommandError, match="LICENSE: found more than 9 bytes"):
        layout.read_source_files(tmp_path)


def test_a_file_that_is_no_text_is_named():
    assert layout.decode_text("a.md", "é".encode()) == "é"
    with pytest.raises(CommandError, match="a.md: found bytes that are no UTF-8"):
        layout.decode_text("a.md", b"\xff")


def test_names_of_tasks():
    # With @ where a name becomes a full one.
    marked = (RECORDED / "collection.tasks.yml.txt").read_text(encoding="utf-8")
    assert full_names.expand_tasks(marked.replace("@", ""), ACME_NAMES, "x.yml") == marked.replace("@", "acme.ban.")


def test_names_of_a_playbook():
    text = "- hosts: \"{{ h | proscribe_plan('a') }}\"\n  roles: [dns_filter, {role: restricted_apps}]\n"
    expected = "- hosts: \"{{ h | acme.ban.proscribe_plan('a') }}\"\n"
    expected += "  roles: [acme.ban.dns_filter, {role: acme.ban.restricted_apps}]\n"
    assert full_names.expand_playbook(text, ACME_NAMES, "x.yml") == expected
    inside = "- hosts: all\n  post_tasks:\n    - quarantine:\n"
    assert full_names.expand_playbook(inside, ACME_NAMES, "x.yml") == inside.replace("quar", "acme.ban.quar")


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
        ("- ansible.builtin.include_role: {name: '{{ t[x] }}'}\n  vars: {t: {a: dns_filter, b: no}}\n", "the role"),
        ("- a: [\n", "x.yml: cannot be read as YAML"),
    ],
)
def test_unresolved_name_is_refused(text, message):
    with pytest.raises(CommandError, match=message.replace("'", ".").replace("[", r"\[")):
        full_names.expand_tasks(text, ACME_NAMES, "x.yml")


@pytest.mark.parametrize("wrong", ["", "a", "Acme", "1a", "a__b", "a_", "a-b", "../x", "é1", "x" * 65])
@pytest.mark.parametrize("option", ["--namespace", "--name"])
def test_a_name_that_galaxy_does_not_take_is_refused(option, wrong):
    given = {"--namespace": "acme", "--name": "ban", option: wrong}
    with pytest.raises(CommandError, match=f"{option}: found .*, expected 2 to 64 small letters"):
        CollectionNames.collect_names(SOURCE, given["--namespace"], given["--name"])


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](page.md#x)", "[a](page.md#x)"),
        ("[b](../library/quarantine.py)", "[b](../plugins/modules/quarantine.py)"),
        ("[c](../roles/dns_filter)", "[c](../roles/dns_filter)"),
        ("[d](../tests/x.py)", "d"),
        ("[e](https://x)", "[e](https://x)"),
    ],
)
def test_link_of_a_document_leads_to_a_file_of_the_collection(link, expected):
    assert collection_files.convert_document(link, ACME_NAMES, "docs/other.md", "docs/other.md", SOURCE) == expected


def test_document_is_about_the_collection():
    def document(text, path="docs/a.md", place="docs/a.md"):
        return collection_files.convert_document(text, ACME_NAMES, path, place, SOURCE)

    assert document("[a](page.md)", "docs/o.md", "README.md") == "[a](docs/page.md)"
    assert document("[f](#g)") == "[f](#g)"
    text = "# R\n\nIn a checkout, say\nthis.\n\n![p](../../docs/page.md#x) ![q](q.png)\n"
    text += "`ansible-doc -t module quarantine` `ansible-doc -t module copy`\n"
    of_role = text.replace("In a checkout, say\nthis.\n\n", "").replace("module q", "module acme.ban.q")
    assert document(text, *["roles/dns_filter/README.md"] * 2) == of_role.replace("![q](q.png)", "q")
    assert "In a checkout" in document(text)
    tasks = "```yaml\n- quarantine:\n```\n```yaml\nquarantine: yes\n```\n```yaml\n- some: thing\n```\n"
    assert document(tasks) == tasks.replace("- quarantine", "- acme.ban.quarantine")


def test_plugin_of_a_collection_imports_and_documents_by_full_names():
    before = (RECORDED / "collection.plugin.py.txt").read_text(encoding="utf-8")
    after = python_source.convert_plugin(before, ACME_NAMES, "x.py")
    compare(RECORDED / "collection.plugin_with_full_names.py.txt", after)
    used = python_source.convert_plugin(f"{before}    print(sys.argv, PROJECT)\n", ACME_NAMES, "x.py")
    assert "import sys\nfrom pathlib import Path\n\nPROJECT = Path(" in used and "sys.path" not in used
    ast.parse(after)


@pytest.mark.parametrize(
    "line", ["import proscribe.model.plan", "from \\\n  proscribe.model.plan import x", "import (", 'EXAMPLES = ""']
)
def test_import_that_cannot_be_rewritten_is_refused(line):
    with pytest.raises(CommandError, match="x.py:1: "):
        python_source.convert_plugin(line, ACME_NAMES, "x.py")


def test_names_of_tests():
    text = "- block: []\n  when: x is @failing and x is not @failing(['is piped']) and x is defined\n"
    text += '- quarantine:\n  vars: {a: "{{ x is not @failing | ternary(1, 2) }} is failing"}\n'
    names = ACME_NAMES._replace(tests=frozenset({"failing"}), modules=frozenset())
    text = text.replace("quarantine", "acme.ban.quarantine")
    assert full_names.expand_tasks(text.replace("@", ""), names, "x.yml") == text.replace("@", "acme.ban.")
    with pytest.raises(CommandError, match="x.yml:2: found the test 'failing', expected one of the project's"):
        full_names.expand_tasks("- quarantine:\n  when: x is failing\n", ACME_NAMES, "x.yml")


NAMES_PLACING = CollectionNames("proscribe.ban", *[frozenset[str]()] * 4)
FIRST = {"README.md": b"one", "plugins/modules/a.py": b"a = 1\n"}
SECOND = {"README.md": b"two", "roles/b/tasks/main.yml": b"[]\n"}
NO_COLLECTION = "found a directory without the MANIFEST.json and FILES.json of a collection"
CHANGED_README = "found the file README.md with changes"
ACME = '{"collection_info": {"namespace": "acme", "name": "ban"}}'


def archive(files):
    listing = [{"name": one, "chksum_sha256": hashlib.sha256(text).hexdigest()} for one, text in files.items()]
    manifest = {"collection_info": {"namespace": "proscribe", "name": "ban"}}
    metadata = {"MANIFEST.json": manifest, "FILES.json": {"files": listing}}
    made = {**{path: json.dumps(content).encode() for path, content in metadata.items()}, **files}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, content in made.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
        empty = tarfile.TarInfo("docs")
        empty.type, empty.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(empty)
    return packed.getvalue()


def contents(target):
    found = {str(one.relative_to(target)): one.read_bytes() for one in target.rglob("*") if one.is_file()}
    return {name: content for name, content in found.items() if not name.endswith(".json")}


def place(directory, files):
    target = placement.find_target(directory, NAMES_PLACING)
    placement.install_collection(archive(files), target)
    return target


def test_collection_is_placed_and_replaced_whole(tmp_path):
    target = place(tmp_path, FIRST)
    assert target == tmp_path / "ansible_collections/proscribe/ban" and contents(target) == FIRST
    modes = [(path.is_dir(), path.stat().st_mode & 0o777) for path in target.rglob("*")]
    assert {*modes} == {(True, 0o755), (False, 0o644)}, "every account can read it"
    (target / "plugins/modules/__pycache__").mkdir()
    (target / "plugins/modules/__pycache__/a.pyc").touch()  # a run has imported it
    assert contents(place(tmp_path / "ansible_collections", SECOND)) == SECOND
    assert os.listdir(target.parent) == ["ban"], "nothing stays beside it"


def move(path, target):
    path.rename(target.with_name("elsewhere"))
    return path


OTHERS = {
    lambda target: move(target, target).symlink_to("elsewhere"): "found a link",
    lambda target: move(target, target).touch(): "found no directory",
    lambda target: os.mkfifo(move(target / "MANIFEST.json", target)): NO_COLLECTION,
    lambda target: (target / "MANIFEST.json").unlink(): NO_COLLECTION,
    lambda target: (target / "MANIFEST.json").write_text("[" * 100_000): NO_COLLECTION,
    lambda target: (target / "FILES.json").write_text('["files"]'): NO_COLLECTION,
    lambda target: move(target / "MANIFEST.json", target).symlink_to(target.with_name("elsewhere")): NO_COLLECTION,
    lambda target: move(target / "README.md", target).symlink_to(target.with_name("elsewhere")): CHANGED_README,
    lambda target: os.mknod(move(target / "README.md", target), stat.S_IFSOCK): CHANGED_README,
    lambda target: (target / "MANIFEST.json").write_text(ACME): "found the collection acme.ban",
    lambda target: (target / "plugins/ours.py").touch(): "found the file plugins/ours.py, which the .* not have",
    lambda target: (target / "README.md").write_text("ours"): CHANGED_README,
    lambda target: (target / "linked").symlink_to("plugins"): "found the file linked, which the .* not have",
}


@pytest.mark.parametrize(("change", "message"), OTHERS.items())
def test_foreign_files_in_the_place_are_left(tmp_path, change, message):
    target = place(tmp_path, FIRST)
    change(target)
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(CommandError, match=f"{message}, expected nothing, or the collection proscribe.ban"):
        place(tmp_path, SECOND)
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_the_collections_path_has_to_be_there(tmp_path):
    with pytest.raises(CommandError, match="--directory: found '.*nosuch', expected a directory that is there"):
        placement.find_target(tmp_path / "nosuch", NAMES_PLACING)
