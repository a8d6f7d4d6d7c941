"""An action for a throw-away project: it answers what canned.json beside it has for its name, host and call."""

import json
import time
from pathlib import Path

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Canned answers of Proscribe's actions, without a Python for each host."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        if self._connection.transport == "ssh":  # a host that is not there: what is said of it is what ssh says
            self._low_level_execute_command("true")
        canned = json.loads((Path(__file__).parent / "canned.json").read_text(encoding="utf-8"))
        answers = canned.get(self._task.action, {})
        host, call = self._task.args["host"], self._task.args.get("call", "first")
        answer = answers.get(f"{host}/{call}", answers.get(host))
        if waits := (answer or {}).pop("waits", ""):  # until somebody takes this file away
            Path(waits).touch()
            while Path(waits).exists():
                time.sleep(0.05)
        return {"changed": False, **result, **(answer or {})}
