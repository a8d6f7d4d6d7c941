"""Id of the workflow job of an automation controller (AWX), from the variables that AWX gives to each job.

A sliced job template splits a run into jobs for parts of the inventory (slices). All slices of a launch have the same
workflow job (awx/main/models/unified_jobs.py, awx_meta_vars).
"""

from __future__ import annotations

from collections.abc import Mapping

from ...policy_errors import PolicyError, PolicyErrors, UnexpectedValue
from ..restrictions.readers import read_round

VARIABLES = ("awx_workflow_job_id", "tower_workflow_job_id")  # the second name is the older one


def read_workflow_job(variables: Mapping[str, object]) -> str:
    """Return the id of a run's workflow job; "" if there is none. Raises PolicyErrors for an invalid id."""
    for name in VARIABLES:
        setting = variables.get(name)
        try:
            if id_ := read_round("" if setting is None else setting):
                return id_
        except UnexpectedValue as mistake:
            raise PolicyErrors([PolicyError("", name, setting, mistake.expected)]) from None
    return ""
