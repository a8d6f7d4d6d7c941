"""The 300 addresses that every enforcement point is asked for: of a plan, the same ones for the same catalogue."""

import ipaddress
from typing import NamedTuple

from proscribe.host.controls.browser.site_rules import list_covering_hosts
from proscribe.model.plan import RESTRICTED_MODES

NUMBER = 300


class Case(NamedTuple):
    """One address. `kind` is one of KINDS; `word` a host name, a URL, or an address with a port."""

    kind: str
    word: str


def spread(chosen, number):
    items = list(dict.fromkeys(chosen))
    if len(items) < number:
        raise ValueError(f"{len(items)} are too few for {number} cases, such as {items[:3]}")
    return [items[place * len(items) // number] for place in range(number)]


class _Plan:
    def __init__(self, plan, known_good):
        self.known_good = known_good
        sections = {control: section["services"] for control, section in plan["controls"].items()}
        self.of_mode = {
            control: {
                mode: [entry for _, entry in sorted(services.items()) if entry["mode"] in modes]
                for mode, modes in (("closed", RESTRICTED_MODES), ("waived", ("waived",)), ("reported", ("report",)))
            }
            for control, services in sections.items()
        }
        self.blocked = [entry["domains"] for entry in self.closed("dns") if entry["domains"]]
        self.listed = {name for names in self.blocked for name in names}
        urls = [url for entry in self.closed("browser") for url in (*entry["domains"], *entry["urls"])]
        self.listed |= {url.partition("/")[0] for url in urls}
        allowed = {name for control in ("dns", "browser") for item in self.closed(control) for name in item["allow"]}
        self.open = sorted(allowed - self.listed)

    def closed(self, control):
        return list(self.of_mode[control]["closed"])

    def one_of_each(self, mode="closed"):
        """A name of each service: the first of the first, the second of the second, and so on."""
        for place, entry in enumerate(item for item in self.of_mode["dns"][mode] if item["domains"]):
            yield entry["domains"][place % len(entry["domains"])]

    def below(self):
        for place, name in enumerate(self.one_of_each()):
            yield f"{('www', 'a.b', 'login-1')[place % 3]}.{name}"

    def longer(self):
        """Names that only end as blocked ones do."""
        return (item for name in self.one_of_each() if not self.listed & set(list_covering_hosts(item := f"not{name}")))

    def parents(self):
        """Names above blocked ones, which nobody blocks."""
        for name in self.one_of_each():
            parent = name.partition(".")[2]
            if parent.count(".") >= 1 and not self.listed & set(list_covering_hosts(parent)):
                yield parent

    def pages(self, of):
        for place, url in enumerate(url for item in self.closed("browser") for url in item["urls"] if "/" in url):
            host, _, path = url.partition("/")
            yield f"{('https', 'http')[place % 2]}://{of(host, path)}"

    def networks(self, ports):
        for entry in self.closed("firewall"):
            if bool(entry["ports"]) == ports:
                yield from ((ipaddress.ip_network(text), entry["ports"]) for text in entry["networks"])

    def inside(self):
        """The first and the last address of a network, in turn."""
        for place, (network, _) in enumerate(self.networks(ports=False)):
            yield at(network[0 if place % 2 else -1], (443, 5222, 80)[place % 3])

    def beside(self):
        """The last address before a network, and the first one after it."""
        networks = [network for network, _ in self.networks(ports=False)]
        for place, network in enumerate(networks):
            address = network[0] - 1 if place % 2 else network[-1] + 1
            if not any(address in other for other in networks):
                yield at(address, 443)

    def resolvers(self):
        for place, (network, ports) in enumerate(self.networks(ports=True)):
            yield at(network[0], ports[place % len(ports)])


def at(address, port):
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


# By kind: how many, whether they are closed (None: some are, and explain alone says it), and which.
KINDS = {
    "a name of a service": (45, True, lambda plan: plan.one_of_each()),
    "below a name": (24, True, _Plan.below),
    "written otherwise": (6, True, lambda plan: (name.title() for name in plan.one_of_each())),
    "a canary": (3, True, lambda plan: (name for item in plan.closed("dns") for name in item.get("canaries", ()))),
    "open below a blocked name": (20, False, lambda plan: plan.open),
    "below an open name": (8, False, lambda plan: (f"x.{name}" for name in plan.open)),
    "beside an open name": (10, None, lambda plan: (f"x{name}" for name in plan.open)),
    "above a blocked name": (16, False, _Plan.parents),
    "a longer name": (14, False, _Plan.longer),
    "a name in front": (14, False, lambda plan: (f"{name}.example.org" for name in plan.one_of_each())),
    "known to be good": (24, False, lambda plan: plan.known_good),
    "reported only": (6, False, lambda plan: plan.one_of_each("reported")),
    "waived": (4, False, lambda plan: (name for item in plan.of_mode["dns"]["waived"] for name in item["domains"])),
    "a page": (12, True, lambda plan: plan.pages(lambda host, path: f"{host}/{path}")),
    "below a page": (4, True, lambda plan: plan.pages(lambda host, path: f"{host}/{path}/a/b?c")),
    "beside a page": (12, None, lambda plan: plan.pages(lambda host, path: f"{host}/imprint/{path}")),
    "a name in a path": (4, False, lambda plan: (f"https://www.example.org/{name}/" for name in plan.one_of_each())),
    "an address of a network": (26, True, _Plan.inside),
    "beside a network": (20, False, _Plan.beside),
    "a resolver on its ports": (10, True, _Plan.resolvers),
    "a resolver on other ports": (4, False, lambda plan: (f"{r.rpartition(':')[0]}:8443" for r in plan.resolvers())),
}
# What no catalogue has: look-alikes that people have come across, and the organisation's own rules.
BY_HAND = {
    "by hand, closed": (
        True,
        ("web.whatsapp.com", "WeChat.com", "xapi.telegram.org", "discord.com", "mega.nz", "203.0.113.81:853"),
    ),
    "by hand, open": (False, ("notwechat.com", "wechat.com.example.org", "omega.nz", "91.108.8.1:443")),
    "by a rule of the organisation": (None, ("203.0.113.66:443", "203.0.113.67:443", "203.0.113.72:443")),
    "for guests only": (False, ("203.0.113.129:443",)),
}
MEANT = {kind: closed for kind, (_, closed, _) in KINDS.items()} | {kind: item for kind, (item, _) in BY_HAND.items()}


def cases(plan, known_good):
    made = _Plan(plan, known_good)
    chosen = {word: kind for kind, (_, words) in BY_HAND.items() for word in words}
    for kind, (number, _, words) in KINDS.items():
        chosen |= dict.fromkeys(spread((word for word in words(made) if word not in chosen), number), kind)
    return [Case(kind, word) for word, kind in chosen.items()]
