"""The observing code as one stream of bytes, for a Python on the other side that has nothing of ours.

Four fifths of what a module call costs a host is Python compiling Ansible's own module library. Our observing code
needs none of it, so it can be piped to `python3 -I -S -c BOOTSTRAP`, which takes it from standard input, answers one
call, and leaves nothing behind. Controller side.

A stream is a line of JSON (which code and which plan, how long they are, the call), the code, and the plan. What is
the same for many hosts is made once, before any host is asked, and kept beside the plans for the processes that Ansible
starts for each host. A host that an enforcing run has seen keeps both too, the code compiled and the plan with what
follows from it; they are then named by their hashes and not sent.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import lzma
import tempfile
import urllib.parse
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .kept import PLACE
from .reply.parsing import parsed
from .reply.shapes import mapping

PACKAGE = "proscribe"
ENTRY = f"{PACKAGE}.run"
ROOTS = ("compliance_state", "Host", "keep")  # what the bootstrap asks for
HOST_SIDE = (
    "__init__.py",
    "finding.py",
    "hashing.py",
    "kept.py",
    "plan.py",
    "run.py",
    "tuples.py",
    "host/**/*.py",
    "controls/**/*.py",
)
# These change a host, and a stream changes nothing.
CHANGING = frozenset({"enforce", "lift", "restore", "removal", "change", "carry_out"})
PROBING = frozenset({"probed"})  # and these are for what is only done on request

# Begins the line of the answer. A login shell may print what it likes before it; what a host's users name their files
# may stand within it, but never at the beginning of a line: JSON escapes their line ends.
MARK = "proscribe-answer:"
LACKING = "lacking"  # the key of the answer of a host that lacks what was only named

# Runs on the host. What is imported comes out of the stream, or out of what this host has kept of an earlier one (which
# nobody but root can have written); a name that is not in it is the standard library's.
LOADER = f"""
import _signal, json, marshal, os, sys, zlib
from importlib._bootstrap_external import MAGIC_NUMBER
from importlib.machinery import ModuleSpec
def kept(name):
    try:
        with open(os.open(f"{PLACE}/{{name}}", os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            seen = os.fstat(file.fileno())
            if seen.st_uid == 0 and not seen.st_mode & 0o022:
                return marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        pass
def answered(stream):
    head = json.loads(stream.readline())
    # The signal's default action ends a process wherever it is, also within a system call or an endless match. The
    # module signal is this one with enumerations, which are a fiftieth of what a look costs.
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.alarm(head.get("seconds", 0))
    try:
        return answer_to(head, stream)
    finally:
        _signal.alarm(0)
def answer_to(head, stream):
    packed, packed_plan = map(stream.read, head["sizes"])
    named = f"{{head['code']}}-{{MAGIC_NUMBER.hex()}}"
    with_plan = f"{{named}}-{{head['plan']}}"
    code = None if packed else kept(named)
    known = None if packed_plan else kept(with_plan)
    if code is None and not packed or known is None and not packed_plan:
        return {{"{LACKING}": True}}
    sources = None
    if code is None:
        import lzma
        sources = json.loads(lzma.decompress(packed))
        code = {{}}
    plan, follows = known or (json.loads(zlib.decompress(packed_plan)), {{}})
    def compiled(name):
        if name not in code:
            code[name] = compile(sources["texts"][name], name, "exec", dont_inherit=True), name in sources["packages"]
        return code[name]
    class Stream:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name in code or sources and name in sources["texts"]:
                return ModuleSpec(name, Stream, origin=name, is_package=compiled(name)[1])
        @staticmethod
        def create_module(spec):
            return None
        @staticmethod
        def exec_module(module):
            text = compiled(module.__name__)[0]
            exec(marshal.loads(text) if isinstance(text, bytes) else text, module.__dict__)
    sys.meta_path.insert(0, Stream)
    from {PACKAGE}.host import Host
    from {PACKAGE}.plan import Known
    from {ENTRY} import compliance_state
    host = Host()
    count = len(follows)
    told = compliance_state(host, Known(plan, follows), **head["call"])
    complete = not sources and known is not None
    if head["call"].get("remember") and "record" in told and not (complete and len(follows) == count):
        from {PACKAGE}.kept import keep
        for name in sources["texts"] if sources else ():
            compiled(name)
        each = {{name: (marshal.dumps(text), package) for name, (text, package) in code.items()}} if sources else None
        parts = {{named: each and marshal.dumps(each), with_plan: marshal.dumps((plan, follows))}}
        complete = keep(host, parts)
    return {{**told, "kept": complete}}
"""
# Nothing is collected and nothing torn down in a process that ends with its answer.
BOOTSTRAP = f"""
import gc
gc.disable()
{LOADER}
print("\\n{MARK}" + json.dumps(answered(sys.stdin.buffer)), flush=True)
os._exit(0)
"""


class Part(NamedTuple):
    """The observing code or a plan: its name, which no other one has, and how to get it packed."""

    name: str
    packed: Callable[[], bytes]


class Store:
    """What is made once for many hosts. `directory` is where it is kept; None keeps nothing."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory

    def prepare(self, plans: Mapping[str, str]) -> str:
        """Make what most hosts of a run need: the code, and these plans (JSON texts by digest). The code's name."""
        for digest, text in plans.items():
            self.plan(text, digest).packed()
        return self.code(probe=False).name

    def code(self, probe: bool) -> Part:
        """The observing code; with what the browsers' probe needs, if that is asked for."""
        stats = [(str(path), path.stat()) for path in _files().values()]
        state = repr([(path, seen.st_size, seen.st_mtime_ns) for path, seen in stats])
        source = f"{'probe' if probe else 'observe'}-{hashlib.sha256(state.encode()).hexdigest()}.name"
        name = self._kept(source).decode()
        if not name or not self._kept(f"{name}.code"):
            packed = _put_together(probe)
            name = hashlib.sha256(packed).hexdigest()
            self._keep(f"{name}.code", packed)
            self._keep(source, name.encode())
        return self.prepared(name, probe)

    def prepared(self, name: str, probe: bool = False) -> Part:
        """The code that `prepare` told the name of."""
        return Part(name, lambda: self._kept(f"{name}.code") or _put_together(probe))

    def plan(self, text: str = "", digest: str = "") -> Part:
        """A plan, given as JSON text, or by its digest where it was compiled in this run."""
        name = digest.rpartition(":")[2] or hashlib.sha256(text.encode()).hexdigest()

        def packed() -> bytes:
            kept = self._kept(f"{name}.plan")
            if not kept:
                kept = zlib.compress((text or self._text(name)).encode(), 9)
                self._keep(f"{name}.plan", kept)
            return kept

        return Part(name, packed)

    def _text(self, name: str) -> str:
        """The plan of that name, as `compile_plans` stored it."""
        text = self._kept(f"{name}.json").decode()
        if not text:
            raise FileNotFoundError(f"the plan that this run has compiled is gone: {self.directory}/{name}.json")
        return text

    def has(self, host: str, code: Part, plan: Part) -> bool:
        """Whether that host has told that it keeps these."""
        try:
            return self.directory is not None and self._mark(self.directory, host).read_text() == _names(code, plan)
        except OSError:
            return False

    def note(self, host: str, code: Part, plan: Part, has: bool) -> None:
        """Note whether a host keeps these."""
        if self.directory is None or has == self.has(host, code, plan):
            return
        mark = self._mark(self.directory, host)
        with contextlib.suppress(OSError):  # it only saves time
            if has:
                mark.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                mark.write_text(_names(code, plan))  # a mark that is cut short fits nothing
            else:
                mark.unlink(missing_ok=True)

    @staticmethod
    def _mark(directory: Path, host: str) -> Path:
        return directory / "kept" / f"host-{urllib.parse.quote(host, safe='')}"

    def _kept(self, name: str) -> bytes:
        try:
            return (self.directory / name).read_bytes() if self.directory else b""
        except OSError:
            return b""

    def _keep(self, name: str, content: bytes) -> None:
        if self.directory is None:
            return
        with contextlib.suppress(OSError):
            with tempfile.NamedTemporaryFile("wb", dir=self.directory, delete=False) as beside:
                beside.write(content)
            Path(beside.name).rename(self.directory / name)


def payload(code: Part, plan: Part, call: Mapping[str, Any], whole: bool = True, seconds: int = 0) -> bytes:
    """The stream for one call of `run.compliance_state`. Not `whole`: code and plan are only named. After so many
    `seconds` the host ends the call; 0 for no limit.
    """
    parts = [code.packed(), plan.packed()] if whole else [b"", b""]
    sizes = [len(part) for part in parts]
    head = {"code": code.name, "plan": plan.name, "sizes": sizes, "call": call, "seconds": seconds}
    return b"".join([json.dumps(head).encode(), b"\n", *parts])


def _names(code: Part, plan: Part) -> str:
    return f"{code.name} {plan.name}\n"


def _files() -> dict[str, Path]:
    package = Path(__file__).parent
    paths = sorted(path for pattern in HOST_SIDE for path in package.glob(pattern))
    return {".".join([PACKAGE, *path.relative_to(package).with_suffix("").parts]): path for path in paths}


@functools.cache
def _put_together(probe: bool) -> bytes:
    from .sources import Whole, reached  # only the process that puts it together pays for it

    files = _files()
    packages = {name.removesuffix(".__init__") for name in files if name.endswith(".__init__")}
    texts = {name.removesuffix(".__init__"): path.read_text(encoding="utf-8") for name, path in files.items()}
    left_out = CHANGING if probe else CHANGING | PROBING
    sent = reached(Whole(texts, packages), [ENTRY, f"{PACKAGE}.kept"], ROOTS, left_out)
    code = {"packages": sorted(packages.intersection(sent)), "texts": sent}
    return lzma.compress(json.dumps(code).encode(), preset=9)


def answer(output: str) -> Mapping[Any, Any] | None:
    """What the host answered, which is data from a stranger (see reply/); None if no answer came (no Python there, a
    Python that is too old, another shell). Raises Unusable for an answer that is no JSON, or no mapping.
    """
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return mapping(parsed(lines[-1].removeprefix(MARK)), "the answer") if lines else None
