"""Reading of a policy file that an untrusted author may have written: a plain file of limited size."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ...policy_errors import DescribedValue, PolicyError

_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # O_NONBLOCK, because opening a pipe would block the run


def read_plain_file(path: Path, max_bytes: int, within: Path | None = None) -> bytes:
    """Read the bytes of a policy file.

    Raises PolicyError if it is unreadable, too large, or not a regular file. The largest size is `max_bytes`. A file
    outside the directory `within` is refused too, because a message about a mistake prints content of the file.
    """
    try:
        if within and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(within)):
            raise PolicyError(str(path), "", path.name, "a file of this directory, not a link out of it")
        with open(os.open(path, _READ_FLAGS), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise PolicyError(str(path), "", DescribedValue("something else"), "a file")
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise PolicyError(str(path), "", DescribedValue(error.strerror), "a file that can be read") from None
    if len(content) > max_bytes:
        raise PolicyError(str(path), "", DescribedValue(f"more than {max_bytes} bytes"), "a smaller file")
    return content
