"""docs/how-to/run-without-the-internet.md: the launcher's first use on a machine that has no network at all."""

import functools
import os
import shutil
import subprocess
import sys

import pytest
from checkout import PROJECT, Ended, clean_environment, launch, made_checkout, made_wheel, with_python
from patience import LONGEST
from processes import MERGED

pytestmark = pytest.mark.playbook

ALONE = ("unshare", "--net", "--mount")
# As the page says; a project of its own, so that nothing of this checkout's environment is there.
PARTS = "action_plugins ansible.cfg callback_plugins catalog filter_plugins inventory library module_utils playbooks"
PARTS = f"{PARTS} proscribe pyproject.toml roles test_plugins"


@pytest.fixture(autouse=True)
def can_be_alone():
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        if os.environ.get("PROSCRIBE_TESTS_COMPLETE") == "1":
            pytest.fail("needs root, to have a machine without a network", pytrace=False)
        pytest.skip("needs root, to have a machine without a network")


def alone(launcher, *words, before="", **environment):
    """The launcher where no network is; `before` is a script for its own mounts."""
    inherited = {name: value for name, value in with_python().items() if not name.startswith("PIP_")}
    argv = [*ALONE, "sh", "-euc", f'{before}\nexec "$@"', "sh", str(launcher), *words]
    own = {**inherited, "PIP_RETRIES": "0", **environment}
    done = subprocess.run(argv, env=own, timeout=LONGEST, **MERGED)
    return Ended(done.returncode, done.stdout)


@pytest.fixture
def launcher(tmp_path):
    (tmp_path / "wheels").mkdir()
    made_wheel(tmp_path / "wheels")
    return made_checkout(tmp_path / "checkout", "made-ansible>=1,<2")


def test_the_configuration_of_pip_leads_it_to_the_wheels_where_sudo_drops_variables(launcher, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {tmp_path}/wheels\n")
    before = f"""
cd {tmp_path} && mount -t tmpfs tmpfs etc && mkdir etc/upper etc/work
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$PWD/etc/upper,workdir=$PWD/etc/work" /etc && cp pip.conf /etc/"""
    ended = alone(launcher, "audit", before=before, HOME=str(tmp_path))
    assert (ended.code, ended.said.splitlines()[-1]) == (0, "made ansible 1")


def test_the_real_ones_are_fetched_elsewhere_carried_over_and_audit(tmp_path):
    wheels = tmp_path / "wheels"
    fetch = [sys.executable, "-m", "pip", "--quiet", "download", "--dest", str(wheels), "ansible-core>=2.19,<2.22"]
    fetched = subprocess.run(fetch, capture_output=True, text=True, timeout=LONGEST)
    if fetched.returncode:
        pytest.skip(f"needs a package index: {fetched.stderr[-300:]}")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for part in PARTS.split():
        copy = functools.partial(shutil.copytree, symlinks=True) if (PROJECT / part).is_dir() else shutil.copy
        copy(PROJECT / part, checkout / part)
    ended = alone(checkout / "proscribe", "audit", "--tags", "dns", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    assert ended.code == 0 and "1 host: 1 noncompliant" in ended.said, ended.said
    said = launch(checkout / "proscribe", "explain", "web.whatsapp.com", environment=clean_environment())
    assert (said.code, "web.whatsapp.com itself, of WhatsApp" in said.said) == (1, True), said.said
