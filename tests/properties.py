"""How many examples a property is tried with, in each size; only `nightly` draws other examples each time."""

from hypothesis import HealthCheck, settings
from suite.sizes import DEFAULT, FAST, NIGHTLY

MOST = {FAST: 15, DEFAULT: 100, NIGHTLY: 300}  # of a property that names no number
SHARE = 30  # of a number above that, a 30th is tried in `default`
# How long an example takes says how busy the machine is.
BUSY = [HealthCheck.too_slow]


def register():
    """`--hypothesis-profile` is read after this, and before any test is imported."""
    for name, most in MOST.items():
        same = name != NIGHTLY
        settings.register_profile(
            name,
            settings.get_profile("ci"),  # the same examples each time, from no database
            derandomize=same,
            max_examples=most,
            deadline=None,
            suppress_health_check=BUSY,
            print_blob=True,
        )
    settings.load_profile(DEFAULT)


def examples(number, *unchecked, **more):
    """For a property that deserves this number: all of them only in `nightly`."""
    size = settings.get_current_profile_name().partition("-")[0]  # pytest's -v makes fast-with-verbose-verbosity of it
    if size == FAST:
        number = min(number, MOST[FAST])
    elif size == DEFAULT:
        number = max(min(number, MOST[DEFAULT]), number // SHARE)
    return settings(max_examples=number, suppress_health_check=[*BUSY, *unchecked], **more)
