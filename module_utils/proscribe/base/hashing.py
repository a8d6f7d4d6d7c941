"""SHA-256 without OpenSSL. A host loads OpenSSL for longer than it computes all hashes.

The module random.py of the standard library does the same.
"""

from __future__ import annotations

MYPY = False  # mypy takes it for true
if MYPY:
    from hashlib import sha256 as sha256
if not MYPY:

    def _find_sha256(names):
        for name in names:
            try:
                return __import__(name).sha256
            except ImportError:
                continue
        raise ImportError(names)

    sha256 = _find_sha256(("_sha2", "_sha256", "hashlib"))  # since Python 3.12; before 3.12; where neither is built
