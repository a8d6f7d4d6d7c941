"""What a host is sent (proscribe.wire.stream), for tests that look into it or change the program in it."""

import base64
import marshal

from proscribe.wire.stream import SHELL_EXIT_LINE, pack_for_pipe


def parts(stream):
    """The program in a stream, its head, the code and the plan."""
    shells, line, rest = stream.split(b"\n")
    assert (shells + b"\n", rest) == (SHELL_EXIT_LINE, b"")
    return marshal.loads(base64.b64decode(line))


def with_program(stream, program):
    """The stream with another program in it."""
    return pack_for_pipe(program, *parts(stream)[1:])
