"""The keys of the organisation's own rules, in docs/firewall.md."""

from proscribe.controller.compile.restrictions.firewall_rules import DIRECTIONS, PROTOCOLS, RULE_READERS, VERDICTS

from .part import Part, described, table


def words(allowed, **meant):
    """The words that a key takes, with what some of them mean."""
    return ", ".join(f"`{word}` ({meant[word]})" if word in meant else f"`{word}`" for word in allowed)


KEY = (
    ("direction", words(DIRECTIONS, forward="virtual machines and containers behind the host"), "required"),
    ("verdict", words(VERDICTS, reject="fails at once"), "required"),
    ("protocol", words(PROTOCOLS), "any"),
    ("addresses", "addresses and networks: where it comes from (`in`), or goes to", "everywhere"),
    ("ports", "destination ports and ranges, of TCP, UDP or both", "all"),
    ("comment", "up to 100 plain characters, shown by `nft list`", "-"),
)


def keys():
    return table(("key", "values", "left out"), described(list(RULE_READERS), KEY))


DERIVED = (Part("docs/firewall.md", keys, "keys of a rule"),)
