"""What the enforcing modules share: the Ansible side of changing one control. The work is proscribe.run.change."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.proscribe.host import ControlError, Host
from ansible.module_utils.proscribe.run import change

ARGUMENTS = {
    "plan": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def answer_for(control: str) -> None:
    """Answer one call of the enforcing module of that control, and exit."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    plan = taken_plan(module)
    lift = module.params["state"] == "absent"
    answer(module, lambda: change(Host(), plan, control, lift=lift, dry_run=module.check_mode))


def taken_plan(module):
    """The plan of a call, of which only the digest stays behind: an answer need not carry the whole plan back."""
    plan = module.params["plan"]
    module.params["plan"] = (plan or {}).get("digest")
    return plan


def answer(module, work):
    """Answer a call with what `work` returns, or with how it failed, and exit."""
    try:
        module.exit_json(**work())
    except (ControlError, ValueError) as error:
        done = list(getattr(error, "done", ()))
        module.fail_json(msg=str(error), changed=bool(done), actions=done, refused=[])
