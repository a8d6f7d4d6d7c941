"""The classes of services that were decided: docs/coverage_data.md says of each what the catalogue does."""

import datetime
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls.browser.site_rules import NameVerdicts, parse_site_name
from proscribe.model.plan import RESTRICTED_MODES

COVERAGE = Path(__file__).resolve().parents[4] / "docs/coverage_data.md"
DAY = datetime.date(2026, 11, 30)


class Class(NamedTuple):
    title: str
    decision: str
    entries: list[str]


def decided():
    text = COVERAGE.read_text(encoding="utf-8").partition("## Classes that were decided\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    # a row that is out of scope has no entries, so its cell is empty
    return [Class(row[0], row[1], re.findall(r"`(\w+)`", row[2]) if len(row) == 4 else []) for row in rows]


def restricted(catalogue, **variables):
    read = read_restrictions({f"proscribe_{key}": value for key, value in variables.items()}, str)
    sections = compile_plan(catalogue, read, [], DAY)["controls"].values()
    return {id_ for part in sections for id_, entry in part["services"].items() if entry["mode"] in RESTRICTED_MODES}


@pytest.mark.parametrize("row", decided(), ids=lambda row: row.title)
def test_a_class_is_what_the_page_says(own_catalogue, row):
    banned, on_request = restricted(own_catalogue), restricted(own_catalogue, services_include=row.entries)
    if row.decision == "enforced":
        assert row.entries and set(row.entries) <= banned
    elif row.decision == "reported":
        assert row.entries and not set(row.entries) & banned and set(row.entries) <= on_request
    else:
        assert (row.decision, row.entries) == ("out of scope", [])


CLOSED = """
keep.google.com imgur.com/upload api.imgur.com/3/image postimages.org www.browserling.com/browse/win10/chrome
www.facebook.com/messages www.purevpn.com vpn.mozilla.org www.honeygain.com anonymouse.org mail.de
discord-attachments-uploads-prd.storage.googleapis.com
"""
OPEN = """
www.notion.so www.evernote.com docs.qq.com/sheet/x www.onenote.com i.imgur.com/x.png i.stack.imgur.com/x.png
i.postimg.cc/x/y.png www.flickr.com pub-1.r2.dev/x auditor.sharefile.com www.browserling.com/tools/bcrypt
www.browserstack.com replit.com colab.research.google.com www.linkedin.com/messaging www.reddit.com/chat
api.weibo.com/chat azuregateway-1.vpn.azure.com myaccess.oraclevpn.com office.vpnplus.to www.wireguard.com
www.top10vpn.com iproyal.com www.pochta.ru home.ddns.net app.ninjarmm.com storage.googleapis.com/other
"""


def test_addresses_of_these_classes_are_closed_in_browsers_or_not(own_catalogue):
    plan = compile_plan(own_catalogue, read_restrictions({}, str), [], DAY)
    verdicts = NameVerdicts(plan["controls"]["browser"]["services"])
    assert [address for address in CLOSED.split() if not verdicts.is_blocked(parse_site_name(address))] == []
    assert [address for address in OPEN.split() if verdicts.is_blocked(parse_site_name(address))] == []


def test_on_request_the_messages_of_networks_are_closed_and_the_rest_stays(own_catalogue):
    variables = {"proscribe_services_include": ["linkedin_messages", "reddit_chat", "weibo_messages"]}
    plan = compile_plan(own_catalogue, read_restrictions(variables, str), [], DAY)
    verdicts = NameVerdicts(plan["controls"]["browser"]["services"])
    closed = ("www.linkedin.com/messaging/thread/1", "chat.reddit.com", "m.weibo.cn/message/chat")
    assert all(verdicts.is_blocked(parse_site_name(one)) for one in closed)
    still_open = ("www.linkedin.com/jobs", "www.reddit.com/r/debian", "weibo.com", "api.weibo.com/oauth2")
    assert not any(verdicts.is_blocked(parse_site_name(one)) for one in still_open)


def test_a_browser_has_room_for_what_the_default_policy_closes(own_catalogue):
    """Names beyond the room of the lists would stay open in browsers, unseen by who adds an entry."""
    plan = compile_plan(own_catalogue, read_restrictions({}, str), [], DAY)
    assert [id_ for id_, one in plan["controls"]["browser"]["services"].items() if one.get("unlisted")] == []
