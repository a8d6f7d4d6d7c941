"""What a host is sent (proscribe.wire.stream), for tests that look into it or change the program in it."""

import base64
import marshal

from proscribe.wire.stream import FOR_SHELLS, piped


def parts(stream):
    """The program in a stream, its head, the code and the plan."""
    shells, line, rest = stream.split(b"\n")
    assert (shells + b"\n", rest) == (FOR_SHELLS, b"")
    return marshal.loads(base64.b64decode(line))


def with_program(stream, program):
    """The stream with another program in it."""
    return piped(program, *parts(stream)[1:])
