"""The project's own catalogue, and loads of catalogues."""

import copy
import hashlib
import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_catalogue import GOOD, OWN, Made, errors_of
from properties import examples
from proscribe.controller.compile.catalogue import (
    amendments,
    catalogue_cache,
    catalogue_loader,
    feeds,
    retired_keys,
    schema,
)
from proscribe.controller.compile.reading.yaml_file import read_yaml
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire.plan_store import PlanStore


@pytest.fixture(scope="module")
def written():
    return {path: yaml.load(path.read_bytes(), yaml.CSafeLoader) for path in sorted(OWN.rglob("*.yml"))}


def test_own_catalogue_is_whole(own_catalogue, written):
    files = {(path.parent.name, path.stem) for path in OWN.glob("*/*.yml") if path.parent.name != "feeds"}
    services = own_catalogue.services.values()
    assert files == {(service.category, service.id) for service in services}
    assert {category for category, _ in files} == set(schema.CATEGORIES)
    browsers = written[OWN / "browsers.yml"]["browsers"]
    assert sorted(own_catalogue.browsers) == sorted(browser["id"] for browser in browsers)
    assert len(own_catalogue.version) == 12
    circumventing = [service for service in services if service.category == "circumvention"]
    assert all(service.audience == "consumer" and service.service_class for service in circumventing)


def test_every_value_is_the_same_text_for_an_ordinary_yaml_reader(written):
    def list_values(data: Any) -> list[Any]:
        if isinstance(data, dict):
            return [value for item in data.values() for value in list_values(item)]
        return [value for item in data for value in list_values(item)] if isinstance(data, list) else [data]

    for path, document in written.items():
        types = {type(value) for value in list_values(document)}
        assert types <= {str, bool, date}, path


def read_keys(page: str, heading: str) -> set[str]:
    """The keys in the first column of the table below a heading."""
    rows = page.partition(f"\n## {heading}\n")[2].partition("| --- |")[2].partition("\n\n")[0].splitlines()[1:]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_documentation_has_every_key_and_no_other_and_its_example_loads(tmp_path):
    page = (OWN.parent / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert read_keys(page, "Keys of a service") == set(schema.SERVICE.keys)
    assert read_keys(page, "Keys of a browser") == set(schema.BROWSER.keys)
    example = page.partition("```yaml\n")[2].partition("```")[0]
    directory = Made(tmp_path)(example, "instant_messaging/parrot.yml")
    assert catalogue_loader.read_catalogue([OWN, directory]).services["parrot"].networks == ("198.51.100.0/24",)


OWL = {"id": "kestrel", "name": "Kestrel", "packages": {"apt": ["kestrel"]}, "processes": ["kestrel"]}
OWL |= {"policy_support": "chromium", "sources": ["a test"]}


def test_keys_of_earlier_versions_are_passed_over_and_named(tmp_path):
    write = Made(tmp_path)
    without = catalogue_loader.read_catalogue([write(GOOD, directory="without")])
    old = f"{GOOD}user_data: [~/.config/Parrot]\nunverified:\n  user_data: [~/.parrot]\n"
    write(yaml.safe_dump({"browsers": [OWL | {"engine": "blink", "user_data": ["~/.owl"]}]}), "browsers.yml")
    write("---\namends: parrot\nadd:\n  user_data: [~/x]\nsources: [a test]\n", "amends/parrot.yml")
    directory = write(old)
    catalogue = catalogue_loader.read_catalogue([directory])
    assert catalogue.services["parrot"].unverified == {}
    assert catalogue.services["parrot"].domains == without.services["parrot"].domains
    file = directory / "instant_messaging/parrot.yml"
    assert {f"{file}:{line}: user_data" for line in (14, 16)} < set(catalogue.retired)
    assert len(catalogue.retired) == 5 and without.retired == ()
    said = retired_keys.describe_retired_keys(catalogue.retired)
    assert said.startswith("catalogue: nothing reads the keys engine and user_data any more")


def test_programs_of_windows_are_known_by_what_is_below_the_folder_of_programs(tmp_path):
    paths = [r"%ProgramFiles%\Crow\Crow.EXE", r"%ProgramFiles%\Crow.exe", r"%AppData%\Crow\data", r"%A%\a\b\c.exe"]
    text = yaml.safe_dump({**yaml.safe_load(GOOD), "enforce": "true", "paths": {"windows": paths}})
    service = catalogue_loader.read_catalogue([Made(tmp_path)(text)]).services["parrot"]
    assert (service.windows_programs, service.paths) == (("Crow/Crow.EXE", "a/b/c.exe"), ())


NOBODY = 65534
LIST = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-11-01\nsources: [a test]\n"
OF_PUBLISHERS = "agreement: '2'\nchecked_accepted: {day: 2026-11-01, until: 2027-05-01, why: none has a list}\n"
OF_PUBLISHERS += f"compared: [{{with: x, day: 2026-11-01, sha256: '{'0' * 64}', values: '2'}}]\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")


@pytest.fixture
def directory(tmp_path):
    write = Made(tmp_path)
    write(LIST + OF_PUBLISHERS, "feeds/birds.yml")
    write("a.example.org\nb.example.org\n", "feeds/birds.txt")
    write(yaml.safe_dump({"browsers": [OWL | {"engine": "blink"}]}), "browsers.yml")
    write("---\namends: parrot\nadd:\n  domains: [c.example.org]\nsources: [a test]\n", "amends/parrot.yml")
    write("A note.\n", "instant_messaging/README.md")
    return write(GOOD)


def test_feed_takes_the_place_of_an_earlier_one_only_if_it_says_so(directory, tmp_path):
    write = Made(tmp_path)
    for text, keys in ((LIST, ["id"]), (f"{LIST}replaces: 'true'\n", [])):
        ours = write(text, "feeds/birds.yml", "ours")
        write("z.example.org\n", "feeds/birds.txt", "ours")
        assert [error.key for error in errors_of(directory, ours)] == keys
    assert catalogue_loader.read_catalogue([directory, ours]).feeds["birds"] == feeds.Feed(
        *("birds", "parrot", "domains", "2026-11-01", ("z.example.org",), f"{ours}/feeds/birds.yml")
    )
    (directory / "feeds/birds.yml").unlink()
    (error,) = errors_of(directory, ours)
    assert (error.location, error.key, error.found_value) == (f"{ours}/feeds/birds.yml:8", "replaces", "true")


def load_and_note(store: PlanStore, *directories: Path) -> catalogue_loader.Catalogue:
    catalogues = catalogue_cache.CatalogueCache(store)
    catalogue = catalogues.load_catalogue(directories)
    catalogues.save_new_entries()
    return catalogue


def is_noted(store: PlanStore, *directories: Path) -> bool:
    now = catalogue_cache.hash_state(directories)
    note = store.read_note(catalogue_cache._make_cache_name(directories))
    return bool(now) and catalogue_cache._parse_cached_catalogue(note, now) is not None


def find_note(store: PlanStore, directory: Path) -> Path:
    assert store.directory
    return store.directory / catalogue_cache._make_cache_name([directory])


def test_unread_file_keeps_the_note_and_a_pipe_or_link_has_no_state(store, directory, monkeypatch):
    load_and_note(store, directory)
    (directory / "instant_messaging/README.md").write_text("Another note.\n")
    assert is_noted(store, directory)
    with monkeypatch.context() as patched:
        patched.setattr(catalogue_cache, "MAX_FILE_BYTES", 20)
        assert catalogue_cache.hash_state([directory]) == b""
    (directory / "webmail").symlink_to("instant_messaging")
    assert catalogue_cache.hash_state([directory]) == b""
    (directory / "webmail").unlink()
    assert catalogue_cache.hash_state([directory])
    os.mkfifo(directory / "instant_messaging/owl.yml")
    assert catalogue_cache.hash_state([directory]) == b"", "it does not hold the run"


def rewrite(path: Path, old: str, new: str) -> None:
    """Change a file so that neither its size nor its time shows it."""
    before, text = path.stat(), path.read_text()
    assert old in text and len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


OWL_ENTRY = GOOD.replace("parrot", "owl").replace("Parrot", "Owl")
RELEASE = "---\nschema: proscribe/catalog/1\nversion: 2026.11.1\nreleased: 2026-11-02\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda root: rewrite(root / "instant_messaging/parrot.yml", "Parrot", "Carrot"),
        lambda root: rewrite(root / "feeds/birds.txt", "b.example", "d.example"),
        lambda root: (root / "amends/parrot.yml").unlink(),
        lambda root: (root / "instant_messaging/owl.yml").write_text(OWL_ENTRY),
        lambda root: (root / "release.yml").write_text(RELEASE),
    ],
    ids=range(5),
)
def test_changed_catalogue_is_loaded_anew(change, store, directory):
    before = load_and_note(store, directory)
    change(directory)
    assert load_and_note(store, directory) == catalogue_loader.read_catalogue([directory]) != before
    assert is_noted(store, directory)
    assert load_and_note(store, directory) == catalogue_loader.read_catalogue([directory]), "out of the note"


def test_catalogue_with_a_link_is_never_noted(store, directory, tmp_path):
    hidden = directory / "instant_messaging/.owl"
    hidden.write_text(OWL_ENTRY)
    (directory / "instant_messaging/owl.yml").symlink_to(hidden)
    assert "owl" in load_and_note(store, directory).services and not is_noted(store, directory)
    hidden.rename(tmp_path / "owl")
    hidden.symlink_to(tmp_path / "owl")
    with pytest.raises(PolicyErrors, match="not a link out of it"):
        load_and_note(store, directory)


def damage_note(note: bytes, content: bytes) -> bytes:
    return b"\n".join([note.split(b"\n")[0], hashlib.sha256(content).hexdigest().encode(), content])


UNUSABLE = [b"[]", b"{}", b'{"services": [[1]]}', b"[" * 100_000, b"\xff", b'{"services": 1, "browsers": 2}']


@pytest.mark.parametrize("content", UNUSABLE, ids=range(6))
def test_a_note_that_is_no_catalogue_is_loaded_anew(content, store, directory):
    fresh = load_and_note(store, directory)
    path = find_note(store, directory)
    path.write_bytes(damage_note(path.read_bytes(), content))
    assert not is_noted(store, directory)
    assert load_and_note(store, directory) == fresh
    assert is_noted(store, directory)


@pytest.mark.slow
@examples(30)
@given(junk=st.binary(max_size=200), cut=st.integers(min_value=0))
def test_a_damaged_note_is_loaded_anew(junk, cut, tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    store = PlanStore(root / "plans")
    store.require_directories()
    directory = Made(root)(GOOD)
    fresh = load_and_note(store, directory)
    path = find_note(store, directory)
    whole = path.read_bytes()
    cut %= len(whole)
    for content in (junk, whole[:cut], whole[:cut] + b"?" + whole[cut + 1 :]):
        path.write_bytes(content)
        assert load_and_note(store, directory) == fresh


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: os.chmod(path, 0o666), id="others can write it"),
        pytest.param(lambda path: os.chown(path, NOBODY, NOBODY), id="somebody else's", marks=as_root),
        pytest.param(lambda path: path.rename(f"{path}.real") and path.symlink_to(f"{path}.real"), id="a link"),
    ],
)
def test_a_note_that_others_could_have_made_is_not_read(spoil, store, directory):
    load_and_note(store, directory)
    path = find_note(store, directory)
    note = path.read_bytes()
    forged = {**json.loads(note.split(b"\n", 2)[2]), "services": []}
    path.write_bytes(damage_note(note, json.dumps(forged).encode()))  # as sound as a note of ours
    assert not load_and_note(store, directory).services  # so that the test can fail: it is believed as it is
    spoil(path)
    assert set(load_and_note(store, directory).services) == {"parrot"}


OURS = "ours"
BASE = GOOD.replace(
    "sources: [a test]\n",
    "front_doors: [parrot.example]\nunverified:\n  domains: [parrot.test.example]\n  packages: {apt: [parrot-beta]}\n"
    "checked: 2026-01-02\nsources: [a test]\n",
)


@pytest.fixture
def made(tmp_path):
    made = Made(tmp_path)
    made(BASE)
    return made


def write_amendment(made: Made, text: str, name: str = "amends/parrot.yml") -> list[Path]:
    return [made.root / "catalog", made(f"---\namends: parrot\n{text}sources: [our desk]\n", name, OURS)]


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("add: {domains: [parrot.example]}\n", "add.domains[0]", "that parrot does not have yet"),
        ("add: {domains: [parrot.test.example]}\n", "add.domains[0]", "it under accept"),
        ("remove: {domains: [parrot.exampl]}\n", "remove.domains[0]", "did you mean 'parrot.example'"),
        ("accept: {domains: [owl.example]}\n", "accept.domains[0]", "a value that parrot has under unverified"),
        ("add: {domains: [google.com]}\n", "add.domains[0]", "google.com carries search"),
        ("add: {packages: {apt: [dpkg]}}\n", "add.packages.apt[0]", "that a host can do without"),
        ("remove: {domains: [parrot.example]}\n", "front_doors[0]", "an address that the entry blocks"),
        ("add: {notes: [x]}\n", "add.notes", "a known key"),
        ("enforce: 'yes'\n", "enforce", "one of true, false"),
    ],
)
def test_a_mistake_names_the_place_in_the_file_that_made_it(made, text, key, expected):
    (error,) = errors_of(*write_amendment(made, text))
    assert (error.key, expected in error.expected) == (key, True)
    assert ("amends/parrot.yml" in error.location) is (key != "front_doors[0]")


def test_amendment_names_an_existing_service_as_its_file_does(made):
    folders = [made.root / "catalog", made("---\namends: parot\nsources: [x]\n", "amends/parot.yml", OURS)]
    (error,) = errors_of(*folders)
    assert (error.key, error.expected) == ("amends", "the id of a service, did you mean 'parrot'?")
    (made.root / OURS / "amends/parot.yml").unlink()
    (error,) = errors_of(*write_amendment(made, "enforce: 'false'\n", "amends/owl.yml"))
    assert (error.key, error.expected) == ("amends", "owl, the name of its file")


def test_amendment_cannot_remove_all_identifiers(made):
    remove = "remove: {domains: [parrot.example.com, parrot.example], packages: {apt: [parrot]},"
    remove += " front_doors: [parrot.example]}\n"
    assert errors_of(*write_amendment(made, remove + "accept: {packages: {apt: [parrot-beta]}}\n")) == []
    made(GOOD.replace("sources:", "front_doors: [parrot.example]\nsources:"))
    (error,) = errors_of(*write_amendment(made, remove))
    assert "at least one key that identifies the service" in error.expected


ENTRY_DATA: dict[str, Any] = yaml.safe_load("""
id: parrot
notes: ""
audience: consumer
enforce: "true"
programs: private
domains: [a.example, b.example]
packages: {apt: [parrot], rpm: [parrot]}
markers: {go: [x.example/y]}
decided: [{names: [n.example], as: shared, why: x}]
compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-01-02"}]
unverified: {domains: [u.example], packages: {apt: [parrot-beta], snap: [parrot]}, notes: of these}
sources: [a test, another]
""")
AMENDMENT = """
amends: parrot
accept: {domains: [u.example, v.example], packages: {snap: [parrot]}}
add: {domains: [c.example, a.example], urls: [d.example/x], packages: {apt: [parrot-beta, parrot-x]}}
remove: {domains: [b.example, zebra], packages: {rpm: [parrot]}, markers: {go: [x.example/y]}}
audience: both
enforce: "false"
programs: both
checked: "2026-11-01"
networks_checked: "2026-11-02"
networks_note: new
checked_accepted: {day: "2026-11-01"}
decided: [{names: [m.example], as: refused, why: y}]
compared: [{with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
notes: not taken
sources: [another, our desk]
"""


def test_amendment_changes_values_and_origins(tmp_path):
    before = copy.deepcopy(ENTRY_DATA)
    (tmp_path / "earlier.yml").write_text("amends: parrot\n")
    (tmp_path / "ours.yml").write_text(AMENDMENT)
    earlier, ours = read_yaml(tmp_path / "earlier.yml"), read_yaml(tmp_path / "ours.yml")
    origins: amendments.Origins = {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "b.example"): (earlier, ("add", "domains", 1)),
    }
    result, mistakes = amendments.apply_amendment(ENTRY_DATA, origins, ours)
    assert result.data == yaml.safe_load("""
        id: parrot
        notes: ""
        audience: both
        enforce: "false"
        programs: both
        domains: [a.example, u.example, c.example]
        urls: [d.example/x]
        packages: {apt: [parrot, parrot-x], snap: [parrot]}
        decided: [{names: [n.example], as: shared, why: x}, {names: [m.example], as: refused, why: y}]
        compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
        unverified: {packages: {apt: [parrot-beta]}, notes: of these}
        checked: "2026-11-01"
        networks_checked: "2026-11-02"
        networks_note: new
        checked_accepted: {day: "2026-11-01"}
        sources: [a test, another, our desk]
        """)
    assert result.origins == {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "u.example"): (ours, ("accept", "domains", 0)),
        (("packages", "snap"), "parrot"): (ours, ("accept", "packages", "snap", 0)),
        (("domains",), "c.example"): (ours, ("add", "domains", 0)),
        (("urls",), "d.example/x"): (ours, ("add", "urls", 0)),
        (("packages", "apt"), "parrot-x"): (ours, ("add", "packages", "apt", 1)),
    }
    assert mistakes == [
        (("accept", "domains", 1), "v.example", "a value that parrot has under unverified"),
        (("add", "domains", 1), "a.example", "a value that parrot does not have yet"),
        (("add", "packages", "apt", 0), "parrot-beta", "it under accept: parrot has it under unverified"),
        (("remove", "domains", 1), "zebra", "a value that parrot has"),
    ]
    assert before == ENTRY_DATA and len(origins) == 2
