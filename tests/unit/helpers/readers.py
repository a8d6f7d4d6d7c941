"""Readers of exports as their points read them, as small as can be, for tests that need thousands of plans. That the
real tools read them the same is tested with the real ones (tests/integration/test_exports_of_the_plan.py).
"""

import re


def lines(text, sign):
    """The lines that are no comments; every comment is one line."""
    return [line for line in text.decode("ascii").split("\n") if line and not line.startswith(sign)]


def uppers(host):
    parts = host.split(".")
    return [".".join(parts[place:]) for place in range(len(parts))]


def nearest(host, verdicts):
    return next((verdicts[one] for one in uppers(host) if one in verdicts), False)


def read_verdicts(text, sign, rule, other):
    """Read one verdict for each name, True if blocked. `rule` has the groups `name` and `blocked`; `other` is each
    further line that may be there.
    """
    verdicts = {}
    for line in lines(text, sign):
        match = re.fullmatch(rule, line)
        if match:
            assert match["name"] not in verdicts, line
            verdicts[match["name"]] = match["blocked"] is not None
        else:
            assert re.fullmatch(other, line), line
    return verdicts


def rpz(text):
    """Read a zone: the name, else the wildcard below the closest name that exists (RFC 4592)."""
    records = read_verdicts(
        text,
        ";",
        r"(?P<name>(?:\*\.)?[a-z0-9_.-]+) CNAME (?:(?P<blocked>\.)|rpz-passthru\.)",
        r"\$TTL 300|@ (SOA|NS) .*|export\.proscribe\.internal TXT \"[^\"]*\"",
    )
    existing = {upper for name in records for upper in uppers(name.removeprefix("*."))}

    def blocks(host):
        if host in records:
            return records[host]
        closest = next((upper for upper in uppers(host) if upper in existing), None)
        return False if closest in (None, host) else records.get(f"*.{closest}", False)

    return blocks


def unbound(text):
    rule = r'  local-zone: "(?P<name>[a-z0-9_.-]+)\." (?:(?P<blocked>always_nxdomain)|transparent)'
    verdicts = read_verdicts(text, "#", rule, r"server:|  local-data: '[^']*'")
    return lambda host: nearest(host, verdicts)


def dnsmasq(text):
    rule = r"(?:(?P<blocked>local)|server)=/(?P<name>[a-z0-9_.-]+)/(?(blocked)|#)"
    verdicts = read_verdicts(text, "#", rule, r'txt-record=export\.proscribe\.internal,"[^"]*"')
    return lambda host: nearest(host, verdicts)


def adguard(text):
    """Important exceptions, important rules, exceptions, rules."""
    found = {}
    for line in lines(text, "!"):
        rule = re.fullmatch(r"(@@)?\|\|([a-z0-9_.-]+)\^(\$important)?", line)
        assert rule, line
        found.setdefault((bool(rule[3]), not rule[1]), set()).add(rule[2])

    def blocks(host):
        for key in ((True, False), (True, True), (False, False), (False, True)):
            if found.get(key, set()).intersection(uppers(host)):
                return key[1]
        return False

    return blocks


def hosts(text):
    seen = [line.split(" ") for line in lines(text, "#")]
    assert all(len(words) == 2 and words[0] in ("0.0.0.0", "::") for words in seen)
    return lambda host: ["0.0.0.0", host] in seen and ["::", host] in seen


def squid(text):
    """Whether a host and a path are refused; no path for an HTTPS connection."""
    domains = {}
    paths = {}
    both = {}
    rules = []
    for line in lines(text, "#"):
        words = line.split(" ")
        if words[:1] == ["http_access"]:
            assert words[1] == "deny"
            rules.append(words[2:])
            continue
        assert words[0] == "acl", line
        if words[2] == "dstdomain":
            assert words[3] == "-n"
            assert len(words) == 5
            assert words[4].startswith(".")
            assert not set(uppers(words[4][1:])) & set(domains.get(words[1], ())), f"{line}: in it already"
            domains.setdefault(words[1], []).append(words[4][1:])
        elif words[2] == "urlpath_regex":
            assert len(words) == 4
            paths[words[1]] = words[3]
        else:
            assert words[2] == "all-of", line
            both[words[1]] = words[3:]

    def fits(acl, host, path):
        if acl in both:
            return all(fits(one, host, path) for one in both[acl])
        if acl in paths:
            return re.match(paths[acl], path) is not None
        return bool(set(uppers(host)) & set(domains[acl]))

    return lambda host, path: any(
        all(fits(acl.removeprefix("!"), host, path) != acl.startswith("!") for acl in rule) for rule in rules
    )
