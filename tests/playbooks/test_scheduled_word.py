"""What the timers start: a notification where something changed, none where nothing did, sent to a real listener."""

import json
import subprocess

import pytest
from checkout import AS_ROOT
from loopback import Loopback
from made_fleet import Fleet

pytestmark = AS_ROOT


@pytest.fixture
def chat():
    with Loopback() as server:
        yield server


def scheduled(fleet, chat, *options):
    notify = json.dumps({"proscribe_notify": {"webhook": f"{chat.url}/hook?token=secret"}})
    return fleet.launch("scheduled", "drift", "--", "-i", "fleet", "--tags", "dns", "-e", notify, *options)


def test_a_change_is_reported_once_and_what_goes_on_as_it_was_is_not(tmp_path, chat):
    fleet = Fleet(tmp_path, 2)
    ended = scheduled(fleet, chat)
    assert ended.code == 0, ended.said
    (sent,) = chat.got
    notification = sent.facts
    assert sent.kind == "application/json"
    assert (notification["schema"], notification["number_of_hosts"]) == ("proscribe/notice/1", 2)
    assert notification["text"].startswith("Proscribe: 2 hosts corrected for the first time")
    assert {host["host"] for host in notification["hosts"]} == {"h1", "h2"} and "token=secret" not in ended.said
    ended = scheduled(fleet, chat)
    assert (ended.code, len(chat.got)) == (0, 1), ended.said
    assert "Proscribe:" not in ended.said
    fleet.undo("h2")
    ended = scheduled(fleet, chat)
    assert ended.code == 0, ended.said
    notification = chat.got[-1].facts
    assert (len(chat.got), [host["host"] for host in notification["hosts"]]) == (2, ["h2"])
    change = notification["hosts"][0]["changes"][0]
    assert change["state"] == "repaired" and change["found"] <= change["repaired"]


def test_a_notice_that_cannot_be_sent_is_tried_again_then_told(tmp_path, chat):
    fleet = Fleet(tmp_path, 1)
    chat.codes = [503, 204]
    ended = scheduled(fleet, chat)
    assert (ended.code, len(chat.got)) == (0, 2), ended.said
    fleet.undo("h1")
    chat.codes = [503]
    ended = scheduled(fleet, chat)
    assert (ended.code, len(chat.got)) == (76, 5), ended.said
    assert "the notification could not be sent" in ended.said and "token=secret" not in ended.said
    assert fleet.corrected == {"h1"}


def test_the_report_has_a_row_for_each_point_and_a_signed_export_is_repaired(tmp_path, chat):
    fleet = Fleet(tmp_path, 1)
    place, key, log = tmp_path / "served" / "rpz", tmp_path / "key", tmp_path / "access.log"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    (tmp_path / "fleet/allowed_signers").write_text(f'proscribe-export namespaces="proscribe-export" {public}\n')
    text = (tmp_path / "fleet/hosts.yml").read_text()

    def says(**more):
        export = {"format": "rpz", "directory": str(place), "access_log": str(log), "url": "/rpz"}
        more |= {"proscribe_exports_fed": [export], "proscribe_exports_key": str(key)}
        more |= {"proscribe_dns_backend": "hosts", "proscribe_requests": False}
        (tmp_path / "fleet/hosts.yml").write_text(text[: text.index("  vars:")] + f"  vars: {json.dumps(more)}\n")

    def row():
        (point,) = json.loads((fleet.directory / "reports/newest/report.json").read_text())["points"]
        return dict(point)

    says()
    ended = scheduled(fleet, chat)
    assert ended.code == 0, ended.said
    assert (row()["state"], row()["written"], row()["fetched_by"]) == ("missing", None, None), "before it was written"
    assert f"export {place}" in ended.said

    log.write_text('192.0.2.7 - - [30/Nov/2026:08:00:01 +0000] "GET /rpz/proscribe.rpz HTTP/1.1" 200 9 "-" "-"\n')
    ended = scheduled(fleet, chat)
    assert ended.code == 0, ended.said
    point, manifest = row(), json.loads((place / "manifest.json").read_text())
    assert (point["state"], point["why"], point["older"], point["expired"]) == ("current", [], False, False)
    assert (point["written"], point["plan"]) == (manifest["at"], manifest["plan"])
    assert "ED25519 key" in point["signed_with"]
    (fetch,) = point["fetched_by"]["last"]
    assert fetch == {"address": "192.0.2.7", "at": "2026-11-30T08:00:01Z", "file": "proscribe.rpz"}
    assert "192.0.2.7 on 2026-11-30 08:00 UTC" in (fleet.latest / "report.html").read_text()
    metrics = (fleet.latest / "metrics.prom").read_text()
    assert f'proscribe_export_state{{directory="{place}",format="rpz",group="",state="current"}} 1' in metrics

    (place / "manifest.json").write_text(json.dumps({**manifest, "hosts": ["other"]}))
    ended = scheduled(fleet, chat)
    assert (ended.code, row()["state"]) == (0, "not_signed"), ended.said
    assert "its signature does not count" in chat.got[-1].facts["text"], "it is written again, and that is reported"
    assert json.loads((place / "manifest.json").read_text())["hosts"] == manifest["hosts"]

    key.unlink()
    (place / "proscribe.rpz").write_text("")
    ended = scheduled(fleet, chat)
    assert (ended.code, row()["state"]) == (74, "changed"), ended.said
    assert f"there is no key {key}" in chat.got[-1].facts["text"]
    assert (place / "proscribe.rpz").read_text() == "", "an export that cannot be signed is not replaced"
