"""A filter as a text: the lines of its resolver's language, and the witness.

A blocked name and all below it are answered NXDOMAIN for every record type, HTTPS with its keys for encrypted hellos
included. A name that is let through is asked of the upstream. The nearest of the names decides.

Each file also makes the resolver answer WITNESS_NAME with the file's own digest (TXT) and with an address. Whoever asks for
the digest knows whether the resolver that runs has read this very file. Whoever looks the name up as programs do knows
whether they reach it (effect.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from ....base.hashing import sha256
from ....base.tuples import NamedTuple
from ...system import WRITTEN_BY
from .desired import DesiredNames, sort_valid_names
from .effect import WITNESS_ADDRESS, WITNESS_NAME

if TYPE_CHECKING:
    from typing import Pattern


class ResolverLanguage(NamedTuple):
    """How a resolver's file is written, for hosts and for exports, and how the resolver logs a refusal."""

    make_lines: Callable[[Iterable[str], Iterable[str]], list[str]]  # block the first names, let the others through
    make_witness_lines: Callable[[str, str, str], list[str]]  # answer a name with a text, and an address ("": none)
    blocked_pattern: Pattern[str]  # a line that blocks a name, and the name
    # The end of a line of the log about a refusal: the blocked name, then the one that was queried. None if no line is.
    hit_pattern: Pattern[str] | None = None
    head_lines: Sequence[str] = ()  # what the lines begin with
    logging_lines: Sequence[str] = ()  # what has a host's resolver log refusals
    comment_mark: str = "#"  # what a line of comment begins with


def render_filter(language: ResolverLanguage, desired_names: DesiredNames) -> str:
    """The file of a host's resolver. Raises ControlError for a name that is none."""
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
    """The digest that a file makes its resolver answer with; "" if it has none."""
    quoted_parts = text.partition(WITNESS_NAME)[2].partition("\n")[0].split('"')
    return quoted_parts[1] if len(quoted_parts) == 3 and not quoted_parts[1].strip("0123456789abcdef") else ""
