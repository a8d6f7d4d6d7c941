"""The Ansible side of the modules that change hosts: arguments, log, answer.

proscribe.host.host_operations.change does the work of the modules for controls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.proscribe.host.host_operations import change
from ansible.module_utils.proscribe.host.system import ControlError, Host, format_one_line
from ansible.module_utils.proscribe.host.system.host_lock import HostBusyError

if TYPE_CHECKING:
    from proscribe.model.types.answer import ChangeAnswer, QuarantineAnswer

PLAN_ARGUMENTS = {
    "plan": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


# `by` names this run for other runs that wait for it; `wait` is its own limit in seconds (host/system/host_lock.py).
RUN_ARGUMENT = {"run": {"type": "dict", "options": {"by": {"type": "str"}, "wait": {"type": "float"}}}}


class ModuleCall(AnsibleModule):
    """A call of a module that changes hosts.

    The host's log gets the digest of the plan, the run that sent it, and the changes. Ansible itself would log the
    whole plan with every call.
    """

    def __init__(self, argument_spec: Mapping[str, object], **more: Any) -> None:
        super().__init__(argument_spec={**argument_spec, **RUN_ARGUMENT}, **more)
        self.host = Host()
        run = self.params.pop("run") or {}
        self.host.changed_by = run.get("by") or ""
        self.host.lock_timeout = run.get("wait") or self.host.lock_timeout

    def _log_invocation(self) -> None:
        """Write the arguments of the call to the host's log, with the digest in place of a plan.

        Ansible calls this.
        """
        parameters = {
            name: content.get("digest") if isinstance(content, dict) else content
            for name, content in self.params.items()
        }
        parameters["by"] = (self.params.get("run") or {}).get("by")
        self.log(" ".join(["Invoked with", *(f"{name}={content}" for name, content in parameters.items() if content)]))

    def log_actions(self, actions: Sequence[str]) -> None:
        """Write the changes to the host's log, as a single line. In check mode nothing is logged.

        Actions contain names of users' files, which must not add lines to the log.
        """
        if actions and not self.check_mode:
            self.log(f"Did {format_one_line('; '.join(actions))}")


def serve_control(control: str) -> None:
    """Enforce or lift a control as the arguments of the call request, print the answer, and exit."""
    module = ModuleCall(argument_spec=PLAN_ARGUMENTS, supports_check_mode=True)
    plan = take_plan(module)
    lift = module.params["state"] == "absent"
    serve_call(module, lambda: change(module.host, plan, control, lift=lift, dry_run=module.check_mode))


def take_plan(module: ModuleCall) -> Any:
    """Return the plan of a call, and replace it by its digest in the parameters.

    Ansible returns the parameters with the answer, so the whole plan would be sent back.
    """
    plan = module.params["plan"]
    module.params["plan"] = (plan or {}).get("digest")
    return plan


def serve_call(module: ModuleCall, do_work: Callable[[], ChangeAnswer | QuarantineAnswer]) -> None:
    """Call `do_work`, print its result or its failure as the answer of the module, and exit.

    A failure is a ControlError or ValueError. Its answer has the actions done before it, and `busy` if another run
    holds the host's lock.
    """
    try:
        result = do_work()
        module.log_actions(result.get("actions", ()))
        module.exit_json(**result, **_list_other_runs(module))
    except (ControlError, ValueError) as error:
        done = list(getattr(error, "done", ()))
        module.log_actions(done)
        busy = {"busy": error.turn._asdict()} if isinstance(error, HostBusyError) else _list_other_runs(module)
        module.fail_json(msg=str(error), changed=bool(done), actions=done, refused=[], **busy)


def _list_other_runs(module: ModuleCall) -> dict[str, object]:
    """Return {other_runs: the other runs that changed the host around this run}; {} if there are none."""
    return {"other_runs": module.host.other_runs} if module.host.other_runs else {}
