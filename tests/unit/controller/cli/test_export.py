"""`export`: from an inventory to a directory, signatures by the real ssh-keygen, and refusals."""

import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from file_hosts import write_files
from proscribe.controller.cli import CommandError, export, export_all
from proscribe.controller.cli.command_line import main
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.controller.enforcement_points.format_declaration import NOTHING_TO_EXPORT, ExportError
from proscribe.host.system import ControlError
from refusals import make_refusal

INVENTORY = """\
all:
  vars:
    proscribe_hosts: "all:!guests:!empty"
    proscribe_categories: [instant_messaging]
    proscribe_exports_fed: [rpz, nft]
  children:
    office: {hosts: {desk1: {}, win1: {ansible_connection: winrm}}}
    guests: {hosts: {guests-devices: {}}}
    kiosks: {hosts: {kiosk1: {proscribe_categories: [webmail]}}}
    empty: {}
"""
AT = ["--at", "2026-11-27T08:00:00Z"]
NONE = ExportError(f"{NOTHING_TO_EXPORT}: no names")
PATHS = ExportError("it takes no paths")
FOR_ONE = "1 format with nothing to export:\n  a: no names\n"
FOR_EACH = "2 formats with nothing to export:\n  a: no names\n  b: no programs\n"
BAD = export_all.REFUSED_CODE
NAMESPACE = "proscribe-export"
WAIVER = (
    "{id: w1, services: [telegram], controls: [dns], groups: [office], reason: r, requested_by: a, approved_by: head,"
    " approved_on: 2026-11-01T00:00:00Z, expires: 2026-12-24T18:00:00Z, risk: r, compensating_controls: [c],"
    " ticket: t}\n"
)


@pytest.fixture
def inventory(tmp_path):
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    return ["-i", str(tmp_path / "hosts.yml")]


def manifest(directory):
    return json.loads((directory / "manifest.json").read_text())


def test_explain_answers_for_the_audience_of_an_export_that_runs_leave_out(inventory, capsys):
    assert main(["explain", "whatsapp.com", *inventory, "--limit", "guests-devices", *AT]) == 1
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert "proscribe_hosts is 'all:!guests:!empty'" in first and "as an audience" in first
    assert second.startswith("whatsapp.com (WhatsApp: whatsapp): policy: blocked on guests-devices")
    assert main(["explain", "whatsapp.com", *inventory, "--limit", "guests-devices", "--json", *AT]) == 1
    assert json.loads(capsys.readouterr().out)["audience"] is True


@pytest.mark.slow
def test_export_has_an_end_and_a_check_names_what_differs(inventory, tmp_path, capsys):
    write_files(tmp_path, {"approvers.yml": "office: {head: head}\n", "waivers/w1.yml": WAIVER})
    out = tmp_path / "out"
    export = ["export", "rpz", *inventory, "--group", "office", "-o", str(out)]
    assert main([*export, *AT]) == 0 and manifest(out)["valid_until"] == "2026-12-24T18:00:00Z"
    assert b"as of 2026-11-27T08:00:00Z, valid until 2026-12-24T18:00:00Z" in (out / "proscribe.rpz").read_bytes()
    capsys.readouterr()
    assert main([*export, "--check", "--at", "2026-12-24T17:59:59Z"]) == 0
    plan = manifest(out)["plan"][:19]
    assert f"up to date, export rpz as of 2026-11-27T08:00:00Z, plan {plan}\n" in capsys.readouterr().out
    assert main([*export, "--check", "--at", "2026-12-24T18:00:00Z"]) == 3
    printed = capsys.readouterr().out
    assert "it was valid until 2026-12-24T18:00:00Z" in printed and "another content by the policy of now" in printed
    assert main([*export, "--at", "2026-12-25T00:00:00Z"]) == 0
    assert main([*export, "--check", "--at", "2026-12-25T00:00:00Z"]) == 0 and manifest(out)["valid_until"] is None
    (out / "proscribe.rpz").write_bytes(b"; changed by hand\n")
    assert main([*export, "--check", "--at", "2026-12-25T00:00:00Z"]) == 1
    assert "proscribe.rpz was changed, or is gone" in capsys.readouterr().out


NOW = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("waives", "starts", "ends", "changes", "days"),
    [
        (True, -1, 3, {}, 3),
        (False, 2, 3, {}, 2),  # it begins later
        (False, -1, 3, {}, None),  # it is worth nothing
        (True, -1, 3, {"controls": ("apps",)}, None),
        (True, -1, 3, {"hosts": ("other",)}, None),
        (True, -1, 30, {"effective_from": datetime.date(2026, 12, 2)}, "the ban begins"),
    ],
)
def test_export_is_valid_until_something_of_it_begins_or_ends(waives, starts, ends, changes, days):
    controls, hosts = changes.get("controls", ("dns", "firewall")), changes.get("hosts", ("a", "other"))
    waiver = SimpleNamespace(starts=NOW + starts * DAY, ends=NOW + ends * DAY, controls=controls)
    worth = SimpleNamespace(is_waiving=waives, hosts=hosts)
    begins = {"a": SimpleNamespace(effective_from=changes.get("effective_from", datetime.date(2024, 1, 1)))}
    compiled = SimpleNamespace(waivers=[(waiver, worth)], hosts={"a": "digest"}, restrictions=begins)
    until = export._find_valid_until(compiled, SimpleNamespace(controls=("dns",)), NOW)
    if days == "the ban begins":
        assert until.astimezone().isoformat().startswith("2026-12-02T00:00:00")
    else:
        assert until == (days and NOW + days * DAY)


@pytest.mark.slow
def test_an_export_of_another_format_or_group_is_replaced_only_where_it_is_meant(inventory, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["export", "rpz", *inventory, "--group", "office", "-o", out, *AT]) == 0
    for other in (["cidr", "--group", "office"], ["rpz", "--group", "kiosks"]):
        assert main(["export", *other, *inventory, "-o", out, *AT]) == 2
        assert "has an export rpz of group office; expected another directory, or --replace" in capsys.readouterr().err
        assert manifest(Path(out))["format"] == "rpz"
    assert main(["export", "cidr", "--group", "office", *inventory, "-o", out, *AT, "--replace"]) == 0
    assert main(["export", "cidr", "--group", "office", *inventory, "-o", str(tmp_path / "new"), "--check"]) == 2


def all_of(inventory, out, *more, group="office"):
    return main(["export", "all", *inventory, "--group", group, "-o", str(out), *more])


def test_formats_that_are_refused_for_one_reason_are_named_together(inventory, tmp_path, capsys):
    assert main(["export", "all", *inventory, "-o", str(tmp_path / "out"), *AT]) == 2
    said = capsys.readouterr().err
    assert said.count("choose hosts that have one policy") == 4  # one for each control
    assert "cidr, ipset, nft: the hosts" in said.replace("\n", " ") and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_tenant_without_its_id_is_refused_before_any_file_where_a_format_takes_ids_only(inventory, tmp_path, capsys):
    out, text = tmp_path / "all", (tmp_path / "hosts.yml").read_text()
    tenants = "  vars:\n    proscribe_tenants: {microsoft: [dept.example]}"
    (tmp_path / "hosts.yml").write_text(text.replace("  vars:", tenants))
    assert all_of(inventory, out, *AT) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "proscribe_tenants.microsoft has 'dept.example' without the id of its tenant" in said
    assert "https://login.microsoftonline.com/dept.example/v2.0/.well-known/openid-configuration" in said
    refused = {"entra_tenant_restrictions", "gpo", "intune", "mobileconfig"}
    assert {one.name for one in out.iterdir()} == EXPORT_FORMATS.keys() - refused


def refused(name, why):
    return f"1 format refused:\n  {name}: {why}\n"


@pytest.mark.parametrize(
    ("outcomes", "earlier", "code", "out", "err"),
    [
        ({"a": 1, "b": 3, "c": 2}, "", 3, "", ""),
        ({"a": NONE, "b": NONE, "c": 0}, "", 0, "2 formats with nothing to export:\n  a, b: no names\n", ""),
        ({"a": NONE, "b": ExportError(f"{NOTHING_TO_EXPORT}: no programs"), "c": 0}, "", 0, FOR_EACH, ""),
        ({"a": PATHS, "b": 9, "c": PATHS}, "", BAD, "", "2 formats refused:\n  a, c: it takes no paths\n"),
        ({"a": NONE, "b": PATHS}, "b", BAD, FOR_ONE, refused("b", "it takes no paths")),
        ({"a": NONE, "b": 0}, "a", BAD, "", refused("a", "no names. Delete {0}/a, which has an earlier export of it")),
        *(({"a": of("so"), "b": 0}, "", BAD, "", refused("a", "so")) for of in (ControlError, CommandError, OSError)),
    ],
)
def test_the_worst_that_comes_of_a_format_is_the_code(outcomes, earlier, code, out, err, tmp_path, monkeypatch, capsys):
    places = []

    def export(format_, place):
        places.append(place)
        if isinstance(outcomes[format_.name], Exception):
            raise outcomes[format_.name]
        return int(outcomes[format_.name])

    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(export_all, "EXPORT_FORMATS", {name: SimpleNamespace(name=name) for name in outcomes})
    read_earlier = lambda place: "one" if place.name == earlier else None  # noqa: E731
    monkeypatch.setattr(export_all.export_directory, "read_earlier_export", read_earlier)
    assert export_all.export_all_formats(tmp_path, export) == code and places == [tmp_path / name for name in outcomes]
    assert capsys.readouterr() == (out, err.format(tmp_path))


def test_a_policy_with_nothing_for_any_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export_all, "EXPORT_FORMATS", {name: SimpleNamespace(name=name) for name in "ab"})
    with pytest.raises(CommandError, match="^export all: the policy has nothing for any format$"):
        export_all.export_all_formats(tmp_path, make_refusal(NONE))


class Organisation:
    def __init__(self, root, keys):
        self.root, self.keys, self.out = root, keys, root / "out"
        self.inventory = root / "inventory"
        write_files(self.inventory, {"waivers/w1.yml": WAIVER, "approvers.yml": "office: {head: head}\n"})
        self.signs(self.key("controller"))
        self.allow(NAMESPACE, "controller", f'namespaces="{NAMESPACE}"')
        self.allow("head", "head", 'namespaces="proscribe-waiver"')

    def key(self, name):
        file = self.keys / name
        if not file.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file], check=True)
        return file

    @property
    def signature(self):
        return self.out / "manifest.json.sig"

    def signs(self, key):
        extra = f"    proscribe_exports_key: {json.dumps(str(key))}\n    proscribe_waiver_signatures: 'off'\n"
        (self.inventory / "hosts.yml").write_text(INVENTORY.replace("  vars:\n", f"  vars:\n{extra}", 1))

    def allow(self, principal, key, options=""):
        public = " ".join(self.key(key).with_suffix(".pub").read_text().split()[:2])
        with (self.inventory / "allowed_signers").open("a") as stream:
            stream.write(f"{principal} {options} {public}\n")

    def sign(self, key, namespace=NAMESPACE):
        """As an attacker does who can write into the directory."""
        self.signature.unlink(missing_ok=True)
        file = self.out / "manifest.json"
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", self.key(key), "-n", namespace, file]
        subprocess.run(command, check=True, capture_output=True)

    def export(self, *options):
        hosts = str(self.inventory / "hosts.yml")
        return main(["export", "rpz", "-i", hosts, "--group", "office", "-o", str(self.out), *options])


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def ours(tmp_path, keys):
    return Organisation(tmp_path, keys)


def longer(ours):
    """The export of a permissive day stays valid for ever."""
    file = ours.out / "manifest.json"
    file.write_text(file.read_text().replace('"2026-12-24T18:00:00Z"', "null"))


def emptied(ours):
    """A zone that blocks nothing, and a manifest with its digest."""
    zone, file = ours.out / "proscribe.rpz", ours.out / "manifest.json"
    zone.write_text("; nothing\n")
    document = json.loads(file.read_text())
    document["files"][0]["sha256"] = hashlib.sha256(zone.read_bytes()).hexdigest()
    file.write_text(json.dumps(document))


def linked(ours):
    ours.signature.rename(ours.root / "sig")
    ours.signature.symlink_to(ours.root / "sig")


FITS_NOT, IS_NONE = "it does not fit the file", "manifest.json.sig is no signature"
ATTACKS = {
    "a manifest that is valid for longer": (longer, FITS_NOT),
    "a file and its digest": (emptied, FITS_NOT),
    "both, signed by a stranger": (lambda o: (emptied(o), o.sign("stranger")), "allowed_signers has no such key of"),
    "signed by an approver of waivers": (lambda o: (emptied(o), o.sign("head")), "by head, not by proscribe-export"),
    "signed for another purpose": (lambda o: o.sign("controller", "proscribe-waiver"), FITS_NOT),
    "no signature": (lambda o: o.signature.unlink(), "there is no manifest.json.sig"),
    "a link to a signature": (linked, IS_NONE),
    "a pipe": (lambda o: (o.signature.unlink(), os.mkfifo(o.signature)), IS_NONE),
    "a signature without end": (lambda o: os.truncate(o.signature, 1 << 30), IS_NONE),
    "an escape sequence": (lambda o: o.signature.write_text("\x1b]0;owned\x07"), FITS_NOT),
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_export_written_by_an_attacker_does_not_count(ours, capsys, attack):
    assert ours.export(*AT) == 0 and ours.export("--check", *AT) == 0
    capsys.readouterr()
    do, why = ATTACKS[attack]
    do(ours)
    assert ours.export("--check", *AT) == 4
    printed = capsys.readouterr()
    assert re.search(f"its signature does not count: .*{why}", printed.out)
    assert "\x1b" not in printed.out + printed.err
    assert ours.export(*AT) == 0 and ours.export("--check", *AT) == 0, "it is written again"


@pytest.fixture
def server(tmp_path):
    (tmp_path / "out").mkdir()
    code = "import http.server as h; s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)"
    code += "; print(s.server_port, flush=True); s.serve_forever()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        yield f"http://127.0.0.1:{run.stdout.readline().strip()}/out"
        run.terminate()


def test_a_device_that_fetches_it_checks_it_without_proscribe(ours, server, tmp_path):
    assert ours.export(*AT) == 0
    fetched = tmp_path / "device"
    fetched.mkdir()
    for name in ("manifest.json", "manifest.json.sig", "proscribe.rpz"):
        with urllib.request.urlopen(f"{server}/{name}") as answer:
            (fetched / name).write_bytes(answer.read())
    shutil.copy(ours.inventory / "allowed_signers", fetched)

    def verified():  # as docs/enforcement_points.md has it
        verify = f"ssh-keygen -Y verify -f allowed_signers -I {NAMESPACE} -n {NAMESPACE} -s manifest.json.sig".split()
        content = (fetched / "manifest.json").read_bytes()
        done = subprocess.run(verify, cwd=fetched, input=content, capture_output=True)
        said = json.loads((fetched / "manifest.json").read_text())["files"]
        sums = "".join(f"{one['sha256']}  {one['path']}\n" for one in said).encode()
        return not (done.returncode or subprocess.run(["sha256sum", "-c"], cwd=fetched, input=sums).returncode)

    assert verified()
    (fetched / "proscribe.rpz").write_text("; nothing\n")
    assert not verified()
    with urllib.request.urlopen(f"{server}/proscribe.rpz") as answer:
        (fetched / "proscribe.rpz").write_bytes(answer.read())
    (fetched / "manifest.json").write_text((fetched / "manifest.json").read_text() + "\n")
    assert not verified()


@pytest.mark.slow
def test_check_of_all_finds_changed_and_missing_exports(inventory, tmp_path, capsys):
    out = tmp_path / "all"
    assert all_of(inventory, out, *AT) == all_of(inventory, out, "--check") == 0
    (out / "domains/blocked.txt").write_text("")
    assert all_of(inventory, out, "--check") == 1
    assert f"{out}/domains: blocked.txt was changed, or is gone" in capsys.readouterr().out
    shutil.rmtree(out / "zscaler")
    assert all_of(inventory, out, "--check") == 2
    assert f"zscaler: {out}/zscaler has no export to check" in capsys.readouterr().err


@pytest.mark.slow
def test_unsigned_export_counts_only_where_the_policy_has_no_key(ours, capsys):
    ours.signs("")
    assert ours.export(*AT) == 0 and not ours.signature.exists()
    assert ours.export(*AT, "--check") == 0
    assert ours.export(*AT, "--check", "--key", str(ours.key("controller"))) == 4
    for signer, code in (("stranger", 4), ("controller", 0)):  # a signature that is there has to count
        ours.sign(signer)
        assert ours.export(*AT, "--check") == code
    ours.signs("export_key")
    assert ours.export(*AT, "--check") == 2
    assert "found 'export_key', expected an absolute path" in capsys.readouterr().err
