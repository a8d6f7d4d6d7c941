"""Modules of the standard library that no audit of a compliant host loads, and what the host would pay for them."""

from __future__ import annotations

NOT_LOADED = {
    "re": "2.3 ms, with enum: patterns.pattern compiles at the first use",
    "enum": "within re, signal, socket and subprocess",
    "json": "0.9 ms, and re: json_text writes what is plain, marshal is for what root alone writes",
    "typing": "tuples.NamedTuple, and annotations that are not sent",
    "fnmatch": "re",
    "shlex": "re",
    "subprocess": "tools._Tool",
    "signal": "_signal",
    "socket": "_socket",
    "hashlib": "hashing.sha256",
    "datetime": "moments",
    "calendar": "datetime",
    "tempfile": "random, hashlib",
    "threading": "",
    "traceback": "",
    "lzma": "only for code that is sent",
    "base64": "binascii",
    "http": "only for who asks a service of the host",
}
