"""The catalogue beside independent public lists: a name that two or more have is blocked, or it has a reason."""

from made_catalogue import OWN
from proscribe.controller.cli.catalog.checking import find_problems
from proscribe.controller.cli.catalog.loaded_catalogue import LoadedCatalogue
from public_lists import names, standing


def test_a_name_of_two_lists_is_blocked_or_has_a_reason(own_catalogue):
    found = [(service, *one) for service, listed in names().items() for one in listed.items()]
    assert [one for one in found if not standing(own_catalogue, *one[:2])] == []


def test_of_the_names_without_a_reason_nearly_all_are_blocked(own_catalogue):
    found = [standing(own_catalogue, service, name) for service, listed in names().items() for name in listed]
    counted = [one for one in found if one in ("blocked", "")]
    assert len(found) > 200 and counted.count("blocked") >= 0.98 * len(counted)


def test_the_projects_catalogue_has_no_problem_that_check_finds(own_catalogue):
    assert list(find_problems(LoadedCatalogue([OWN], own_catalogue))) == []
