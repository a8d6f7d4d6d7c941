"""The classes of services that were decided: docs/coverage.md says of each what the catalogue does."""

import datetime
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls.browser.rendering import Verdicts, name
from proscribe.model.plan import RESTRICTED

COVERAGE = Path(__file__).resolve().parents[4] / "docs/coverage.md"
DAY = datetime.date(2026, 11, 30)


class Class(NamedTuple):
    """A row of the table."""

    title: str
    decision: str
    entries: list[str]


def decided():
    text = COVERAGE.read_text(encoding="utf-8").partition("### classes that were decided\n")[2].partition("\n### ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    # a row that is out of scope has no entries, so its cell is empty
    return [Class(row[0], row[1], re.findall(r"`(\w+)`", row[2]) if len(row) == 4 else []) for row in rows]


def restricted(catalogue, **variables):
    """The services that a policy bans."""
    read = read_restrictions({f"proscribe_{key}": value for key, value in variables.items()}, str)
    sections = compile_plan(catalogue, read, [], DAY)["controls"].values()
    return {id_ for part in sections for id_, entry in part["services"].items() if entry["mode"] in RESTRICTED}


@pytest.mark.parametrize("row", decided(), ids=lambda row: row.title)
def test_a_class_is_what_the_page_says(own_catalogue, row):
    banned, on_request = restricted(own_catalogue), restricted(own_catalogue, services_include=row.entries)
    if row.decision == "enforced":
        assert row.entries and set(row.entries) <= banned
    elif row.decision == "reported":
        assert row.entries and not set(row.entries) & banned and set(row.entries) <= on_request
    else:
        assert (row.decision, row.entries) == ("out of scope", [])


ADDRESSES = {
    # notes, pictures, browsers elsewhere
    "keep.google.com": True,
    "www.notion.so": False,
    "www.evernote.com": False,
    "docs.qq.com/sheet/x": False,
    "www.onenote.com": False,
    "imgur.com/upload": True,
    "api.imgur.com/3/image": True,
    "i.imgur.com/x.png": False,
    "i.stack.imgur.com/x.png": False,
    "i.postimg.cc/x/y.png": False,
    "postimages.org": True,
    "www.flickr.com": False,
    "pub-1.r2.dev/x": False,
    "auditor.sharefile.com": False,
    "www.browserling.com/browse/win10/chrome": True,
    "www.browserling.com/tools/bcrypt": False,
    "www.browserstack.com": False,
    # programmers, social networks
    "replit.com": False,
    "colab.research.google.com": False,
    "www.facebook.com/messages": True,
    "www.linkedin.com/messaging": False,
    "www.reddit.com/chat": False,
    "api.weibo.com/chat": False,
    # what public lists mean, and what they take for it
    "www.purevpn.com": True,
    "vpn.mozilla.org": True,
    "azuregateway-1.vpn.azure.com": False,
    "myaccess.oraclevpn.com": False,
    "office.vpnplus.to": False,
    "www.wireguard.com": False,
    "www.top10vpn.com": False,
    "www.honeygain.com": True,
    "iproyal.com": False,
    "anonymouse.org": True,
    "mail.de": True,
    "www.pochta.ru": False,
    "home.ddns.net": False,
    "app.ninjarmm.com": False,
    "discord-attachments-uploads-prd.storage.googleapis.com": True,
    "storage.googleapis.com/other": False,
}


def test_addresses_of_these_classes_are_closed_in_browsers_or_not(own_catalogue):
    plan = compile_plan(own_catalogue, read_restrictions({}, str), [], DAY)
    verdicts = Verdicts(plan["controls"]["browser"]["services"])
    assert {address: verdicts.blocked(name(address)) for address in ADDRESSES} == ADDRESSES


def test_on_request_the_messages_of_networks_are_closed_and_the_rest_stays(own_catalogue):
    variables = {"proscribe_services_include": ["linkedin_messages", "reddit_chat", "weibo_messages"]}
    plan = compile_plan(own_catalogue, read_restrictions(variables, str), [], DAY)
    verdicts = Verdicts(plan["controls"]["browser"]["services"])
    closed = ("www.linkedin.com/messaging/thread/1", "chat.reddit.com", "m.weibo.cn/message/chat")
    assert all(verdicts.blocked(name(one)) for one in closed)
    still_open = ("www.linkedin.com/jobs", "www.reddit.com/r/debian", "weibo.com", "api.weibo.com/oauth2")
    assert not any(verdicts.blocked(name(one)) for one in still_open)


def test_a_browser_has_room_for_what_the_default_policy_closes(own_catalogue):
    """Names beyond the room of the lists would stay open in browsers, unseen by who adds an entry."""
    plan = compile_plan(own_catalogue, read_restrictions({}, str), [], DAY)
    assert [id_ for id_, one in plan["controls"]["browser"]["services"].items() if one.get("unlisted")] == []
