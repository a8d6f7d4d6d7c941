"""SHA-256 without OpenSSL. A host loads OpenSSL for longer than it computes all hashes.

The module random.py of the standard library does the same.
"""

from __future__ import annotations

MYPY = False  # mypy takes it for true
if MYPY:
    from hashlib import sha256 as sha256
if not MYPY:

    def _find_sha256(names):
        """Return `sha256` of the first of these modules that this Python has."""
        for name in names:
            try:
                return __import__(name).sha256
            except ImportError:
                continue
        raise ImportError(names)

    sha256 = _find_sha256(("_sha2", "_sha256", "hashlib"))  # Python 3.12 and newer; older; without both
