"""The collection that this checkout makes: whole, with full names only, and the same bytes each time."""

import argparse
import ast
import configparser
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from proscribe.controller.cli import CommandError, collection
from proscribe.controller.cli.collection import archive, full_names, layout, placement

PROJECT = Path(__file__).resolve().parents[4]
MODULES = {path.stem for path in (PROJECT / "library").glob("*.py")}
FILTERS = {path.stem for path in (PROJECT / "filter_plugins").glob("*.py")}
pytestmark = pytest.mark.slow  # it packs the observing code


def built(output, **options):
    given = {"directory": "", "namespace": "proscribe", "name": "ban", "repository": "", **options}
    assert collection.run(argparse.Namespace(output=str(output), **given)) == 0
    (path,) = output.iterdir()
    with tarfile.open(path) as tar:
        return path, {one.name: stream.read() for one in tar if (stream := tar.extractfile(one))}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return built(tmp_path_factory.mktemp("built") / "here")


@pytest.mark.skipif("not (PROJECT / '.git').exists()", reason="only git lists the files of the checkout")
def test_every_file_of_the_checkout_is_in_it(here):
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    first = {path.partition("/")[0] for path in tracked.splitlines() if "/" in path}
    left_out = {".ci", ".github", "inventory", "tests"}
    assert first - left_out == layout.DIRECTORIES.keys(), "a new directory is either in the collection or named here"
    for path in tracked.splitlines():
        if path.partition("/")[0] in layout.DIRECTORIES and not path.startswith(layout.EXCLUDED_PATHS):
            link = (PROJECT / path).is_symlink()  # says where Ansible finds the plugins of a checkout
            assert link != (layout.find_collection_path(path) in here[1]), path
    config = configparser.ConfigParser()
    config.read(PROJECT / "ansible.cfg")
    plugins = {value for key, value in config["defaults"].items() if key.endswith(("_plugins", "library", "_path"))}
    assert plugins <= layout.DIRECTORIES.keys()


def test_no_short_name_is_left(here):
    short = re.compile(rf"(?<![\w.])(?:{'|'.join(FILTERS)})\(")
    seen = 0
    for path, content in here[1].items():
        text = content.decode() if path.endswith((".yml", ".py")) else ""
        if path.startswith(("playbooks/", "roles/")) and text:
            assert not short.search(text), path
            seen += len(list(keys(yaml.safe_load(text))))
            assert not MODULES.intersection(keys(yaml.safe_load(text))), path
        if path.startswith("plugins/") and path.endswith(".py"):
            assert [one for one in imported(text) if re.match(r"(ansible\.module_utils\.)?proscribe", one)] == [], path
            assert "module_utils/" in path or not re.search(r"\bsys\.path\b", text), path
    assert seen > 100


def imported(text):
    """The modules that a file imports; a program that is a string in it is none of them."""
    for node in ast.walk(ast.parse(text) if text.strip() else ast.Module([], [])):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def keys(value):
    for key, item in value.items() if isinstance(value, dict) else ():
        yield str(key)
        yield from keys(item if key != "vars" else None)
    for item in value if isinstance(value, list) else ():
        yield from keys(item)


def test_checksums_of_a_collection_are_those_of_its_files(here):
    listing = json.loads(here[1]["FILES.json"])["files"]
    files = {one["name"]: one["chksum_sha256"] for one in listing if one["ftype"] == "file"}
    names = here[1].keys() - {"MANIFEST.json", "FILES.json"}
    assert files == {name: hashlib.sha256(here[1][name]).hexdigest() for name in names}
    manifest = json.loads(here[1]["MANIFEST.json"])
    assert manifest["file_manifest_file"]["chksum_sha256"] == hashlib.sha256(here[1]["FILES.json"]).hexdigest()


def test_no_trace_of_this_machine_is_in_it(here):
    with tarfile.open(here[0]) as tar:
        assert {(one.uid, one.gid, one.uname, one.mtime) for one in tar} == {(0, 0, "root", archive.ARCHIVE_TIME)}
    assert not any(str(PROJECT).encode() in content for content in here[1].values())


def galaxy(*words):
    argv = [sys.executable, "-m", "ansible", "galaxy", "collection", *words]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def with_changes(archive, into, change):
    path = into / archive.name
    with tarfile.open(archive) as old, tarfile.open(path, "w:gz") as new:
        for member in old:
            stream = old.extractfile(member)
            content = stream.read() if stream else b""
            if (member.name, change) == ("plugins/filter/proscribe_hosts.py", "another content"):
                content += b"\nimport evil\n"
            elif (member.name, change) == ("FILES.json", "another list"):
                content = content.replace(b"plugins/filter/", b"plugins/evil/")
            elif (member.name, change) == ("plugins/filter/proscribe_hosts.py", "a link"):
                member.type, member.linkname, content = tarfile.SYMTYPE, "/etc/passwd", b""
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
        if change == "a file that no list has":
            for name in ("plugins/action/evil.py", "../../evil.py"):
                new.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


@pytest.mark.parametrize("change", ["another content", "another list", "a link", "a file that no list has"])
def test_collection_changed_on_its_way_is_not_installed(here, tmp_path, change):
    archive = with_changes(here[0], tmp_path, change)
    code, said = galaxy("install", "--offline", "--no-deps", "-p", str(tmp_path / "in" / "here"), str(archive))
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*evil*")]
    assert not found and (code != 0 or change == "a file that no list has"), said


@pytest.mark.parametrize("name", ["plugins/filter/proscribe_hosts.py", "FILES.json", "plugins/action/evil.py"])
def test_change_of_an_installed_collection_is_found(here, tmp_path, name):
    target = tmp_path / "ansible_collections/proscribe/ban"
    placement.install_collection(here[0].read_bytes(), target)
    with (target / name).open("ab") as file:
        file.write(b"\n# changed\n")
    code, said = galaxy("verify", "--offline", "-p", str(tmp_path), "proscribe.ban")
    assert code != 0, said
    with pytest.raises(CommandError, match="as it was installed; nothing was written"):
        placement.find_target(tmp_path, full_names.CollectionNames("proscribe.ban", *[frozenset[str]()] * 4))


def test_collection_of_another_name_has_that_name_everywhere(tmp_path):
    path, files = built(tmp_path / "other", namespace="acme", name="no_chat", repository="https://git.example/x")
    assert path.name.startswith("acme-no_chat-") and b"acme.no_chat.compile_plans" in files["playbooks/audit.yml"]
    assert json.loads(files["MANIFEST.json"])["collection_info"]["repository"] == "https://git.example/x"
    code = [name for name, text in files.items() if name.endswith((".py", ".yml")) and b"proscribe.ban." in text]
    # `init` gives the example the collection's name.
    assert [name for name in code if not name.startswith("examples/")] == []


def test_the_readmes_of_its_roles_are_about_it(here):
    readmes = {path: text.decode() for path, text in here[1].items() if re.fullmatch(r"roles/\w+/README.md", path)}
    assert len(readmes) == len(list((PROJECT / "roles").iterdir()))
    for path, text in readmes.items():
        assert not re.search(r"checkout|roles_path|ansible-doc -t module \w+\W*`", text), path


@pytest.mark.parametrize("url", ["http://x", "https://x y", "file:///etc", "-x"])
def test_a_repository_that_is_no_address_is_refused(tmp_path, url):
    with pytest.raises(CommandError, match="--repository: found .*, expected an https:// URL"):
        built(tmp_path, repository=url)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_no_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="--output: found '.*/file', expected a directory, or nothing there"):
        built(tmp_path / "file")


def checkout(place, git):
    for path in ("library/one.py", "playbooks/two.yml", "docs/__pycache__/x.pyc", "tests/x.py"):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(path)
    if git:
        subprocess.run(["git", "init", "--quiet", place], check=True)
        subprocess.run(["git", "-C", place, "add", "library", "playbooks"], check=True)
    return place


@pytest.mark.parametrize("git", [True, False])
def test_a_link_is_refused(tmp_path, git):
    place = checkout(tmp_path, git)
    (place / "library" / "link.py").symlink_to("/etc/passwd")
    if git:
        subprocess.run(["git", "-C", place, "add", "library"], check=True)
    with pytest.raises(CommandError, match="library/link.py: found a link, expected a file"):
        layout.read_source_files(place)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(checkout(tmp_path, git=False) / "library" / "pipe.py")
    with pytest.raises(CommandError, match="library/pipe.py: found no plain file"):
        layout.read_source_files(tmp_path)


def test_collection_that_galaxy_refuses_leaves_no_file(tmp_path):
    names = full_names.CollectionNames("acme.ban", frozenset(), frozenset(), frozenset(), frozenset())
    with pytest.raises(CommandError, match="ansible-galaxy cannot build the collection"):
        archive.build_collection({"README.md": b"x"}, names, "1.0.0", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_archive_without_git_is_taken_whole_but_for_the_link_to_the_plugins(tmp_path):
    (checkout(tmp_path, git=False) / "playbooks" / "library").symlink_to("../library")
    assert sorted(layout.read_source_files(tmp_path)) == ["library/one.py", "playbooks/two.yml"]


def test_collection_has_no_file_beyond_sources_and_metadata(here):
    metadata = {"README.md", "meta/runtime.yml", "MANIFEST.json", "FILES.json"}
    metadata |= {"changelogs/changelog.yaml", "changelogs/config.yaml"}
    more = here[1].keys() - {layout.find_collection_path(path) for path in layout.read_source_files(PROJECT)} - metadata
    assert all(path.startswith("plugins/module_utils/proscribe/wire/stream.") for path in more) and more
