"""What others run beside Ansible, in environments of their own, which PyPI makes on first use."""

import os
import sys
import tomllib

import ansible.release
import machine
import pytest
from checkout import PROJECT


def installed(label, extra):
    """The environment with that extra of pyproject.toml beside the Ansible of the tests, or the end of the test."""
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    version = ansible.release.__version__
    directory = machine.CACHE / f"{extra.removeprefix('test-')}-core{version}"
    made = machine.made(label, directory, sys.executable, [f"ansible-core=={version}", *extras[extra]])
    if made.missing:
        if os.environ.get("PROSCRIBE_TESTS_COMPLETE") == "1":
            pytest.fail(made.missing, pytrace=False)
        pytest.skip(f"needs {label}: {made.missing}")
    return made
