"""Made plans for the tests of exports: small ones with all that a format has to resolve, and the decisions for them."""

import datetime

from proscribe.controller.enforcement_points.decision import make_decision
from proscribe.model.plan import CONTROLS, add_digest

AT = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)
HOURS = [[0, 720, 780]]

SERVICES = {
    "browser": {
        "chat": {"mode": "enforce", "domains": ["chat.example"], "urls": [], "allow": ["help.chat.example"]},
        "drive": {"mode": "enforce", "domains": [], "urls": ["www.corp.example/drive"], "allow": []},
        "mail": {"mode": "enforce", "domains": ["mail.example", "bad.help.chat.example"], "urls": [], "allow": []},
    },
    "dns": {
        "chat": {
            "mode": "enforce",
            "domains": ["chat.example", "web.chat.example"],
            "allow": ["help.chat.example"],
            "canaries": ["canary.example"],
        },
        "mail": {"mode": "audit", "domains": ["mail.example", "bad.help.chat.example"], "allow": []},
    },
    "firewall": {
        "chat": {"mode": "enforce", "networks": ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"], "ports": []},
        "resolver": {"mode": "enforce", "networks": ["203.0.113.9", "2001:db9::9"], "ports": [53, 443, 853]},
    },
}
SETTINGS = {
    "apps": {"grace": 5},
    "browser": {"browsers": {}, "extensions_allowed": [], "tenants": {}},
    "firewall": {"dns_over_tls": "unmanaged", "quic": "unmanaged", "log": True, "rules": [], "management": []},
    "dns": {"backend": "auto", "upstreams": []},
}


def plan(changes=None, **top):
    """A plan: `changes` are of entries, by control and service ({} of an unknown service adds it)."""
    controls = {}
    for control in CONTROLS:
        services = {id_: {"name": id_.title(), **entry} for id_, entry in SERVICES.get(control, {}).items()}
        for id_, entry in (changes or {}).get(control, {}).items():
            services[id_] = {"name": id_.title(), **services.get(id_, {}), **entry}
        controls[control] = {"mode": "enforce", "services": services, "settings": dict(SETTINGS[control])}
    body = {"schema": "proscribe/plan/1", "catalog": "2026.11.1", "contact": "IT", "browsers": [], "controls": controls}
    return add_digest({**body, **top})


def decision(made=None, needed=CONTROLS, group=""):
    """The decision for two hosts that have one plan."""
    one = plan() if made is None else made
    return make_decision(dict.fromkeys(("host1", "host2"), one), AT, group, needed)
