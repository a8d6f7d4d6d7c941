"""The private names of ansible-core that are used, in the decision that takes their use upon itself."""

from proscribe_ansible import private_names

from .part import Part, table


def names_of(names):
    for kind, those in names.items():
        shown = [" or ".join(f"`{name}`" for name in one.split(private_names.NAME_SEPARATOR)) for one in those]
        yield f"`{kind}`: {', '.join(shown)}"


def private_names_table():
    rows = [
        (uses.feature, "; ".join(names_of(uses.names)), uses.consequence, uses.public_cost or "there are none")
        for uses in private_names.ALL_USES
    ]
    return table(("for", "names", "without one of them", "by public names"), rows)


DERIVED = (Part("docs/decisions/0012-many-hosts-in-one-process.md", private_names_table, "private names"),)
