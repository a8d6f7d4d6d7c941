"""The documentation that all modules that change a host share."""

from __future__ import annotations


class ModuleDocFragment:
    """The option `run` of all modules that take turns on a host: the name of the run, and its waiting time."""

    DOCUMENTATION = r"""
options:
  run:
    description:
      - Runs that change a host take turns. This is what others read that wait for this one, C(by), which the action
        plugin sets, and how many seconds it waits for others, C(wait).
    type: dict
    suboptions:
      by:
        description: The run, its account and its controller.
        type: str
      wait:
        description: Seconds; 300 if left out.
        type: float
"""
