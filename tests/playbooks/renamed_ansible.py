"""ansible-playbook of a release with other private names: `renamed_ansible.py NAME|NAME ... -- ARGUMENTS`.

The names are others in all of ansible-core, as it is imported. So Ansible works, and others find nothing by them.
"""

import importlib.util
import re
import sys
from importlib.machinery import SourceFileLoader
from multiprocessing import queues
from pathlib import Path

OWN = Path(str(importlib.util.find_spec("ansible").origin)).parent
OF_PYTHON = {"_writer": Path(str(queues.__file__))}
COMPUTED = "'_%s' % plugin_type"  # where Ansible itself makes the name `_shell`
IMPORT = re.compile(r"\s*(from|import) ")


def renamed(text, name):
    """A source text with another name. What is imported by that name is a module, and has its name still."""
    if name in ("_hosts", "_hosts_all") or not name.startswith("_"):
        return re.sub(rf"\b{name}\b", f"{name}_renamed", text)
    places = rf"(?<!_internal)(?<=\.){name}\b|(?<=\bdef ){name}\b|(?<=['\"]){name}(?=['\"])|(?<=^    ){name}(?=: | = )"
    if re.search(rf"^    {name}: ", text, re.MULTILINE):  # a field, which is given by its name
        places += rf"|(?<=[(\s]){name}(?==[^=])"
    expression = re.compile(places)
    if name == "_shell":
        text = text.replace(COMPUTED, "('_%s_renamed' if plugin_type == 'shell' else '_%s') % plugin_type")
    lines = text.splitlines(keepends=True)
    return "".join(line if IMPORT.match(line) else expression.sub(f"{name}_renamed", line) for line in lines)


def rename(names):
    """Have each file of ansible-core compiled with other names."""
    as_it_is = SourceFileLoader.get_code

    def get_code(self, fullname):
        path = Path(self.path)
        hit = [name for name in names if path.is_relative_to(OWN) or OF_PYTHON.get(name) == path]
        text = path.read_text(encoding="utf-8") if hit else ""
        if not any(name in text or name == "_shell" and COMPUTED in text for name in hit):
            return as_it_is(self, fullname)
        for name in hit:
            text = renamed(text, name)
        return compile(text, str(path), "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code
    for name in list(sys.modules):
        if name.startswith(("ansible", "multiprocessing")):
            del sys.modules[name]


if __name__ == "__main__":
    end = sys.argv.index("--")
    rename(sys.argv[1:end])
    sys.argv[:] = ["ansible-playbook", *sys.argv[end + 1 :]]
    from ansible.cli.playbook import main

    sys.exit(main())
