"""A made catalogue, and the policy of hosts that have it."""

import datetime

from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.inventory.host_variables import CompileInput, HostVariables
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions

NOW = datetime.datetime(2026, 11, 25, 4, tzinfo=datetime.timezone.utc)
WAIVER = {"id": "w1", "services": ["parrot"], "hosts": ["press01"], "reason": "r", "requested_by": "a"}
WAIVER |= {"approved_by": "b", "approved_on": "2026-11-01T00:00:00Z", "expires": "2026-12-31T18:00:00+08:00"}

HEAD = "---\nid: {id}\nname: {name}\ncategory: {category}\nvendor: Example\nenforce: {enforce}\nsources: [a test]\n"
ENTRIES = {
    "parrot": """
audience: consumer
domains: [parrot.example, parrotcdn.example]
overlaps_with: [parrot_work]
urls: [web.parrot.example, pages.example/parrot, google.com/parrot]
allow_domains: [work.parrot.example]
shared_domains: [google.com]
networks: [198.51.100.0/25, 198.51.100.128/25, "2001:db8::/48"]
networks_note: published by the vendor
packages: {apt: [parrot-desktop], flatpak: [example.parrot.Parrot], winget: [Example.Parrot]}
processes: {linux: [parrot]}
paths: {linux: [/opt/Parrot/parrot-desktop]}
browser_extensions: {chrome: [abcdefghijklmnopabcdefghijklmnop]}
unverified: {domains: [parrots.example]}
""",
    "parrot_work": "\naudience: enterprise\ndomains: [office.parrot.example]\noverlaps_with: [parrot]\n",
    "owl": "\naudience: consumer\ndomains: [owl.example]\nmail_hosts: [imap.owl.example]\n",
    "gull": """
audience: both
domains: [gull.example]
tenants: google
tenant_control: {headers: [{name: X-Tenants}]}
""",
    "dodo": "\naudience: consumer\npackages: {apt: [dodo-mail]}\n",
    "dns_nine": "\nclass: encrypted_dns\nnetworks: [203.0.113.9/32]\nnetworks_note: a test\n",
}
CATEGORIES = {"owl": "webmail", "gull": "webmail", "dodo": "webmail", "dns_nine": "circumvention"}


def made_catalogue(folder):
    for id_, text in ENTRIES.items():
        category = CATEGORIES.get(id_, "instant_messaging")
        name = id_.replace("_", " ").title()
        path = folder / category / f"{id_}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = HEAD.format(id=id_, name=name, category=category, enforce=str(id_ != "dodo").lower())
        path.write_text(head + text.strip() + "\n")
    return read_catalogue([folder])


def restrictions(**values):
    return read_restrictions({f"proscribe_{name}": value for name, value in values.items()}, str)


def plan(catalogue, waivers, **values):
    return compile_plan(catalogue, restrictions(**values), waivers, NOW.date())


def question(folder, hosts, **groups):
    """What an inventory in that folder says of some hosts (variables without prefix), with the made catalogue."""
    folder.mkdir(exist_ok=True)
    made_catalogue(folder / "project" / "catalog")
    variables = {name: {f"proscribe_{k}": v for k, v in values.items()} for name, values in hosts.items()}
    own = [HostVariables(name, values, {}, str(folder)) for name, values in variables.items()]
    members = {"all": frozenset(hosts), **{group: frozenset(names) for group, names in groups.items()}}
    return CompileInput(folder / "project", "audit", "audit", [str(folder)], "", [], own, members)
