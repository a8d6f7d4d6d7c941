"""A filter as a text: the lines of its resolver's language, and the witness.

A blocked name and all below it are answered NXDOMAIN for every record type, HTTPS with its keys for encrypted hellos
included. A name that is let through is asked of the upstream. The nearest of the names decides.

Each file also makes the resolver answer WITNESS with the file's own digest (TXT) and with an address. Whoever asks for
the digest knows whether the resolver that runs has read this very file. Whoever looks the name up as programs do knows
whether they reach it (effect.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from ....base.hashing import sha256
from ....base.tuples import NamedTuple
from ...system import WRITTEN_BY
from .desired import Desired, plain
from .effect import ADDRESS, WITNESS

if TYPE_CHECKING:
    from typing import Pattern


class Language(NamedTuple):
    """How a resolver's file is written, for hosts and for exports, and how the resolver logs a refusal."""

    lines: Callable[[Iterable[str], Iterable[str]], list[str]]  # block the first names, let the others through
    witness: Callable[[str, str, str], list[str]]  # answer a name with a text, and an address ("": none)
    blocked: Pattern[str]  # a line that blocks a name, and the name
    # The end of a line of the log about a refusal: the blocked name, then the one that was queried. None if no line is.
    hit: Pattern[str] | None = None
    head: Sequence[str] = ()  # what the lines begin with
    logging: Sequence[str] = ()  # what has a host's resolver log refusals
    comment: str = "#"  # what a line of comment begins with


def text(language: Language, desired: Desired) -> str:
    """The file of a host's resolver. Raises ControlError for a name that is none."""
    body = language.lines(plain(desired.names), plain(desired.through))
    digest = sha256("\n".join(body).encode()).hexdigest()[:32]
    witness = language.witness(WITNESS, digest, ADDRESS)
    return "\n".join([f"{language.comment} {WRITTEN_BY}", *language.head, *language.logging, *body, *witness, ""])


def digest_in(text: str) -> str:
    """The digest that a file makes its resolver answer with; "" if it has none."""
    said = text.partition(WITNESS)[2].partition("\n")[0].split('"')
    return said[1] if len(said) == 3 and not said[1].strip("0123456789abcdef") else ""
