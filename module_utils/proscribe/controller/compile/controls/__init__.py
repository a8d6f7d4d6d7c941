"""The compilers of all controls by name. Each control is a file of this package, which has its COMPILER."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from ....model.vocabulary import CONTROLS
from .compiler import ControlCompiler

COMPILERS: Mapping[str, ControlCompiler] = {
    control: import_module(f".{control}", __name__).COMPILER for control in CONTROLS
}
