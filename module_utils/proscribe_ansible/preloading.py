"""Preloading of the plugins that the tasks of all hosts need, in the process from which Ansible forks all workers.

Otherwise each worker would load them again.
"""

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

MIN_COLLECTION_OBJECTS = 20_000  # new objects before Python searches for garbage


def load_shared_plugins() -> None:
    """Load the plugins that all workers need, and reduce Python's searches for garbage (docs/speed.md)."""
    filter_loader.get("default")
    test_loader.get("defined")
    # The first expression that a process evaluates costs most, so it is evaluated here, before any fork.
    Templar(DataLoader()).template(trust_as_template("{{ '' | default('') }}"))
    for loader, name in (
        (action_loader, installation.qualify_name(OBSERVE_ACTIONS[0])),
        (connection_loader, "ssh"),
        (become_loader, "sudo"),
    ):
        loader.get(name, class_only=True)
    shell_loader.get("sh")
    # The loaded objects are never garbage, so a search for garbage among them is useless. In a worker it would also
    # copy memory that all workers share. A run makes hardly any garbage that needs such a search.
    gc.freeze()
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, MIN_COLLECTION_OBJECTS), *others)
