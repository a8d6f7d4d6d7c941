"""What every format for enforcement points passes. What it makes of a plan, its own test says."""

import re

import pytest
from made_export import decision, plan
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.controller.enforcement_points.format_declaration import BY_TENANT_REASON, ExportError
from proscribe.model.plan import RESTRICTED_MODES, add_digest

pytestmark = pytest.mark.parametrize("name", sorted(EXPORT_FORMATS))
GUID = re.compile(r"\{[0-9A-F-]{36}\}")  # of the group, in names of files
TENANTS = ["2fd6bb84-ad40-4ec5-9369-a215b25c9952", "7a5d1c0e-3b52-4f0c-9c55-1d1f7c0f6a11"]
# A service that every control knows, so that each format has something to write.
CHAT = {
    "apps": {
        "packages": {"deb": ["chat"]},
        "bundle_ids": ["com.example.chat"],
        "mac_apps": ["Chat.app"],
        "signing_ids": ["EXAMPLE123:com.example.chat"],
        "windows_processes": ["chat.exe"],
        "windows_packages": {"winget": ["Example.Chat"]},
    },
    "browser": {"domains": ["chat.example"], "extensions": {"chrome": ["a" * 32], "firefox": ["chat@example"]}},
    "dns": {"domains": ["chat.example"]},
    "firewall": {"networks": ["192.0.2.0/24", "2001:db8::/32"], "ports": []},
}
PATHS = {"urls": ["www.corp.example/closed-path"], "allow": ["chat.example/open-path"]}


def made(**changes):
    a_plan = plan({control: {"chat": {"mode": "enforce", **keys, **changes}} for control, keys in CHAT.items()})
    a_plan["controls"]["browser"]["settings"]["tenants"] = {"google": [], "microsoft": TENANTS}
    return add_digest(a_plan)


def export(name, a_plan, group="web"):
    format_ = EXPORT_FORMATS[name]
    return format_.render_export(decision(a_plan, format_.controls, group))


def test_every_restricted_service_is_in_it_or_is_named_as_left_out(name):
    a_plan, found = made(), export(name, made())
    said = {*found.included_rules, *(one.rule for one in found.left_out)}
    for control in EXPORT_FORMATS[name].controls:
        services = a_plan["controls"][control]["services"]
        assert {f"{control}/{id_}" for id_, entry in services.items() if entry["mode"] in RESTRICTED_MODES} <= said
    assert found.included_rules
    for one in found.left_out:
        assert re.fullmatch(r"|(apps|browser|dns|firewall)/[a-z_-]+", one.rule)
        assert one.subject and one.reason.endswith(".")


def test_every_path_is_in_it_or_is_named_as_left_out(name):
    if "browser" not in EXPORT_FORMATS[name].controls:
        pytest.skip("it has no addresses with paths")
    a_plan = made()
    a_plan["controls"]["browser"]["services"]["chat"].update(PATHS)
    found = export(name, a_plan)
    content, said = b"".join(found.files.values()), " ".join(one.subject for one in found.left_out)
    for path in ("/closed-path", "/open-path"):
        written = any(path.encode(encoding) in content for encoding in ("ascii", "utf-16-le"))
        assert written or path in said, path


def test_head_names_services_left_open_for_tenants(name):
    a_plan = made()
    for control in ("browser", "dns"):
        a_plan["controls"][control]["by_tenant"] = ["gmail"]
    format_ = EXPORT_FORMATS[name]
    about = decision(a_plan, format_.controls)
    found = format_.render_export(about)
    left_out = any(one.reason == BY_TENANT_REASON for one in (*about.left_out, *found.left_out))
    assert (b"tenants: gmail" in b"".join(found.files.values())) == left_out
    assert left_out or "dns" not in format_.controls


def test_waived_service_is_not_exported(name):
    waived = made(mode="waived", waiver="W-1")
    try:
        found = export(name, waived)
    except ExportError:
        return
    assert [rule for rule in found.included_rules if rule.endswith("/chat")] == []
    if EXPORT_FORMATS[name].is_blocked:
        assert not EXPORT_FORMATS[name].is_blocked(waived, "chat.example")


@pytest.mark.parametrize("text", ["a\nb", "*/", "-->", '"; x', "\u2028x", "a\r\nb", "\0"])
def test_a_text_of_the_inventory_begins_no_line_and_ends_no_comment(name, text):
    harmless, hostile = (
        {GUID.sub("", path): content for path, content in export(name, made(), group).files.items()}
        for group in ("harmless", f"x{text}")
    )
    assert harmless.keys() == hostile.keys()
    for path, content in hostile.items():
        assert content.count(b"\n") == harmless[path].count(b"\n")
        assert text.encode() not in content or text.encode() in harmless[path]
