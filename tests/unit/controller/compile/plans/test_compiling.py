"""Plans: what the catalogue, the restrictions and the waivers come to on a host."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
import yaml
from made import catalogue, service
from made_waivers import WAIVER
from proscribe.controller.compile.plans.compiling import compile_plan, upcoming_services
from proscribe.controller.compile.plans.identifiers import is_below
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.compile.waivers.waiver import Waiver
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model import plan as plans

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


def test_what_the_catalogue_does_not_enforce_is_reported_unless_it_is_named():
    assert modes(compiled())["gajim"] == "report"
    assert modes(compiled(services_include=["gajim"]))["gajim"] == "enforce"


def test_a_control_that_is_off_is_not_in_the_plan():
    assert list(compiled(controls={"dns": "off"})["controls"]) == ["apps", "browser", "firewall"]


@pytest.mark.parametrize(
    ("today", "mode"), [("2026-12-31", "upcoming"), ("2027-01-01", "enforce"), ("2027-01-02", "enforce")]
)
def test_the_ban_is_in_force_from_its_first_day(today, mode):
    plan = compiled(today=datetime.date.fromisoformat(today), effective_from="2027-01-01", categories=["webmail"])
    assert set(modes(plan, "browser").values()) == {mode}
    assert plan["controls"]["browser"]["settings"]["browsers"].get("dns_over_https") == (
        None if mode == "upcoming" else "blocked"
    )
    assert {item["service"] for item in upcoming_services(plan)} == (
        {"gmail", "outlook"} if mode == "upcoming" else set()
    )


def test_a_waiver_for_what_is_not_restricted_changes_nothing(waiver):
    assert compiled(waiver(services=("wecom",))) == compiled()


@pytest.mark.parametrize(
    ("restrictions", "allow"),
    [
        ({}, ["work.weixin.qq.com"]),
        ({"services_include": ["wecom"]}, ["work.weixin.qq.com"]),  # blocked all the same: wecom's own rule says so
    ],
)
def test_a_permitted_name_below_a_restricted_one_is_let_through(restrictions, allow):
    services = compiled(**restrictions)["controls"]["browser"]["services"]
    assert services["wechat"]["allow"] == allow


def test_a_waived_service_below_a_restricted_one_is_let_through(waiver):
    plan = compiled(waiver(services=("wecom",)), services_include=["wecom"])
    assert "work.weixin.qq.com" in plan["controls"]["dns"]["services"]["wechat"]["allow"]


def test_names_for_the_filter_leave_out_paths_and_shared_mail_hosts():
    names = compiled()["controls"]["dns"]["services"]["outlook"]["domains"]
    assert names == ["outlook.live.com", "www.outlook.live.com", "smtp-mail.outlook.com"]


def test_only_package_systems_of_linux_are_in_the_plan():
    assert compiled()["controls"]["apps"]["services"]["wechat"]["packages"] == {"apt": ["wechat"]}


def test_an_unknown_service_is_named_with_the_close_ones():
    with pytest.raises(PolicyErrors, match="did you mean 'whatsapp'"):
        compiled(services_exclude=["whatsap"])


def test_equal_answers_share_a_digest_and_others_do_not():
    assert (
        compiled()["digest"]
        == compiled(categories=["instant_messaging", "webmail", "cloud_storage", "circumvention"])["digest"]
    )
    assert compiled()["digest"] != compiled(contact="somebody else")["digest"]
    plans.check(compiled())


@pytest.mark.parametrize(
    ("host", "domain", "below"),
    [("a.b", "b", True), ("b", "b", True), ("ab", "b", False), ("b.a", "b", False), ("x.notb", "b", False)],
)
def test_below_is_a_matter_of_whole_labels(host, domain, below):
    assert is_below(host, [domain]) is below
