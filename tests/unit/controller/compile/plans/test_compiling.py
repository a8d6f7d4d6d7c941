"""Plans: what the catalogue, the restrictions and the waivers come to on a host."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
import yaml
from made import catalogue, service
from made_waivers import WAIVER
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.compile.waivers.waiver import Waiver

TODAY = datetime.date(2026, 11, 25)
CATALOGUE = catalogue(
    service("whatsapp", domains=("whatsapp.com",), urls=("web.whatsapp.com",), networks=("3.33.221.48/32",)),
    service(
        "wechat",
        domains=("weixin.qq.com",),
        allow_domains=("work.weixin.qq.com",),
        packages={"apt": ("wechat",), "winget": ("Tencent.WeChat",)},
        processes=("wechat",),
        paths=("/opt/wechat/wechat",),
    ),
    service("wecom", domains=("work.weixin.qq.com",), audience="enterprise"),
    service("gmail", category="webmail", audience="both", domains=("mail.google.com",), tenants="google"),
    service("gajim", packages={"apt": ("gajim",)}, enforce=False),
    service("quad9", category="circumvention", service_class="encrypted_dns", networks=("9.9.9.9/32",)),
    service(
        "outlook",
        category="webmail",
        domains=("outlook.live.com",),
        urls=("outlook.live.com/mail", "www.outlook.live.com"),
        mail_hosts=("smtp-mail.outlook.com", "outlook.office365.com"),
        shared_domains=("outlook.office365.com",),
    ),
)


def compiled(*waivers: Waiver, today: datetime.date = TODAY, **restrictions: object):
    read = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return compile_plan(CATALOGUE, read, waivers, today)


def modes(plan, control="apps"):
    return {id_: entry["mode"] for id_, entry in plan["controls"][control]["services"].items()}


@pytest.fixture
def waiver(tmp_path):
    """A waiver out of a file, with some of its fields changed."""

    def made(**changes: object) -> Waiver:
        file = tmp_path / "w1.yml"
        file.write_text(yaml.safe_dump(dict(WAIVER)), encoding="utf-8")
        return dataclasses.replace(read_waiver(file), **changes)

    return made


@pytest.mark.parametrize(
    ("restrictions", "browser"),
    [
        ({}, {"gmail": "enforce", "outlook": "enforce", "wechat": "enforce", "whatsapp": "enforce"}),
        ({"categories": ["webmail"]}, {"gmail": "enforce", "outlook": "enforce"}),
        ({"categories": []}, {}),
        ({"audiences": ["consumer"], "categories": ["webmail"]}, {"outlook": "enforce"}),
        ({"categories": [], "services_include": ["wecom"]}, {"wecom": "enforce"}),
        ({"categories": ["webmail"], "services_exclude": ["gmail"]}, {"outlook": "enforce"}),
        ({"categories": ["webmail"], "controls": {"browser": "audit"}}, {"gmail": "audit", "outlook": "audit"}),
        ({"categories": ["webmail"], "tenants": {"google": ["example.org"]}}, {"outlook": "enforce"}),
    ],
)
def test_the_restrictions_choose_the_services(restrictions, browser):
    assert modes(compiled(**restrictions), "browser") == browser


def test_a_waiver_for_what_is_not_restricted_changes_nothing(waiver):
    assert compiled(waiver(services=("wecom",))) == compiled()
