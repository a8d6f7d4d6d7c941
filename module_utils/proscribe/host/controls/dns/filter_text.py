"""Text of a DNS filter: the lines in the language of its resolver, and the witness name.

The answer for a blocked name and all names below it is NXDOMAIN, for every record type. This includes HTTPS records
with their keys for encrypted hellos. For a name that must still resolve, the resolver queries its upstream server. If
both a name and its parent domain are listed, the name decides.

Each file also makes the resolver answer WITNESS_NAME with the file's own digest (TXT), and with an address. A query for
the digest shows whether the running resolver has read this very file. A lookup of the address by the C library shows
whether programs reach the resolver (effect_test.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from ....base.hashing import sha256
from ....base.named_tuple import NamedTuple
from ...system import WRITTEN_BY
from .effect_test import WITNESS_ADDRESS, WITNESS_NAME
from .names_to_block import DesiredNames, sort_valid_names

if TYPE_CHECKING:
    from typing import Pattern


class ResolverLanguage(NamedTuple):
    """Language of a resolver's configuration file, and the form of its log lines about refusals.

    The files are for the resolvers of hosts, and for exports.
    """

    # parameters: the names to block, the names that must still resolve
    make_lines: Callable[[Iterable[str], Iterable[str]], list[str]]
    # parameters: a name, the text and the address ("": none) of its answer
    make_witness_lines: Callable[[str, str, str], list[str]]
    blocked_pattern: Pattern[str]  # matches a line that blocks a name; its group is the name
    # The end of a log line about a refusal: the blocked name, then the queried name. None if no line has both.
    hit_pattern: Pattern[str] | None = None
    head_lines: Sequence[str] = ()  # first lines of the file
    logging_lines: Sequence[str] = ()  # lines that make the resolver log refusals, for hosts only
    comment_mark: str = "#"  # start of a comment line


def render_filter(language: ResolverLanguage, desired_names: DesiredNames) -> str:
    """Return the text of the file that makes a host's resolver block names.

    Raises ControlError for an invalid name.
    """
    body_lines = language.make_lines(
        sort_valid_names(desired_names.blocked_names), sort_valid_names(desired_names.open_names)
    )
    digest = sha256("\n".join(body_lines).encode()).hexdigest()[:32]
    witness_lines = language.make_witness_lines(WITNESS_NAME, digest, WITNESS_ADDRESS)
    return "\n".join(
        [
            f"{language.comment_mark} {WRITTEN_BY}",
            *language.head_lines,
            *language.logging_lines,
            *body_lines,
            *witness_lines,
            "",
        ]
    )


def find_digest(text: str) -> str:
    """Return the digest that a file makes its resolver answer with; "" if the file has none."""
    # The first line with the witness name has the digest between its only two quotation marks.
    quoted_parts = text.partition(WITNESS_NAME)[2].partition("\n")[0].split('"')
    return quoted_parts[1] if len(quoted_parts) == 3 and not quoted_parts[1].strip("0123456789abcdef") else ""
