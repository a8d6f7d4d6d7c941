"""What `explain`, Santa and Apple's declaration say of a service's programs on Macs."""

import json
import plistlib

import pytest
import santa
from agreeing_policy import NOW, export_into, waiver, write_inventory
from explained import Explained
from proscribe.controller.cli.explain.reasons.reason import BLOCKED, DEPENDS, OPEN, REPORTED
from proscribe.host.macos.mac_record import make_mac_record
from proscribe.host.system import Host, ToolResult
from proscribe.model.finding import NONCOMPLIANT
from proscribe.wire.answers import record as replies

GROUP, ONE, OTHER = "macs", "mac1", "mac2"
WAIVED, OF_OTHER, FOR_USERS = "signal", "discord", "viber"
GROUPED = "zalo"  # restricted for the members of a group alone
EXCLUDED = "wire"


class Macs(Explained):
    """The policy of two Macs, and what was exported for both."""

    def __init__(self, folder):
        grouped = [{"services": [GROUPED], "groups": ["staff"], "controls": ["apps"]}]
        notification = {"en": "Use Teams <instead>.", "zh-HK": "請使用 Teams。"}
        values = {"services_exclude": [EXCLUDED], "groups_restricted": grouped, "requests": False}
        values |= {"request_url": "https://portal.example.org/ask", "refusal_notice": notification}
        values["exports_fed"] = ["santa"]
        variables = {f"proscribe_{name}": value for name, value in values.items()}
        waivers = (
            waiver("w1", WAIVED, groups=[GROUP]),
            waiver("w2", OF_OTHER, hosts=[OTHER]),
            waiver("w3", FOR_USERS, groups=[GROUP], users=["alice"], controls=["apps"]),
        )
        super().__init__(write_inventory(folder, GROUP, {ONE: {}, OTHER: {}}, variables, *waivers), NOW, GROUP)
        self.folder = folder
        self.rules = santa.imported((export_into(folder, "santa", GROUP) / "rules.json").read_bytes())
        assert santa.static((self.folder / "exports/santa/santa.mobileconfig").read_bytes()) == self.rules
        declared = json.loads((export_into(folder, "ddm", GROUP) / "app_settings.json").read_text())
        self.denied = {binary["SigningID"] for binary in declared["Payload"]["Allowed"]["DeniedBinaries"]}

    def left_out(self):
        """By service, what the manifest of `santa` says of it."""
        manifest = json.loads((self.folder / "exports/santa/manifest.json").read_text())
        return {entry["rule"].partition("/")[2]: f"{entry['what']}: {entry['why']}" for entry in manifest["left_out"]}

    def stops(self, signed):
        return {santa.blocks(santa.Program(signing_id), self.rules) for signing_id in signed}

    def installed(self, root, bundle_ids):
        """The rules of a Mac's record that are noncompliant while these applications are there."""
        for number, bundle_id in enumerate(bundle_ids):
            place = root / f"Applications/{number}.app/Contents/Info.plist"
            (place.parent / "MacOS").mkdir(parents=True)
            (place.parent / "MacOS/program").touch()
            place.write_bytes(plistlib.dumps({"CFBundleIdentifier": bundle_id}))
        host = Host(str(root), lambda *_, **__: ToolResult(0, "    1     0 /sbin/launchd\n", ""))
        rules = replies.read_unnamed_record(make_mac_record(host, self.plan(ONE), ["apps"]))["rules"]
        return {rule["rule"].partition("/")[2] for rule in rules if rule["state"] == NONCOMPLIANT}


@pytest.fixture(scope="module")
def macs(tmp_path_factory):
    return Macs(tmp_path_factory.mktemp("inventory") / "inventory")


@pytest.mark.parametrize(
    ("service", "explained", "stopped", "said"),
    [
        ("whatsapp", BLOCKED, True, ""),
        (WAIVED, "waived", False, ""),
        (OF_OTHER, BLOCKED, True, "waiver w2 for host mac2: Not every host"),
        (FOR_USERS, BLOCKED, True, "waiver w3 for hosts mac1, mac2: This point does not know users"),
        (GROUPED, None, False, "the members of staff only"),
        (EXCLUDED, OPEN, False, ""),
        ("slack", OPEN, False, ""),  # an enterprise service
        ("github", REPORTED, False, "It is reported where it is found"),
        ("teams_personal", None, False, "They serve permitted accounts, too"),
        ("yandex_disk", BLOCKED, False, "does not know who signs its programs"),
        ("max_messenger", DEPENDS, False, "no program of it for Macs"),
    ],
)
def test_santa_does_what_explain_says_or_the_manifest_names_the_difference(
    macs, own_catalogue, service, explained, stopped, said
):
    if explained is not None:
        assert macs.says(ONE, service)["apps"] == explained
    signed = own_catalogue.services[service].signing_ids
    assert macs.stops(signed) == ({stopped} if signed else set()) and said in macs.left_out().get(service, "")
    if explained == BLOCKED and not stopped:
        assert said


def test_every_service_is_stopped_open_or_named(macs, own_catalogue):
    left_out, services = macs.left_out(), macs.plan(ONE)["controls"]["apps"]["services"]
    for id_, service in own_catalogue.services.items():
        restricted = services.get(id_, {}).get("mode") == "enforce" and id_ != GROUPED
        assert not service.signing_ids or macs.stops(service.signing_ids) == {restricted}, id_
        assert not restricted or service.signing_ids or id_ in left_out, id_
        assert not service.bundle_ids or macs.denied.issuperset(service.bundle_ids) is restricted, id_


def test_a_mac_reports_the_installed_programs_that_santa_stops(macs, own_catalogue, tmp_path):
    signed = {
        id_: [signing_id for signing_id in service.signing_ids if signing_id.partition(":")[2] in service.bundle_ids]
        for id_, service in own_catalogue.services.items()
    }
    bundle_ids = [signing_id.partition(":")[2] for signing_ids in signed.values() for signing_id in signing_ids]
    stopped = {id_ for id_, signing_ids in signed.items() if True in macs.stops(signing_ids)}
    assert stopped == macs.installed(tmp_path, bundle_ids) - {GROUPED} and len(stopped) > 20


def test_a_user_reads_the_organisations_text_and_address(macs):
    assert {rule.url for rule in macs.rules} == {"https://portal.example.org/ask"}
    (wechat,) = [rule for rule in macs.rules if rule.identifier.endswith("xinWeChat")]
    assert santa.on_a_terminal(wechat.message).split("\n")[2:] == ["Use Teams <instead>.", "請使用 Teams。"]
