"""The program at the start of the stream that is sent to a host's Python. It answers the rest of the stream.

stream.py sends this text, without docstrings and comments, and `reply` answers. If a connection cannot pipe data to a
program, library/compliance_state.py executes this module and calls `run_call`. The program has no other module of
Proscribe until it has the code. The code comes from the stream or from this host's cache, which only root can have
written. Names that are not in the code are of the standard library.

The controller sends `marshal`, a form only for trusted data, which every Python reads without loading a module. The
host answers in JSON (json_text.py), because the controller trusts no host.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    # The process ends with its answer, so garbage collection and clean-up would be wasted time.
    gc.disable()

import _signal  # type: ignore[import-not-found]
import marshal
import os
import sys
from importlib._bootstrap_external import MAGIC_NUMBER
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.types.call import StreamHead

# The beginning of the answer's line. A login shell may print any text before that line. Names of users' files may
# contain the mark. JSON escapes their line ends, so no line begins with it.
MARK = "proscribe-answer:"
LACKING = "lacking"  # the key of the answer of a host that lacks code or a plan that was sent only by name
CACHE_DIRECTORY = "@PLACE@"  # where a host caches code and plans; derived/bootstrap.py fills in the path


def open_root_file(name: str, flags: int, directory: int | None = None) -> int:
    """Open a file or directory that only root can have written, and return its descriptor.

    `directory` is the descriptor of the directory that `name` is relative to. Links are refused. Raises OSError, also
    for a file that another account owns, or that its mode lets others write.
    """
    fd = os.open(name, flags | os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
    status = os.fstat(fd)
    if status.st_uid or status.st_mode & 0o022:
        raise OSError
    return fd


class ModuleFinder:
    """The finder and loader of Proscribe's modules on a host.

    `code` is by module name: the compiled module, and whether it is a package. `sources` has the texts of modules that
    are not compiled yet, and the names of packages; None if `code` has all modules.
    """

    def __init__(self, code: dict[str, tuple[Any, bool]], sources: Any) -> None:
        self.code = code
        self.sources = sources

    def compile_module(self, name: str) -> tuple[Any, bool]:
        """Return the compiled module, and whether it is a package."""
        if name not in self.code:
            code = compile(self.sources["texts"][name], name, "exec", dont_inherit=True)
            self.code[name] = code, name in self.sources["packages"]
        return self.code[name]

    def marshal_modules(self) -> bytes | None:
        """Return all modules, compiled, for the cache of the host; None if they came from that cache."""
        if not self.sources:
            return None
        for name in self.sources["texts"]:
            self.compile_module(name)
        return marshal.dumps({name: (marshal.dumps(code), package) for name, (code, package) in self.code.items()})

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of a module of Proscribe; None for any other module, which Python then searches elsewhere."""
        if name in self.code or self.sources and name in self.sources["texts"]:
            return ModuleSpec(name, self, origin=name, is_package=self.compile_module(name)[1])  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        return None  # Python then creates the module object itself

    def exec_module(self, module: ModuleType) -> None:
        """Run the code of a module in its name space; code from the cache is still marshalled (bytes)."""
        code = self.compile_module(module.__name__)[0]
        exec(marshal.loads(code) if isinstance(code, bytes) else code, module.__dict__)  # noqa: S102 - the project's own


def load_cached(name: str) -> Any:
    """Return the content of the file `name` in the host's cache.

    None if it is missing or damaged, or if an account other than root could have written it.
    """
    try:
        directory = open_root_file(CACHE_DIRECTORY, os.O_DIRECTORY)
        # This only checks the parent: an account that can write there could replace the cache.
        open_root_file("..", os.O_DIRECTORY, directory)
        with open(open_root_file(name, os.O_NONBLOCK, directory), "rb") as file:
            return marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        return None


def parse_json(text: bytes) -> Any:
    """Parse JSON.

    The module `json` is loaded only here: a host with everything in its cache saves that time.
    """
    import json

    return json.loads(text)


def unpack_plan(plan: bytes) -> Any:
    """Decompress and parse the plan of a stream, which may be in its short form (plan_text.py)."""
    import zlib

    return parse_json(zlib.decompress(plan))


def execute_call(head: StreamHead, packed: bytes, packed_plan: bytes) -> Mapping[str, object]:
    """Observe this host with the arguments in the head of a stream, and return the answer.

    `packed` is the code and `packed_plan` the plan in the stream. b"" means that the host must have the part in its
    cache. If the cache lacks the part, the answer is {LACKING: True}. Any other answer has `cached`: whether code and
    plan are in the cache now.
    """
    # Compiled code fits one version of Python only, so the names in the cache contain Python's magic number.
    code_name = f"{head['code']}-{MAGIC_NUMBER.hex()}"
    plan_name = f"{code_name}-{head['plan']}"
    code = None if packed else load_cached(code_name)
    cached_plan = None if packed_plan else load_cached(plan_name)
    if code is None and not packed or cached_plan is None and not packed_plan:
        return {LACKING: True}
    sources = None
    if code is None:
        import lzma

        sources = parse_json(lzma.decompress(packed))
    # the plan, and the results by name that were computed from it (`add_cache`)
    plan, plan_cache = cached_plan or (unpack_plan(packed_plan), {})
    modules = ModuleFinder(code or {}, sources)
    sys.meta_path.insert(0, modules)
    from proscribe.host.host_operations import compliance_state
    from proscribe.host.system import Host
    from proscribe.model.plan import add_cache

    if cached_plan is None:
        from proscribe.model.plan_text import expand_plan

        plan = expand_plan(plan)
    host = Host()
    count = len(plan_cache)
    answer = compliance_state(host, add_cache(plan, plan_cache), **head["call"])
    is_cached = not sources and cached_plan is not None
    # The host stores both parts if one is not in the cache, or if this observation added results to the plan's cache.
    if head["call"].get("remember") and "record" in answer and not (is_cached and len(plan_cache) == count):
        from proscribe.host.cache import keep

        parts = {code_name: modules.marshal_modules(), plan_name: marshal.dumps((plan, plan_cache))}
        is_cached = keep(host, parts)
    return {**answer, "cached": is_cached}


def run_call(head: StreamHead, code: bytes, plan: bytes) -> Mapping[str, object]:
    """Execute the call in a stream (its head, code and plan), and return the answer.

    A signal ends the process once the time limit in the head of the stream is over. A limit of 0 is no limit.
    """
    # The default action of the signal ends the process anywhere, even in a system call or in a regular expression that
    # never ends. `_signal` is used because the module `signal` adds enumerations to it, a fiftieth of the cost of an
    # observation.
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.alarm(head.get("seconds", 0))
    try:
        return execute_call(head, code, plan)
    finally:
        _signal.alarm(0)


def format_answer(answer: Mapping[str, object]) -> str:
    """Format an answer as JSON."""
    if LACKING in answer:  # `execute_call` then loaded no code of Proscribe, so `format_json` cannot be imported
        import json

        return json.dumps(answer)
    from proscribe.base.json_text import format_json

    return format_json(answer)


def reply(head: StreamHead, code: bytes, plan: bytes) -> None:
    """Print the answer to the stream, and end the process."""
    print("\n" + MARK + format_answer(run_call(head, code, plan)), flush=True)
    os._exit(0)
