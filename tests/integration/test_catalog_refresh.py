"""`catalog refresh` against a publisher on this machine: a list is believed as a whole or not at all."""

import datetime
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import require_tool
from hostile_lists import HOSTILE
from list_publisher import NAMES, PUBLISHED, certificate, published
from proscribe.controller.cli import command_line as launcher
from proscribe.controller.cli.catalog import download

ENTRY = """\
---
id: parrot
name: Parrot
category: instant_messaging
vendor: Example
audience: consumer
enforce: true
domains:
  - parrot.example
shared_domains:
  - cdn.example
networks:
  - 8.8.4.0/24
  - 8.8.8.0/24
decided:
  - names: [toys.example]
    as: refused
    why: merchandise
checked: 2026-01-02
networks_checked: 2026-01-02
notes: A test's.
sources: [a test]
"""
FEED = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources: [a test]\n"
AGREEING = FEED.replace("id: birds", "id: flocks").replace("checked:", "agreement: '2'\nchecked:")
PUBLISHERS = [
    ("nets", "lines", "networks", "parrot", 2),
    ("geo", "first_column", "networks", "parrot", 1),
    ("goog", "google_ranges", "networks", "parrot", 1),
    ("tor", "onionoo", "networks", "parrot", 1),
    ("birds", "lines", "feed", "birds", 50),
    ("hosts", "hosts", "feed", "birds", 50),
    ("adguard", "adguard_services", "domains", "parrot", 1),
    ("v2fly", "v2fly", "domains", "parrot", 1),
    ("ripe", "ripestat", "networks", "parrot", 1),
    ("gateways", "json_addresses", "feed", "birds", 50),
    ("flock1", "lines", "feed", "flocks", 50),
    ("flock2", "hosts", "feed", "flocks", 50),
]
MORE = {"ripe": ", adds: 'false'"}
UNCHANGED = {"flock1": "flocks", "flock2": "flocks"}  # a list of an agreement: its feed


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def publisher(pair):
    require_tool("openssl")
    with published(pair, PUBLISHED) as server:
        yield server


@pytest.fixture
def catalog(tmp_path, publisher):
    root = tmp_path / "catalog"
    (root / "instant_messaging").mkdir(parents=True)
    (root / "feeds").mkdir()
    (root / "instant_messaging/parrot.yml").write_text(ENTRY)
    (root / "feeds/birds.yml").write_text(FEED)
    (root / "feeds/birds.txt").write_text("# what sings\n" + "\n".join(NAMES) + "\n")
    (root / "feeds/flocks.yml").write_text(AGREEING)
    (root / "feeds/flocks.txt").write_text("".join(f"{name} # 2\n" for name in NAMES[:60]))
    at = f"https://127.0.0.1:{publisher.server_port}"
    listed = [
        f"- {{id: {id_}, url: {at}/{id_}, format: {form}, into: {into}, of: {of}, least: {least}{MORE.get(id_, '')}}}\n"
        for id_, form, into, of, least in PUBLISHERS
    ]
    (root / "publishers.yml").write_text("---\n" + "".join(listed))
    return root


def content(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def refresh(catalog, pair, capsys):
    def call(*words):
        options = ["--catalog", str(catalog), "--ca-file", str(pair.parent / "ca.pem")]
        return launcher.main(["catalog", "refresh", *words, *options]), "".join(capsys.readouterr())

    return call


@pytest.mark.parametrize("id_", [id_ for id_, *_ in PUBLISHERS if id_ != "tor"])
def test_an_unchanged_list_changes_nothing_but_the_record(refresh, catalog, id_):
    before = content(catalog)
    assert refresh(id_) == (0, f"{UNCHANGED.get(id_, id_)}: unchanged\n")
    changed = {name for name, text in content(catalog).items() if before[name] != text}
    assert len(changed) == 1 and changed < {"instant_messaging/parrot.yml", "feeds/birds.yml", "feeds/flocks.yml"}
    [file] = changed
    lines = set((catalog / file).read_text().split("\n")) - set(before[file].decode().split("\n"))
    assert {line.split(":")[0].strip(" -") for line in lines} <= RECORDED


RECORDED = {"checked", "networks_checked", "compared", "with", "day", "sha256", "values", "version"}
SENT = hashlib.sha256(PUBLISHED["birds"].encode()).hexdigest()
MODIFIED = "Last-Modified Sun, 29 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([], MODIFIED),
        ([("ETag", 'W/"it\'s # 5: x"')], 'ETag W/"it\'s # 5: x"'),
        ([("ETag", '"' + "x" * 100 + '"')], MODIFIED),
        ([("ETag", "\xfc\x9b[2J")], MODIFIED),
    ],
)
def test_the_tool_that_compared_says_with_what(refresh, catalog, publisher, headers, version):
    publisher.headers = headers
    assert refresh("birds")[0] == 0
    feed = yaml.load((catalog / "feeds/birds.yml").read_text(), yaml.BaseLoader)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    record = {"with": "birds", "day": today, "sha256": SENT, "values": "100", "version": version}
    assert (feed["checked"], feed["compared"]) == (today, [record])


def test_a_changed_list_gives_a_change_to_review_and_nothing_beside_it(refresh, catalog, publisher):
    publisher.answers["nets"] = "8.8.4.0/24\n8.34.208.0/20\n"
    code, printed = refresh("nets")
    entry = (catalog / "instant_messaging/parrot.yml").read_text()
    assert (code, "  + 8.34.208.0/20" in printed, "  - 8.8.8.0/24" in printed) == (0, True, True)
    lines = set(entry.split("\n")) ^ set(ENTRY.split("\n"))
    values = {line for line in lines if line.split(":")[0].strip(" -") not in RECORDED}
    assert values == {"  - 8.34.208.0/20", "  - 8.8.8.0/24"}


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("id_", "bad"), [("birds", "www.gov.example"), ("nets", "8.8.8.0/25"), ("v2fly", "gov.example")]
)
def test_a_list_with_what_nobody_may_block_changes_nothing(refresh, catalog, publisher, id_, bad, options):
    (catalog / "known_good.txt").write_text("www.gov.example\n")
    (catalog / "known_good_networks.txt").write_text("8.8.8.0/26\n")
    (catalog / "instant_messaging/parrot.yml").write_text(ENTRY.replace("  - 8.8.8.0/24\n", ""))
    publisher.answers["birds"] = "\n".join([*NAMES, bad])
    publisher.answers["nets"] = "8.8.4.0/24\n8.8.8.0/25\n"
    publisher.answers["v2fly"] = f"{bad}\n"
    before = content(catalog)
    code, printed = refresh(id_, *options)
    assert code == 1 and f"{id_}: refused, nothing is changed: found '{bad}'" in printed and "as: blocked" in printed
    assert content(catalog) == before


def test_a_redirection_to_https_is_followed(refresh, publisher):
    def moved(request):
        request.send_response(302)
        request.send_header("Location", f"https://127.0.0.1:{publisher.server_port}/elsewhere")
        request.end_headers()

    publisher.answers |= {"birds": moved, "elsewhere": PUBLISHED["birds"]}
    assert refresh("birds") == (0, "birds: unchanged\n")


EDITED = [("nets", "instant_messaging/parrot.yml"), ("birds", "feeds/birds.txt"), ("birds", "feeds/birds.yml")]


@pytest.mark.parametrize(("id_", "file"), EDITED)
def test_an_edit_made_while_a_list_is_fetched_is_not_lost(refresh, catalog, publisher, id_, file):
    def slow(request):
        (catalog / file).write_text((catalog / file).read_text() + "# an operator's remark\n")
        publisher.answers[id_] = PUBLISHED[id_] + ("8.34.208.0/20\n" if id_ == "nets" else "wren.example\n")
        request.do_GET()

    publisher.answers[id_] = slow
    code, printed = refresh(id_)
    assert "# an operator's remark" in (catalog / file).read_text(), printed
    assert code in (0, 1)


LATER = ("much of it gone", "much that is new")  # the first list of a publisher is taken as it is


@pytest.mark.parametrize(
    ("name", "used"), [(name, used) for name in HOSTILE for used in (False, True) if used or name not in LATER]
)
def test_a_wrong_list_changes_nothing_and_says_why(refresh, catalog, publisher, name, used, monkeypatch):
    id_, answer, why = HOSTILE[name]
    (catalog / "known_good.txt").write_text("www.gov.example\n")
    if used:
        assert refresh(id_)[0] == 0 or id_ == "tor"
    monkeypatch.setattr(download, "MAX_LIST_BYTES", 4 << 20)
    if "drips" in name:
        monkeypatch.setattr(download, "FETCH_TIMEOUT_SECONDS", 2)
    publisher.answers[id_] = answer
    before = content(catalog)
    code, printed = refresh(id_)
    assert code == 1 and content(catalog) == before
    assert any(part in " ".join(printed.split()) for part in why.split("|")), printed
    job = UNCHANGED.get(id_, id_)
    assert printed.startswith(f"{job}: refused, nothing is changed: ") and "\x1b" not in printed


def test_a_wrong_list_keeps_no_other_back(refresh, catalog, publisher):
    publisher.answers |= {"birds": "", "nets": "8.8.4.0/24\n8.34.208.0/20\n"}
    code, printed = refresh("birds", "nets")
    assert code == 1 and "nets: 1 new" in printed
    assert "8.34.208.0/20" in (catalog / "instant_messaging/parrot.yml").read_text()


def test_a_publisher_whom_nobody_vouches_for_is_not_believed(catalog, capsys):
    before = content(catalog)
    assert launcher.main(["catalog", "refresh", "birds", "--catalog", str(catalog)]) == 1
    assert "certificate" in capsys.readouterr().out.lower() and content(catalog) == before


def test_the_environments_proxy_is_used(refresh, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.delenv("no_proxy", raising=False)
    code, printed = refresh("birds")
    assert code == 1 and "could not be fetched" in printed


def test_lists_come_out_of_a_folder_where_no_publisher_is_reached(refresh, catalog, publisher, tmp_path):
    publisher.shutdown()
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "birds").write_text("\n".join([*NAMES, "wren.example"]))
    os.utime(folder / "birds", (1_790_000_000, 1_790_000_000))  # 2026-09-21
    code, printed = refresh("birds", "nets", "--from", str(folder))
    assert code == 1 and "birds: 1 new" in printed and "nets: refused" in printed and "No such file" in printed
    assert "checked: 2026-09-21" in (catalog / "feeds/birds.yml").read_text()


def git(top, *words):
    names = ["-c", "user.name=a", "-c", "user.email=a@x.example"]
    return subprocess.run(["git", *names, *words], cwd=top, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
def test_scheduled_refresh_makes_a_branch_of_the_policy_repository(tmp_path, project):
    require_tool("openssl")
    top, feed = tmp_path / "ours", FEED.replace("birds", "our_birds").replace("parrot", "tor")
    (top / "policy/feeds").mkdir(parents=True)
    (top / "inventory.yml").write_text("all: {hosts: {web01: {proscribe_catalog_dirs: [policy]}}}\n")
    (top / "policy/feeds/our_birds.yml").write_text(feed)
    (top / "policy/feeds/our_birds.txt").write_text("finch.example\n")
    with published(certificate(tmp_path), {"birds": "finch.example\nwren.example\n"}) as server:
        url = f"https://127.0.0.1:{server.server_port}/birds"
        row = f"- {{id: birds, url: {url}, format: lines, into: feed, of: our_birds, least: 1}}\n"
        (top / "policy/publishers.yml").write_text(row)
        for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=policy"]):
            git(top, *words)
        # The project's own publishers are not reached: each is refused, and keeps the organisation's list from nothing.
        environment = {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "PROSCRIBE_REPORTS": str(tmp_path / "reports")}
        environment |= {"https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
        environment["PROSCRIBE_ANSIBLE_PLAYBOOK"] = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [str(project / "proscribe"), "scheduled", "catalog", "--", "-i", str(top / "inventory.yml")]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "our_birds.txt" in done.stdout and "  + wren.example" in done.stdout
    assert "telegram_networks: refused, nothing is changed: it could not be fetched" in done.stdout
    [branch] = [line.strip() for line in git(top, "branch", "--list", "proscribe/*").splitlines()]
    assert git(top, "show", f"{branch}:policy/feeds/our_birds.txt") == "finch.example\nwren.example"
    assert git(top, "status", "--porcelain") == "" and "could not be sent" not in done.stderr
    assert (top / "policy/feeds/our_birds.txt").read_text() == "finch.example\n"
