"""No policy of the own catalogue closes what is permitted at a point, or leaves open unsaid what is banned.

What is permitted is worked out from the entries alone; points are read as their own programs read them (readers.py).
"""

import contextlib
import dataclasses
import datetime
import functools
import ipaddress
import json
from pathlib import Path
from typing import Any, NamedTuple

import device_readers
import pytest
import readers
import santa
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.catalogue.known_good import read_known_good_lists
from proscribe.controller.compile.catalogue.schema import AUDIENCES, CATEGORIES
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.compile.waivers.waiver import Waiver
from proscribe.controller.enforcement_points.decision import make_decision, map_waived_rules
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.controller.enforcement_points.format_declaration import ExportError
from proscribe.model.plan import CONTROLS, RESTRICTED_MODES

CATALOG = Path(__file__).resolve().parents[4] / "catalog"
NOW = datetime.datetime(2026, 11, 29, 8, tzinfo=datetime.timezone.utc)
TENANTS = {"google": ["example.org"], "microsoft": ["2fd6bb84-ad40-4ec5-9369-a215b25c9952"]}
POINTS = {  # by format: whether its files close a name
    "rpz": lambda files: readers.rpz(*files.values()),
    "unbound": lambda files: readers.unbound(*files.values()),
    "dnsmasq": lambda files: readers.dnsmasq(*files.values()),
    "adguard": lambda files: readers.adguard(*files.values()),
    "squid": lambda files: (lambda refuses: lambda name: bool(refuses(name, "")))(readers.squid(*files.values())),
    # The other devices with two lists have the same names (test_export_devices.py).
    "paloalto_edl": device_readers.paloalto_edl,
    "defender_indicators": device_readers.defender_indicators,
}
NO_TIMES = dict.fromkeys(("approved_on", "valid_from", "expires", "review_by"), NOW)


@functools.cache
def own():
    return read_catalogue([CATALOG])


@functools.cache
def guarded():
    """Names and networks that nobody may block."""
    lists, errors = read_known_good_lists([CATALOG])
    assert not errors
    return lists.names, [ipaddress.ip_network(one) for one in lists.networks]


class Policy(NamedTuple):
    variables: dict[str, Any]
    waivers: tuple[tuple[str, tuple[str, ...]], ...]

    def bans(self, service):
        named = self.variables
        chosen = service.category in named["categories"] and (service.audience or "consumer") in named["audiences"]
        by_category = service.enforce and chosen
        return (by_category or service.id in named["services_include"]) and service.id not in named["services_exclude"]

    def waives(self, service, control):
        return any(service.id == one and control in controls for one, controls in self.waivers)

    def opens(self, service):
        """Whether it is open on the web because the organisation has a tenant."""
        return bool(service.tenants) and bool(self.variables["tenants"].get(service.tenants))


IDS = st.sampled_from(sorted(own().services))
POLICIES = st.builds(
    lambda variables, excluded, waivers: Policy(
        {**variables, "services_exclude": sorted(set(excluded) - set(variables["services_include"]))}, tuple(waivers)
    ),
    st.fixed_dictionaries(
        {
            "categories": st.lists(st.sampled_from(sorted(CATEGORIES)), unique=True),
            "audiences": st.lists(st.sampled_from(sorted(AUDIENCES)), min_size=1, unique=True),
            "services_include": st.lists(IDS, max_size=4, unique=True),
            "tenants": st.sampled_from([{}, TENANTS]),
            "programs_for_both": st.sampled_from(["report", "remove"]),
            "feeds": st.sampled_from(["all", "off"]),
        }
    ),
    st.lists(IDS, max_size=4),
    st.lists(st.tuples(IDS, st.lists(st.sampled_from(CONTROLS), min_size=1, unique=True).map(tuple)), max_size=4),
)


def plan_of(policy):
    read = read_restrictions({f"proscribe_{name}": value for name, value in policy.variables.items()}, str)
    blank = {field.name: () for field in dataclasses.fields(Waiver)} | NO_TIMES
    made = [
        Waiver(**{**blank, "id": f"w{number}", "services": (service,), "controls": controls, "hosts": ("host",)})
        for number, (service, controls) in enumerate(policy.waivers)
    ]
    return compile_plan(own(), read, made, NOW.date())


def above(name):
    labels = name.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def names_of(service, control):
    """The names that an entry closes, without those of its feeds. A page beside its domains (`urls`) is for browsers
    alone. People open no resolver in them, so its names are for the DNS filter alone (docs/catalogue.md).
    """
    if control == "browser":
        domains = () if service.service_class == "encrypted_dns" else service.domains
        return {*domains, *(url for url in service.urls if "/" not in url)}
    return {*service.domains, *(set(service.mail_hosts) - set(service.shared_domains)), *service.nxdomain_canaries}


def closed_by(services, control, with_feeds):
    """By name, the entries that close it with all below it."""
    found = {}
    fed = own().feeds.values() if with_feeds and control == "dns" else ()
    for service in services:
        long = (name for feed in fed if feed.service == service.id for name in feed.values)
        for name in {*names_of(service, control), *long}:
            found.setdefault(name, []).append(service)
    return found


DECIDED = [one for service in own().services.values() for one in service.decided]
MEANT = frozenset(name for one in DECIDED if one["as"] == "blocked" for name in one["names"])


@pytest.mark.slow
@examples(300)
@given(POLICIES)
def test_no_permitted_name_is_closed_and_no_banned_one_is_open_unsaid(policy):
    plan = plan_of(policy)
    everything = own().services.values()
    for format_, read in POINTS.items():
        control = EXPORT_FORMATS[format_].controls[0]
        decision = make_decision({"host": plan}, NOW, "", (control,))
        rendered = EXPORT_FORMATS[format_].render_export(decision)
        blocks = read(rendered.files)
        banned = [service for service in everything if policy.bans(service)]
        open_ = [service for service in banned if policy.waives(service, control) or policy.opens(service)]
        opened = {service.id for service in open_}
        closing = [service for service in banned if service.id not in opened]
        closed = closed_by(closing, control, policy.variables["feeds"] == "all")

        permitted = {name for name in guarded()[0] if MEANT.isdisjoint(above(name))}
        ids = {service.id for service in closing}
        for service in everything:
            permitted.update(service.allow_domains)
            if service.id not in ids:
                permitted.update(names_of(service, control))
        for name in filter(blocks, permitted):
            upper = set(above(name))
            by = [one for each in upper for one in closed.get(each, ()) if upper.isdisjoint(one.allow_domains)]
            assert by, f"{format_} closes {name}, which nothing bans"

        said = {one.rule for one in (*decision.left_out, *rendered.left_out)}
        for service in closing:
            rule = f"{control}/{service.id}"
            for name in names_of(service, control):
                assert blocks(name) or rule in said, f"{format_} leaves {name} of {service.id} open without a word"
        named = said | set(map_waived_rules(decision, (control,)))
        for service in open_:
            rule = f"{control}/{service.id}"
            assert rule in named or not names_of(service, control), f"{format_} does not say that {rule} is open"


@pytest.mark.slow
@examples(300)
@given(POLICIES)
def test_no_permitted_program_and_no_permitted_network_is_denied(policy):
    plan = plan_of(policy)
    everything = own().services.values()
    denied = {service.id for service in everything if policy.bans(service) and not policy.waives(service, "apps")}
    if policy.variables["programs_for_both"] == "report":
        denied -= {service.id for service in everything if service.programs == "both"}
    assert restricted(plan, "apps") <= denied
    refused = {service.id for service in everything if policy.bans(service) and not policy.waives(service, "firewall")}
    assert restricted(plan, "firewall") <= refused

    signed = (file for name, file in exported(plan, "ddm") if name == "app_settings.json")
    for file in signed:
        identifiers = {one["SigningID"] for one in json.loads(file)["Payload"]["Allowed"]["DeniedBinaries"]}
        assert identifiers <= {id_ for service in everything if service.id in denied for id_ in service.bundle_ids}
    for name, file in exported(plan, "santa"):
        rules = santa.imported(file)
        assert name == "rules.json" and {one.type for one in rules} <= {"SIGNINGID", "TEAMID"}
        for service in everything:
            for signed in service.signing_ids:
                assert santa.blocks(santa.Program(signed), rules) == (service.id in denied), signed
    for name, file in exported(plan, "cidr"):
        assert name == "networks.txt" or Path(name).stem in refused, name
        assert [one for one in readers.lines(file, "#") if one not in MEANT and is_needed(one)] == [], name


def restricted(plan, control):
    return {id_ for id_, entry in plan["controls"][control]["services"].items() if entry["mode"] in RESTRICTED_MODES}


def exported(plan, format_):
    """The files of an export, but for its notes for people; none where there is nothing for it."""
    decision = make_decision({"host": plan}, NOW, "", EXPORT_FORMATS[format_].controls)
    with contextlib.suppress(ExportError):
        files = EXPORT_FORMATS[format_].render_export(decision).files
        yield from ((name, file) for name, file in files.items() if name.endswith((".json", ".txt")))


@functools.cache
def is_needed(network):
    """Whether something that nobody may block has its addresses in a network, or around it."""
    one = ipaddress.ip_network(network)
    return any(one.version == other.version and one.overlaps(other) for other in guarded()[1])
