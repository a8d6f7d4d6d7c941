"""The services that a host's restrictions select, and the degree of each restriction. Pure."""

from __future__ import annotations

from ...policy_errors import PolicyError, PolicyErrors, propose_similar_names
from ..catalogue.catalogue_loader import Catalogue, Service
from ..catalogue.schema import BOTH, CATEGORIES
from ..restrictions import PREFIX, Restrictions, group_restrictions
from .identifiers import get_identifiers, remove_web_identifiers


def select_services(catalogue: Catalogue, restrictions: Restrictions) -> list[tuple[Service, bool]]:
    """Return (service, is_enforced) for each service that a host's restrictions select, sorted by id.

    If `is_enforced` is False, the service is only reported. Raises PolicyErrors for ids that the catalogue does not
    have, and for group restrictions that could have no effect.
    """
    errors = [
        PolicyError(
            "", f"{PREFIX}services_{name}", id_, "a service of the catalogue" + _describe_near_id(id_, catalogue)
        )
        for name, ids in (("include", restrictions.services_include), ("exclude", restrictions.services_exclude))
        for id_ in ids
        if id_ not in catalogue.services
    ]
    errors += [
        PolicyError(
            "", f"{PREFIX}feeds[{index}]", id_, "a feed of the catalogue" + propose_similar_names(id_, catalogue.feeds)
        )
        for index, id_ in enumerate(restrictions.feeds if isinstance(restrictions.feeds, tuple) else ())
        if id_ not in catalogue.feeds
    ]
    errors += group_restrictions.find_group_mistakes(
        restrictions.groups_restricted,
        catalogue.services,
        lambda id_: _explain_unrestricted(catalogue.services[id_], restrictions),
        lambda control, id_: _can_find_programs(catalogue, restrictions, control, catalogue.services[id_]),
    )
    if errors:
        raise PolicyErrors(errors)
    return [
        (service, _is_enforced(service, restrictions))
        for _, service in sorted(catalogue.services.items())
        if not explain_exclusion(service, restrictions)
    ]


def _describe_near_id(id_: str, catalogue: Catalogue) -> str:
    """Return a hint for the message about an unknown service id: its category, or similar ids; "" if there are none."""
    if id_ in CATEGORIES:
        return f"; {id_!r} is a category: {PREFIX}categories has these"
    return propose_similar_names(id_, catalogue.services)


def _is_enforced(service: Service, restrictions: Restrictions) -> bool:
    """Return True if a selected service is enforced, and False if it is only reported.

    A service in `services_include` is enforced in any case.
    """
    is_named = service.id in restrictions.services_include
    return is_named or (service.enforce and service.category in restrictions.categories)


def explain_exclusion(service: Service, restrictions: Restrictions) -> str:
    """Return the reason that the restrictions leave a service out, as a phrase; "" if they select it."""
    if service.id in restrictions.services_include:
        return ""
    if service.id in restrictions.services_exclude:
        return f"{PREFIX}services_exclude names it"
    if service.category not in (*restrictions.categories, *restrictions.categories_reported):
        return f"its category, {service.category}, is not among {PREFIX}categories"
    if service.audience not in restrictions.audiences:
        return f"its audience, {service.audience}, is not among {PREFIX}audiences"
    return ""


def _explain_unrestricted(service: Service, restrictions: Restrictions) -> str:
    """Return the reason that the restrictions do not restrict a service, as a phrase; "" if they do."""
    if reason := explain_exclusion(service, restrictions):
        return reason
    only_reported = f"it is only reported, unless {PREFIX}services_include names it"
    return "" if _is_enforced(service, restrictions) else only_reported


def _can_find_programs(catalogue: Catalogue, restrictions: Restrictions, control: str, service: Service) -> bool:
    """Return True if a control can detect or block a service otherwise than by web pages in browsers.

    False if the control is off, if the service's sites stay open for business accounts, or if its programs stay.
    """
    if restrictions.controls[control] == "off" or (control != "apps" and is_separated_by_tenant(service, restrictions)):
        return False
    if control == "apps" and has_permitted_programs(service, restrictions):
        return False
    identifiers = get_identifiers(catalogue, control, service, restrictions.feeds)
    return bool(remove_web_identifiers(identifiers) if control == "apps" else identifiers)


def is_separated_by_tenant(service: Service, restrictions: Restrictions) -> bool:
    """Return True if the organisation has business accounts (a tenant) on the same sites as personal accounts.

    Then the sites stay open, and the browser's tenant control distinguishes the accounts.
    """
    return bool(service.tenants and restrictions.tenants[service.tenants])


def has_permitted_programs(service: Service, restrictions: Restrictions) -> bool:
    """Return True if a service's programs serve permitted accounts, too, and the organisation only reports them.

    Then the programs stay. The browser, the DNS filter and the policies of tenants distinguish the accounts.
    """
    return service.programs == BOTH and restrictions.programs_for_both == "report"
