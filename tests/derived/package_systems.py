"""What follows from the package systems: their list for hosts, the spelling of names for the controller."""

import importlib
from pathlib import Path
from typing import NamedTuple

from proscribe.host.controls.apps import systems
from proscribe.host.controls.apps.systems.declaration import SystemDeclaration

from .part import Part
from .python_source import as_text, as_tuple, begin_module

PACKAGE = "module_utils/proscribe"


class Found(NamedTuple):
    """A package system, and the name of its file."""

    file: str
    declared: SystemDeclaration


def declared():
    """All package systems: those of the host, those that are queried on every host, and those that leave traces."""
    found = []
    for path in sorted(Path(systems.__path__[0]).glob("*.py")):
        if path.stem not in {"__init__", "package_systems"}:
            module = importlib.import_module(f"{systems.__name__}.{path.stem}")
            found += [Found(path.stem, one) for one in getattr(module, "DECLARED", ())]
    return sorted(found, key=lambda one: (not one.declared.is_host_wide, bool(one.declared.traces), one.declared.name))


def _answers(one):
    return f"{one.file}.{one.declared.implementation}" if one.declared.implementation else one.file


def _listed(name, kind, items):
    yield f"{name}: tuple[{kind}, ...] = ("
    yield from (f"    {item}," for item in items)
    yield ")"


def _begin(about, *lines):
    return begin_module(about, "the package systems", *lines)


def package_systems():
    """The list for hosts. AnsiballZ and the stream take only modules that an import names, so no folder is listed at
    run time. The file of a system that leaves traces is imported only where one is found.
    """
    always = [one for one in declared() if not one.declared.traces]
    traced = [one for one in declared() if one.declared.traces]
    lines = _begin("All package systems.", f"from . import {', '.join(sorted({one.file for one in always}))}")
    lines += ["from .on_demand_system import OnDemandSystem, PackageSystemCore", "from .package import PackageSystem"]
    for one in traced:
        lines += ["", "", f"def _load_{one.declared.name}() -> PackageSystemCore:", f"    from . import {one.file}", ""]
        lines += [f"    return {_answers(one)}"]
    lines += ["", "", "ON_DEMAND: tuple[OnDemandSystem, ...] = ("]
    for one in traced:
        system = one.declared
        texts = (as_text(system.name), as_text(system.catalogue_key))
        lines += ["    OnDemandSystem(", *(f"        {text}," for text in texts)]
        lines += [f"        _load_{system.name},", *as_tuple(system.traces)]
        lines += [*["        has_named_directories=True,"] * bool(system.has_named_directories), "    ),"]
    lines += [")", "# An account without a home directory may have packages of these systems."]
    lines += ["NAMED_DIRECTORY_SYSTEMS = tuple(system for system in ON_DEMAND if system.has_named_directories)"]
    host_wide = [_answers(one) for one in always if one.declared.is_host_wide]
    lines += _listed("HOST_WIDE_SYSTEMS", "PackageSystem", host_wide)
    others = [_answers(one) for one in always if not one.declared.is_host_wide]
    lines += _listed("SYSTEMS", "PackageSystem", ["*HOST_WIDE_SYSTEMS", *others, "*ON_DEMAND"])
    return "\n".join(lines) + "\n"


def names():
    spelled = {one.declared.catalogue_key: one.declared.id_format for one in declared() if one.declared.id_format}
    if lacking := {one.declared.catalogue_key for one in declared()} - spelled.keys():
        raise ValueError(f"no package system declares how {', '.join(sorted(lacking))} spells its names")
    guarded = sorted({one.declared.catalogue_key for one in declared() if one.declared.is_guarded})
    lines = _begin(
        "Spelling of names in package systems, by their key in the catalogue.",
        "# Value: a regular expression that matches a whole name, and its description for error messages.",
        "NAMES: dict[str, tuple[str, str]] = {",
    )
    for key, ids in spelled.items():
        assert ids
        raw = f'r"{ids.id_pattern}"' if '"' not in ids.id_pattern else f"r'{ids.id_pattern}'"
        lines += [f"    {as_text(key)}: (", f"        {raw},", f"        {as_text(ids.meaning)},", "    ),"]
    lines += ["}", "# The catalogue may not name a package of these systems that the guard list protects."]
    lines += _listed("GUARDED", "str", [as_text(key) for key in guarded])
    return "\n".join(lines) + "\n"


def _fitted(begin, opening, items, closing):
    line = f"{begin}{opening}{', '.join(items)}{closing},"
    indent = " " * (len(begin) - len(begin.lstrip()))
    if len(line) <= 120 and not any("\n" in item for item in items):
        return [line]
    return [f"{begin}{opening}", *(f"{indent}    {item}," for item in items), f"{indent}{closing},"]


def _by_name(commands):
    items = [f"{as_text(key)}: {as_text(text)}" for key, text in commands.items()]
    return "\n".join(_fitted(" " * 8, "{", items, "}")).strip(" ,")


def reinstalls():
    """How what was removed is installed again, by package system."""
    spelled = {one.declared.catalogue_key: one.declared.id_format for one in declared() if one.declared.id_format}
    lines = _begin(
        "Commands of package systems that install removed packages again, by their name in findings.",
        "# Value: patterns of ids and of names, the separator before a version, commands by front end and by mark.",
        "COMMANDS: dict[str, tuple[str, str, str, dict[str, str], dict[str, str]]] = {",
    )
    for one in sorted(declared(), key=lambda one: one.declared.name):
        if (how := one.declared.reinstall) and (ids := spelled[one.declared.catalogue_key]):
            texts = [as_text(text) for text in (ids.id_pattern, how.name_pattern, how.version_separator)]
            items = [*texts, _by_name(how.commands), _by_name(how.mark_commands)]
            lines += _fitted(f"    {as_text(one.declared.name)}: ", "(", items, ")")
    return "\n".join([*lines, "}"]) + "\n"


DERIVED = (
    Part(f"{PACKAGE}/host/controls/apps/systems/package_systems.py", package_systems),
    Part(f"{PACKAGE}/controller/compile/reading/package_names.py", names),
    Part(f"{PACKAGE}/controller/report/text/package_commands.py", reinstalls),
)
