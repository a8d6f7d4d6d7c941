"""The documentation that all modules that change a host share."""

from __future__ import annotations


class ModuleDocFragment:
    """The option of the enforcing modules, drift_schedule and quarantine about their turn on a host."""

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
