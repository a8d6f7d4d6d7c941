"""The rows of a report for the exports that an organisation feeds to its points: what each directory is found to be, and
how the report's outputs have it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from export_fleet import exported
from fleets import FINISHED, collector_of_all_states
from proscribe.controller.cli import export, inventory
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.compile.plans.points import due_points
from proscribe.controller.compile.restrictions.points import Fed
from proscribe.controller.enforcement_points.observed import points_of
from test_cli_export import INVENTORY

NOW = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)
AT = "2026-11-27T08:00:00Z"
