"""The Ansible side of the modules that change hosts. proscribe.host.host_operations.change does the work."""

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


# The description of this run, which other runs show while they wait (host/system/host_lock.py).
RUN_ARGUMENT = {"run": {"type": "dict", "options": {"by": {"type": "str"}, "wait": {"type": "float"}}}}


class ModuleCall(AnsibleModule):
    """A call of a module that changes hosts.

    The log of the host gets the name of the plan, its sender, and the changes. Ansible would log the whole plan with
    every call.
    """

    def __init__(self, argument_spec: Mapping[str, object], **more: Any) -> None:
        super().__init__(argument_spec={**argument_spec, **RUN_ARGUMENT}, **more)
        self.host = Host()
        run = self.params.pop("run") or {}
        self.host.changed_by = run.get("by") or ""
        self.host.lock_timeout = run.get("wait") or self.host.lock_timeout

    def _log_invocation(self) -> None:
        parameters = {
            name: content.get("digest") if isinstance(content, dict) else content
            for name, content in self.params.items()
        }
        parameters["by"] = (self.params.get("run") or {}).get("by")
        self.log(" ".join(["Invoked with", *(f"{name}={content}" for name, content in parameters.items() if content)]))

    def log_actions(self, actions: Sequence[str]) -> None:
        """Log the changes on one line. Actions contain names of users' files, which must not add lines to the log."""
        if actions and not self.check_mode:
            self.log(f"Did {format_one_line('; '.join(actions))}")


def serve_control(control: str) -> None:
    """Answer a call of the enforcing module of a control, and exit."""
    module = ModuleCall(argument_spec=PLAN_ARGUMENTS, supports_check_mode=True)
    plan = take_plan(module)
    lift = module.params["state"] == "absent"
    serve_call(module, lambda: change(module.host, plan, control, lift=lift, dry_run=module.check_mode))


def take_plan(module: ModuleCall) -> Any:
    """Return the plan of a call, and leave only its digest in the parameters.

    So the answer does not carry the whole plan back.
    """
    plan = module.params["plan"]
    module.params["plan"] = (plan or {}).get("digest")
    return plan


def serve_call(module: ModuleCall, do_work: Callable[[], ChangeAnswer | QuarantineAnswer]) -> None:
    """Answer a call with the result of `do_work`, or with its failure, and exit."""
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
    """Return the runs that this run shared the host with."""
    return {"other_runs": module.host.other_runs} if module.host.other_runs else {}
