"""The table of how restricted apps reach a host, in docs/coverage_data.md."""

from proscribe.host.controls.apps.systems.declaration import CoverageClaim

from .other_routes import ROUTES
from .package_systems import declared
from .part import Part

HEAD = ("installation route", "seen by", "removed by", "kept out by", "left open, and why")


def routes():
    return [*(route for one in declared() for route in one.declared.routes), *ROUTES]


def cells(route):
    return [(cell.statement if isinstance(cell, CoverageClaim) else cell) or "-" for cell in route]


def table():
    lines = ["| " + " | ".join(row) + " |" for row in (HEAD, *map(cells, routes()))]
    return "\n".join([lines[0], "|" + " --- |" * len(HEAD), *lines[1:]]) + "\n"


DERIVED = (Part("docs/coverage_data.md", table, "installation routes"),)
