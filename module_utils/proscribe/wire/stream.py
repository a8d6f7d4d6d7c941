"""The observing code as one stream of bytes, for a Python on the other side that has nothing of ours.

Four fifths of what a module call costs a host is Python compiling Ansible's own module library. Our observing code
needs none of it, so it can be piped to the host's Python. That takes it from standard input, answers one call, and
leaves nothing behind. Controller side.

A stream is a program (loader.py), a head (which code and which plan, the call), the code, and the plan. It has the form
of `marshal`, which a host reads without loading anything for it. What is the same for many hosts is made once, before
any host is contacted. It is stored beside the plans, for the processes that Ansible starts for each host. A host that
an enforcing run has seen caches both too, the code compiled and the plan with what follows from it. They are then named
by their hashes and not sent.

Between the controller and that Python is the login shell of an account, whatever it is. So the command is one line that
all shells take alike (RECEIVER), and what is piped is nothing that a shell could do (`piped`): a shell that reads its
commands from there ends at the first line, whatever it was given. The second one is a single long word.
"""

from __future__ import annotations

import binascii
import contextlib
import functools
import glob
import hashlib
import importlib.util
import json
import lzma
import marshal
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..base.others import acl_of
from ..base.ownership import who_else
from ..model.types.call import Call
from . import installation
from .bootstrap import BOOTSTRAP as BOOTSTRAP
from .loader import MARK
from .replies.parsing import last_line, parsed
from .replies.shapes import mapping

PACKAGE = "proscribe"
CODE = os.path.dirname(os.path.dirname(__file__))
ENTRIES = tuple(
    f"{PACKAGE}.{module}"
    for module in ("host.run", "host.audit_program", "host.cache", "base.json_text", "model.plan_text")
)
ROOTS = ("compliance_state", "Host", "keep", "known", "whole", "written")  # what the loader calls
PROGRAMS = os.path.join("host", "programs")
HOST_SIDE = ("base", "model", "host")  # the rooms whose files a host can get: what is reached in them is sent
# These change a host, and a stream changes nothing.
CHANGING = frozenset({"enforce", "lift", "restore", "removal", "change", "carry_out", "write_down"})
PROBING = frozenset({"probed"})  # and these are for what is only done on request
FOR_MACS = frozenset({"on_macos"})  # what only a Mac gets, which says that it is one
NOT_FOR_MACS = frozenset({"observe", "control"})  # of the module `run`
# What a host's Python is given on its command line: without a line break, and without what any shell takes for its own
# between double quotes. It takes the first line that is longer than the one for shells, and runs the program in it.
RECEIVER = (
    "import sys,binascii,marshal;"
    "given=marshal.loads(binascii.a2b_base64(next(line for line in sys.stdin.buffer if line[9:])));"
    "exec(given[0])"
)
RECEIVE = f"{RECEIVER};reply(*given[1:])"
FOR_SHELLS = b"exit\n"  # where every shell ends that would read what is piped
FOR_EVERY_PYTHON = 2  # the version of marshal's format: without references, which are newer ones' own
WATCH_ENTRY = f"{PACKAGE}.host.watch_commands"


class Part(NamedTuple):
    """The observing code or a plan: its name, which no other one has, and how to get it packed."""

    name: str
    packed: Callable[[], bytes]


def payload(code: Part, plan: Part, call: Call, whole: bool = True, seconds: int = 0) -> bytes:
    """The stream for one call of `run.compliance_state`. Not `whole`: code and plan are only named. After so many
    `seconds` the host ends the call; 0 for no limit.
    """
    parts = [code.packed(), plan.packed()] if whole else [b"", b""]
    head = {"code": code.name, "plan": plan.name, "call": call, "seconds": seconds}
    plain = json.loads(json.dumps(head))  # Ansible's texts are of types of its own, which only JSON takes for texts
    return piped(BOOTSTRAP, plain, *parts)


def piped(program: str, *given: Any) -> bytes:
    """A program, and what it is given, for a Python that is started with RECEIVER."""
    return FOR_SHELLS + binascii.b2a_base64(marshal.dumps([program, *given], FOR_EVERY_PYTHON))


def _files() -> dict[str, str]:
    """The files of the code that observes and changes hosts, by the names of their modules. What a host runs by itself
    is no module of it: that is sent as a text (host/programs/__init__.py).
    """
    found = ["__init__.py", os.path.join(PROGRAMS, "__init__.py")]
    for room in HOST_SIDE:
        modules = glob.iglob(os.path.join(room, "**", "*.py"), root_dir=CODE, recursive=True)
        found += (name for name in modules if not name.startswith(PROGRAMS))
    return {f"{PACKAGE}.{name[:-3].replace(os.sep, '.')}": os.path.join(CODE, name) for name in sorted(found)}


KINDS = {"observe": False, "probe": True}  # whether the browsers' probe is in it


def packed_code(probe: bool) -> bytes:
    """The observing code as it is sent; with what the browsers' probe needs, on request.

    It takes seconds to put together, so it is cached where Python caches this very file compiled: whoever can write
    there has their code run by Python itself. It goes with the hash of its sources. A collection was built with it, and
    nothing is written there.
    """
    return _once("probe" if probe else "observe", lambda: _put_together(probe))


def packed_watch() -> bytes:
    """The code that keeps a host in line by itself: all that observes and changes it. Cached in the same way."""
    return _once("watch", _put_together_for_watch)


def packed_macos() -> bytes:
    """The observing code for Macs. Cached in the same way."""
    return _once("macos", _put_together_for_macos)


def _once(kind: str, put_together: Callable[[], bytes]) -> bytes:
    cache = _cache(kind)
    state = sources_hash()
    with contextlib.suppress(OSError):
        if cache and not who_else(cache.lstat(), {os.geteuid(), Path(__file__).stat().st_uid}, acl_of(cache)):
            cached = cache.read_bytes()
            if cached.startswith(state):
                return cached.removeprefix(state)
    packed = put_together()
    if cache and not installation.COLLECTION:
        with contextlib.suppress(OSError):
            cache.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile("wb", dir=cache.parent, delete=False) as beside:
                beside.write(state + packed)
            Path(beside.name).chmod(0o644)
            Path(beside.name).rename(cache)
    return packed


def prepared() -> dict[str, bytes]:
    """What a collection is built with: for each of KINDS, the watch and Macs, what a checkout caches."""
    code = {kind: packed_code(probe) for kind, probe in KINDS.items()}
    more = {"watch": packed_watch(), "macos": packed_macos()}
    return {kind: sources_hash() + packed for kind, packed in {**code, **more}.items()}


def sources() -> list[str]:
    """The files of what is sent to hosts, and of what says what is sent."""
    return [*_files().values(), __file__, os.path.join(os.path.dirname(__file__), "sources.py")]


@functools.cache
def sources_hash() -> bytes:
    """The SHA-256 of the sources. Raises OSError."""
    return hashed(sources())


def hashed(files: Iterable[str]) -> bytes:
    """The SHA-256 of some files, by their names below the project's code and their whole content. Raises OSError."""
    found, above = hashlib.sha256(), CODE
    for path in files:
        with open(path, "rb", buffering=0) as stream:
            content = stream.read()
        found.update(repr((path.removeprefix(above), len(content))).encode() + content)
    return found.digest()


def _cache(kind: str) -> Path | None:
    if installation.COLLECTION:
        return Path(__file__).with_suffix(f".{kind}")
    try:
        return Path(importlib.util.cache_from_source(__file__)).with_suffix(f".{kind}")
    except NotImplementedError:  # a Python without a cache of compiled files
        return None


@functools.cache
def _put_together(probe: bool) -> bytes:
    return _packed(ENTRIES, ROOTS, (CHANGING if probe else CHANGING | PROBING) | FOR_MACS)


@functools.cache
def _put_together_for_macos() -> bytes:
    return _packed(ENTRIES, ROOTS, CHANGING | PROBING | NOT_FOR_MACS)


@functools.cache
def _put_together_for_watch() -> bytes:
    return _packed((WATCH_ENTRY,), ("main",), PROBING | FOR_MACS)


def _packed(entries: Iterable[str], roots: Iterable[str], left_out: Collection[str]) -> bytes:
    from .sources import Whole, reached  # only the process that puts it together pays for it

    files = _files()
    packages = {name.removesuffix(".__init__") for name in files if name.endswith(".__init__")}
    texts = {name.removesuffix(".__init__"): Path(path).read_text(encoding="utf-8") for name, path in files.items()}
    sent = reached(Whole(texts, packages), entries, roots, left_out)
    code = {"packages": sorted(packages.intersection(sent)), "texts": sent}
    return lzma.compress(json.dumps(code).encode(), preset=9)


def answer(output: str | bytes) -> Mapping[Any, Any] | None:
    """What the host answered, which is data from a stranger (replies). None if no answer came: no Python there, one
    that is too old, another shell. Raises Unusable for an answer that is no JSON, or no mapping.
    """
    line = last_line(output, MARK)
    return None if line is None else mapping(parsed(line), "the answer")
