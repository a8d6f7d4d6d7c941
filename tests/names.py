"""Names that stand in the way of a reader: `python tests/names.py` prints them.

A function of the product begins with a verb. A variable is not a pronoun or a participle alone. The docstring of a
module or a class begins with a noun; those of functions are ruff's (D401). A class has a name of its own.
"""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PRODUCT = ("module_utils", "action_plugins", "callback_plugins", "filter_plugins", "test_plugins", "library")
VERB_TEXT = """
accept adapt add allow append apply ask assign begin build cache call can cancel capture change check choose clean
clear clip close collect command compare compile compose compute conclude confirm connect consume convert copy
correct count create cut decide declare decode defer delete derive describe detach determine disable discard do
download drop dump emit empty encode end enforce escape estimate evaluate exchange exclude execute exit expand
explain export extend extract fail fetch fill filter find finish fit flatten flush fold follow forget format freeze
gather generate get give group guard guess handle has hash hide identify ignore import include increase index
inherit insert inspect install invalidate is iterate join judge keep kill label lift limit link list listen load
locate lock log look make map mark marshal match may measure merge mount move must name narrow normalise note
notify observe obtain open order pack pair parse partition pass pause permit pick place plan prepare print probe
process propose prune publish put qualify quarantine query queue quote raise rank read rebuild receive reconcile
record redact redirect reduce refresh refuse register reject release reload remember remove rename render repair
repeat replace reply report request require reserve reset resolve restart restore restrict retry return reuse
revoke rewrite roll rotate run sanitise save scan schedule search select send separate serialise serve set settle
shorten show shrink shut sign skip sort split start step stop store strip submit substitute subtract sum summarise
suppress switch sync take terminate translate truncate try undo unescape uninstall unpack update use validate
verify visit wait walk warn watch weigh widen wrap write yield
"""
# Names that other software calls: Python, its libraries, Ansible and Jinja; the entry functions of the controls' code
# for hosts; the names of events in a run's journal.
CALLED_TEXT = """
asdict as_dict cleanup communicate compliance_state control defaults exec_module fileno filters hard_exit layers
line low_level_execute_command main on_macos poll probed proscribe_failed proscribe_hosts proscribe_plan
proscribe_rollout raw_get shutdown_request tests
answered began changed decided failed skipped stopped unreachable
"""
VERBS, CALLED = frozenset(VERB_TEXT.split()), frozenset(CALLED_TEXT.split())
CLASSES_OF_ANSIBLE = frozenset({"ActionModule", "CallbackModule", "FilterModule", "TestModule"})
VAGUE = {"one", "found", "said", "made", "given", "known", "left", "there", "what", "who", "own", "whom", "told"}
RIDDLE = re.compile(r"(What|Whether|Whom?|Whose|Which|Where|How|Why|That|It|One|So|Those|Each|None)\b")


def find_names(path: str, tree: ast.Module) -> Iterator[str]:
    """Yield the names and docstrings of a module that break a rule."""
    fields: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not is_function_named_well(node):
            yield f"{path}:{node.lineno}: {node.name}: a function begins with a verb (tests/names.py)"
        if isinstance(node, ast.ClassDef):  # fields may have the names of keys in documents, which stay
            fields |= {id(item.target) for item in node.body if isinstance(item, ast.AnnAssign)}
        if isinstance(node, ast.Name) and node.id in VAGUE and id(node) not in fields:
            yield f"{path}:{node.lineno}: {node.id}: a variable says its content"
        if isinstance(node, ast.arg) and node.arg in VAGUE:
            yield f"{path}:{node.lineno}: {node.arg}: a parameter says its content"
        if isinstance(node, ast.Module | ast.ClassDef) and RIDDLE.match(ast.get_docstring(node) or ""):
            yield f"{path}:{getattr(node, 'lineno', 1)}: the docstring begins with no noun"


def is_function_named_well(node: ast.FunctionDef) -> bool:
    decorators = {getattr(item, "id", getattr(item, "attr", "")) for item in node.decorator_list}
    name = node.name.strip("_")
    if decorators & {"property", "cached_property"} or node.name.startswith(("__", "v2_")):
        return True
    return name in CALLED or name.split("_")[0] in VERBS


def find_repeated_classes(classes: dict[str, list[str]]) -> Iterator[str]:
    for name, places in classes.items():
        if len(places) > 1 and name not in CLASSES_OF_ANSIBLE:
            yield f"{places[0]}: class {name} exists also in {', '.join(places[1:])}"


def main() -> int:
    command = ["git", "ls-files", "-z", *PRODUCT]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    problems: list[str] = []
    classes: dict[str, list[str]] = defaultdict(list)
    for path in listed.stdout.split("\0"):
        if path.endswith(".py") and (PROJECT / path).is_file():
            tree = ast.parse((PROJECT / path).read_bytes())
            problems += find_names(path, tree)
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    classes[node.name.strip("_")].append(f"{path}:{node.lineno}")
    problems += find_repeated_classes(classes)
    print(*problems, sep="\n", end="\n" if problems else "")

    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
