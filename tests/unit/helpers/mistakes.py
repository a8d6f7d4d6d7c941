"""The one mistake of a reading."""

import pytest
from proscribe.controller.policy_errors import PolicyError, PolicyErrors, UnexpectedValue


def get_mistake(read, *arguments, **options):
    """Return the one mistake that a call raises: a PolicyError, or an Expected of a value."""
    with pytest.raises((UnexpectedValue, PolicyError, PolicyErrors)) as raised:
        read(*arguments, **options)
    if isinstance(raised.value, PolicyErrors):
        (mistake,) = raised.value.errors
        return mistake
    return raised.value
