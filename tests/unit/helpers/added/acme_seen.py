"""What a checkout with acme.py makes of a host that has a package of Acme's: in JSON, for test_one_file_each.py.

Arguments: the host's root directory, a folder for the exports, a folder of the catalogue.
"""

import datetime
import json
import sys
from pathlib import Path

checkout = Path.cwd()
sys.path[:0] = [str(checkout / "module_utils"), str(checkout / "tests/unit/helpers")]

import fleets  # noqa: E402
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue  # noqa: E402
from proscribe.controller.compile.plans.plan_compiler import compile_plan  # noqa: E402
from proscribe.controller.compile.restrictions import read_restrictions  # noqa: E402
from proscribe.controller.policy_errors import PolicyErrors  # noqa: E402
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records  # noqa: E402
from proscribe.controller.report.exports import list_default_names, write_exports  # noqa: E402
from proscribe.host.controls.apps import changes  # noqa: E402
from proscribe.host.host_operations import compliance_state  # noqa: E402
from proscribe.host.system import Host  # noqa: E402
from proscribe.wire.answers import results  # noqa: E402
from proscribe.wire.answers.record import read_record  # noqa: E402

root, exports, catalog = sys.argv[1:]
entry = Path(catalog, "instant_messaging/courier.yml")
try:
    entry.write_text(entry.read_text().replace("telegram", "-x"))
    read_catalogue([Path(catalog)])
    mistake = ""
except PolicyErrors as errors:
    mistake = str(errors)
entry.write_text(entry.read_text().replace("-x", "telegram"))
settings = read_restrictions({"proscribe_controls": {"apps": "enforce"}}, str)
plan = compile_plan(read_catalogue([Path(catalog)]), settings, (), datetime.date(2026, 11, 25))
host = Host(root)
answer = results.read_observation(compliance_state(host, plan, ["apps"], "never", False))
record = read_record("web01", answer["record"])
run = fleets.run() | {"hosts": {"web01": plan["digest"]}}
fleet = reconcile_records(run["hosts"], [record], {})
paths = write_exports(
    Path(exports), make_run_report(run, fleet, "2026-11-25T00:31:00Z"), fleet.records, list_default_names()
)
json.dump(
    {
        "mistake": mistake,
        "plan": plan["controls"]["apps"]["services"]["courier"]["packages"],
        "record": record["rules"],
        "package systems": record["package_systems"],
        "exports": {path.name: path.read_text() for path in paths},
        "actions": [str(action) for action in changes.enforce(host, plan).actions],
    },
    sys.stdout,
)
