"""Parts of Ansible's objects, found by name or by type."""

from types import SimpleNamespace

import pytest
from proscribe.controller.ansible_parts import identity, part_of


class Play:
    pass


FIRST, SECOND = Play(), Play()


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        (SimpleNamespace(other=FIRST, _play=SECOND), SECOND),
        (SimpleNamespace(_play=None, other=FIRST), None),
        (SimpleNamespace(number=1, other=FIRST, more=SECOND), FIRST),
        (SimpleNamespace(number=1), None),
    ],
)
def test_a_part_has_its_name_or_its_type(whole, part):
    assert part_of(whole, "_play", Play) is part


@pytest.mark.parametrize(("named", "expected"), [({"_uuid": "u"}, "u"), ({"_uuid": ""}, "a.yml:3"), ({}, "a.yml:3")])
def test_a_task_is_known_by_its_id_or_its_place(named, expected):
    assert identity(SimpleNamespace(get_path=lambda: "a.yml:3", **named)) == expected
