"""The observing code as one stream of bytes, for a Python on the other side that has nothing of ours.

Four fifths of what a module call costs a host is Python compiling Ansible's own module library. Our observing code
needs none of it, so it can be piped to `python3 -I -S -c BOOTSTRAP`, which takes it from standard input, answers one
call, and leaves nothing behind. Controller side.

The code is the same for every host of a run. So it is put together once, without what only people or only an enforcing
run needs, and kept in a file beside the plans for the processes that Ansible starts for each host.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import json
import lzma
import tempfile
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PACKAGE = "proscribe"
ENTRY = f"{PACKAGE}.run"
HOST_SIDE = ("__init__.py", "finding.py", "plan.py", "run.py", "host/**/*.py", "controls/**/*.py")
# What is imported inside these is for changing a host, and a stream changes nothing.
CHANGING = frozenset({"enforce", "lift", "restore", "removal", "change", "carry_out"})
PROBING = frozenset({"probed"})  # and inside these, for what is only done on request

FAST = 1  # of compression, for what is compressed anew for every host

# Begins the line of the answer. A login shell may print what it likes before it; what a host's users name their files
# may stand within it, but never at the beginning of a line: JSON escapes their line ends.
MARK = "proscribe-answer:"

# Runs on the host. What is imported comes out of the stream; a name that is not in it is the standard library's.
BOOTSTRAP = f"""
import json, lzma, sys
from importlib.machinery import ModuleSpec
stream = lzma.LZMADecompressor()
code = json.loads(stream.decompress(sys.stdin.buffer.read()))
call = json.loads(lzma.decompress(stream.unused_data))
sources = code["sources"]
class Stream:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in sources:
            return ModuleSpec(name, Stream, origin=name, is_package=name in code["packages"])
    @staticmethod
    def create_module(spec):
        return None
    @staticmethod
    def exec_module(module):
        exec(compile(sources[module.__name__], module.__name__, "exec", dont_inherit=True), module.__dict__)
sys.meta_path.insert(0, Stream)
from {PACKAGE}.host import Host
from {ENTRY} import compliance_state
print("\\n{MARK}" + json.dumps(compliance_state(Host(), **call)))
"""


def payload(call: Mapping[str, Any], store: Path | None = None) -> bytes:
    """The stream for one call of `run.compliance_state`: the observing code, then the arguments of the call.

    `store` is a directory in which the code is kept for the next call (None: it is put together anew).
    """
    return _code(store, bool(call.get("probe"))) + lzma.compress(json.dumps(call).encode(), preset=FAST)


def _code(store: Path | None, probe: bool) -> bytes:
    package = Path(__file__).parent
    stats = [(str(path), path.stat()) for pattern in HOST_SIDE for path in package.glob(pattern)]
    state = repr([(path, seen.st_size, seen.st_mtime_ns) for path, seen in sorted(stats)])
    if store is None:
        return _put_together(probe)
    kept = store / f"{'probe' if probe else 'observe'}-{hashlib.sha256(state.encode()).hexdigest()}.code"
    try:
        return kept.read_bytes()
    except OSError:
        code = _put_together(probe)
    try:
        with tempfile.NamedTemporaryFile("wb", dir=store, delete=False) as beside:
            beside.write(code)
        Path(beside.name).rename(kept)
    except OSError:
        pass  # it only saves time
    return code


@functools.cache
def _put_together(probe: bool) -> bytes:
    left_out = CHANGING if probe else CHANGING | PROBING
    package = Path(__file__).parent
    paths = [path for pattern in HOST_SIDE for path in package.glob(pattern)]
    files = {".".join([PACKAGE, *path.relative_to(package).with_suffix("").parts]): path for path in paths}
    packages = sorted(name.removesuffix(".__init__") for name in files if name.endswith(".__init__"))
    texts = {name.removesuffix(".__init__"): path.read_text(encoding="utf-8") for name, path in files.items()}
    sources: dict[str, str] = {}
    needed = [ENTRY]
    while needed:
        name = needed.pop()
        if name in texts and name not in sources:
            sources[name] = bare(texts[name])
            parent = name.rpartition(".")[0]
            needed += [parent] if parent else []
            needed += _imported(texts[name], name if name in packages else parent, left_out)
    code = {"packages": [name for name in packages if name in sources], "sources": dict(sorted(sources.items()))}
    return lzma.compress(json.dumps(code).encode(), preset=9)


def _imported(source: str, package: str, left_out: frozenset[str]) -> Iterator[str]:
    """The modules that a source may import outside the functions left out; `package` is what its relative imports start
    from.
    """
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef) and node.name in left_out:
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            origin = f"{base}.{node.module}" if node.module else base
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        todo += ast.iter_child_nodes(node)


def bare(source: str) -> str:
    """A source without its comments and docstrings, every line where it was, so that a traceback still fits."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            said = node.body[0]
            first, last = said.lineno - 1, (said.end_lineno or said.lineno) - 1
            # An empty one stays: it may be the whole body, and before `from __future__` nothing else may stand.
            lines[first] = " " * said.col_offset + '""'
            lines[first + 1 : last + 1] = [""] * (last - first)
    return "\n".join(lines) + "\n"


def answer(output: str) -> dict[str, Any] | None:
    """What the host answered; None if no answer came (no Python there, a Python that is too old, another shell)."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    try:
        told = json.loads(lines[-1].removeprefix(MARK)) if lines else None
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
