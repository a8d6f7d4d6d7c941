"""Modules of the standard library that no audit of a compliant host loads, and what the host would pay for them."""

import subprocess
import sys

from proscribe.wire import installation

NOT_LOADED = {
    "re": "2.3 ms, with enum: patterns.compile_pattern compiles at the first use",
    "enum": "within re, signal, socket and subprocess",
    "json": "0.9 ms, and re: json_text writes what is plain, marshal is for what root alone writes",
    "typing": "tuples.NamedTuple, and annotations that are not sent",
    **dict.fromkeys(("fnmatch", "shlex"), "re"),
    "subprocess": "tools._Tool",
    "signal": "_signal",
    "socket": "_socket",
    "hashlib": "hashing.sha256",
    "datetime": "moments",
    "calendar": "datetime",
    "tempfile": "random, hashlib",
    **dict.fromkeys(("threading", "traceback"), ""),
    "lzma": "only for code that is sent",
    "base64": "binascii",
    "http": "only for who asks a service of the host",
}


def printed(code):
    """The lines that some code prints which has the project's modules, in a Python as a host starts it."""
    argv = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, sys.argv[1])\n{code}"]
    done = subprocess.run([*argv, str(installation.CODE_DIRECTORY)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
