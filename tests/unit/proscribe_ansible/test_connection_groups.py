"""Groups of hosts whose connections have the same options."""

import pytest
from ansible.template import trust_as_template
from members import make_member, make_task
from proscribe.wire import installation
from proscribe_ansible import connection_groups

OPTIONS = ("ansible_user", "ansible_ssh_common_args", "ansible_ssh_retries", "ansible_sudo_flags")
OPTIONS += ("ansible_python_interpreter", "ansible_become_method", "ansible_connection", "ansible_network_os")
OPTIONS += ("ansible_shell_executable", "ansible_remote_tmp")
EVALUATED = ("become_user", "become_method", "become_flags", "become_exe", "remote_user", "port", "connection")
EVALUATED += ("check_mode",)


@pytest.fixture
def names():
    connection_groups.list_plugin_variables.cache_clear()
    return connection_groups.list_plugin_variables(*connection_groups.USUAL_PLUGINS)


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ({}, {}, True),
        *(({name: "a"}, {name: "b"}, True) for name in ("ansible_host", "ansible_ssh_host", "department")),
        ({"inventory_hostname": "h1"}, {"inventory_hostname": "h2"}, True),
        *(({name: "a"}, {name: "b"}, False) for name in ("ansible_user", "ansible_become_password")),
        *(({name: "a"}, {}, False) for name in OPTIONS),
        ({"ansible_port": 22}, {"ansible_port": "22"}, False),  # which is only slower
        ({"ansible_su_flags": "-l"}, {}, True),  # of a plugin that is not the usual one
        ({"ansible_become": True}, {"ansible_become": False}, False),
        ({"ansible_user": "{{ who }}", "who": "a"}, {"ansible_user": "{{ who }}", "who": "a"}, True),
        ({"ansible_user": "{{ who }}", "who": "a"}, {"ansible_user": "{{ who }}", "who": "b"}, False),
        ({"ansible_user": "{{ who }}", "who": "a"}, {"ansible_user": "a"}, True),
        ({"ansible_user": "{{ nosuch }}"}, {"ansible_user": "a"}, False),
        ({"ansible_user": "{{ nosuch }}"}, {"ansible_user": None}, False),
    ],
)
def test_hosts_are_alike_if_all_but_their_addresses_are_equal(first, second, alike, names):
    values = []
    for options in (first, second):
        trusted = {name: trust_as_template(v) if isinstance(v, str) else v for name, v in options.items()}
        values.append(connection_groups.format_values(make_member(**trusted), names))
    assert (values[0] == values[1]) is alike


def test_hosts_that_are_reached_alike_are_a_group_in_their_order():
    hosts = [make_member(name, ansible_user=user) for name, user in (("a", "x"), ("b", "y"), ("c", "x"))]
    assert [[host.name for host in group] for group in connection_groups.group_alike(hosts)] == [["a", "c"], ["b"]]
    assert [len(group) for group in connection_groups.group_alike(hosts[:1])] == [1]
    each = [make_member(name, task=make_task(when=["x"])) for name in ("a", "b")]
    assert [[host.name for host in group] for group in connection_groups.group_alike(each)] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("keywords", "constant"),
    [
        ({}, True),
        ({"become": "{{ any }}"}, True),  # in our own playbooks, which is tested there
        ({"when": ["x"]}, False),
        ({"get_path": lambda: "/srv/site.yml:3"}, True),
        ({"get_path": lambda: "/srv/site.yml:3", "become": True, "args": {"gate": "never"}}, True),
        ({"get_path": lambda: "/srv/site.yml:3", "become": "{{ any }}"}, False),
        ({"get_path": lambda: "/srv/site.yml:3", "args": {"gate": "{{ any }}"}}, False),
        *(({"get_path": lambda: "/srv/site.yml:3", keyword: "{{ any }}"}, False) for keyword in EVALUATED),
        ({"get_path": lambda: f"{installation.PLAYBOOKS}-of-others/site.yml:3", "remote_user": "{{ any }}"}, False),
    ],
)
def test_task_of_another_playbook_with_expressions_is_no_constant(keywords, constant):
    assert connection_groups.is_constant_task(make_task(**keywords)) is constant
