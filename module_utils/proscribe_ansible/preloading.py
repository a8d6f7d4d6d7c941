"""Loads what every host's task needs in the process that all workers are forked from: else each loads it again."""

from __future__ import annotations

import gc

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import (
    action_loader,
    become_loader,
    connection_loader,
    filter_loader,
    shell_loader,
    test_loader,
)
from ansible.template import Templar, trust_as_template
from proscribe.controller.report.collection.plays import OBSERVE_ACTIONS
from proscribe.wire import installation

MIN_COLLECTION_OBJECTS = 20_000  # new objects that Python looks through for garbage


def load_shared_plugins() -> None:
    """Load it here (docs/speed.md)."""
    filter_loader.get("default")
    test_loader.get("defined")
    Templar(DataLoader()).template(trust_as_template("{{ '' | default('') }}"))  # the first expression costs most
    for loader, name in (
        (action_loader, installation.qualify_name(OBSERVE_ACTIONS[0])),
        (connection_loader, "ssh"),
        (become_loader, "sudo"),
    ):
        loader.get(name, class_only=True)
    shell_loader.get("sh")
    # What is here stays, and is not worth being collected first. A worker that looked through it would copy the memory
    # it shares with the others. And what a run makes is nearly all of it no garbage that has to be looked for.
    gc.freeze()
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, MIN_COLLECTION_OBJECTS), *others)
