"""What the modules that change hosts share: the Ansible side of a call. The work is proscribe.host.run.change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.proscribe.host.run import change
from ansible.module_utils.proscribe.host.system import ControlError, Host, one_line
from ansible.module_utils.proscribe.host.system.file_lock import Busy

if TYPE_CHECKING:
    from proscribe.model.types.answer import ChangeAnswer, QuarantineAnswer

ARGUMENTS = {
    "plan": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


# What an action says of its run, for the runs of others (host/system/file_lock.py).
RUN = {"run": {"type": "dict", "options": {"by": {"type": "str"}, "wait": {"type": "float"}}}}


class Call(AnsibleModule):
    """One call of a module that changes hosts. A host's own log keeps the name of the plan, who sent it, and what was
    done. Ansible would write all of the plan there, with every call.
    """

    def __init__(self, argument_spec: Mapping[str, object], **more: Any) -> None:
        super().__init__(argument_spec={**argument_spec, **RUN}, **more)
        self.host = Host()
        run = self.params.pop("run") or {}
        self.host.by = run.get("by") or ""
        self.host.patience = run.get("wait") or self.host.patience

    def _log_invocation(self) -> None:
        given = {name: value.get("digest") if isinstance(value, dict) else value for name, value in self.params.items()}
        given["by"] = (self.params.get("run") or {}).get("by")
        self.log(" ".join(["Invoked with", *(f"{name}={value}" for name, value in given.items() if value)]))

    def log_done(self, actions: Sequence[str]) -> None:
        """Write down what was done. Actions name files of users, who must not write lines of their own there."""
        if actions and not self.check_mode:
            self.log(f"Did {one_line('; '.join(actions))}")


def answer_for(control: str) -> None:
    """Answer one call of the enforcing module of that control, and exit."""
    module = Call(argument_spec=ARGUMENTS, supports_check_mode=True)
    plan = taken_plan(module)
    lift = module.params["state"] == "absent"
    answer(module, lambda: change(module.host, plan, control, lift=lift, dry_run=module.check_mode))


def taken_plan(module: Call) -> Any:
    """The plan of a call, of which only the digest stays behind: an answer need not carry the whole plan back."""
    plan = module.params["plan"]
    module.params["plan"] = (plan or {}).get("digest")
    return plan


def answer(module: Call, work: Callable[[], ChangeAnswer | QuarantineAnswer]) -> None:
    """Answer a call with what `work` returns, or with how it failed, and exit."""
    try:
        result = work()
        module.log_done(result.get("actions", ()))
        module.exit_json(**result, **_others(module))
    except (ControlError, ValueError) as error:
        done = list(getattr(error, "done", ()))
        module.log_done(done)
        busy = {"busy": error.turn._asdict()} if isinstance(error, Busy) else _others(module)
        module.fail_json(msg=str(error), changed=bool(done), actions=done, refused=[], **busy)


def _others(module: Call) -> dict[str, object]:
    """With whom the run had to share the host."""
    return {"other_runs": module.host.other_runs} if module.host.other_runs else {}
