"""The commands of the documents that no test runs: a pattern (fnmatch) of each, and the reason."""

import re
from fnmatch import fnmatchcase

REASONS = {
    "./proscribe test*": "it is what runs this test",
    "export MOLECULE_GLOB=*": "for the lines below it, in a shell of somebody who works on the project",
    "tests/tool *": "of the tests' own environment; ./proscribe test runs the same tests, and the scenario of Molecule",
    "*tests/observe.py *": "test_observe.py runs it, with a plan of its own",
    "*python tests/mutation *": "minutes of processor time; tests/mutation has tests of its own",
    "*tests/bench/fleet *": "minutes of processor time and many hosts",
    "*tests/bench/compile_scale.py *": "minutes of processor time",
    "python tests/bench/hostile_users.py *": "an hour",
    "python tests/bench/soak.py *": "hours",
    "proscribe-watch *": "of a host that observes itself: tests/integration/test_watch.py",
    "./proscribe requests*": "no user of a made host has requested anything; test_requests_story.py runs it",
    "./proscribe waiver new *--request *": "test_requests_story.py drafts from a request",
    "./proscribe waiver sign *press01-wong-*": "test_requests_story.py signs a draft",
    "./proscribe collection*": "test_collection.py installs what it builds",
    "ansible-galaxy collection install *": "test_collection.py installs the collection in a team's project",
    "ansible-playbook proscribe.ban.*": "test_collection.py runs it from a team's project",
    "*/proscribe_command.py *": "test_collection.py starts it from a team's project",
    "ansible-galaxy collection verify *": "test_collection_built.py verifies what is installed",
    **dict.fromkeys(("cd dist", "sha256sum *"), "test_release_a_version.py follows the page"),
    "ssh-keygen -Y *": "test_release_a_version.py follows the page, with a key of its own",
    "git init ../proscribe-ban": "test_vendored.py makes such a repository, as by the lines below it",
    **dict.fromkeys(("tar -xzf dist/*", "cd ../proscribe-ban", "git add --all"), "test_vendored.py"),
    **dict.fromkeys(("git commit --message *", "git tag v1.0.0"), "test_vendored.py"),
    "ansible-playbook -i inventory/hosts.yml *": "test_vendored.py runs it from a team's repository",
    "git submodule add *": "test_vendored.py adds a clone of this checkout",
    **dict.fromkeys(
        ("*vendor/proscribe/proscribe *", "ansible-navigator run *"), "test_vendored.py runs it for a team"
    ),
    "./proscribe * --limit dc1": "test_group_policy.py runs it on a domain controller",
    "./proscribe export *": "needs a group of the reader's; test_cli_export.py has some",
    "node_exporter *": "another project's program, which runs until it is ended",
    "python3 -m pip download *": "needs a package index; test_without_the_internet.py does it",
    "apt-get install ansible-core": "needs a mirror; the machine has it",
    "./proscribe catalog refresh *": "reaches publishers; test_catalog_refresh.py has one of its own",
    "./proscribe catalog propose *": "needs a list of the reader's; test_cli_catalog.py has one",
    "./proscribe catalog recall *": "needs public lists of the reader's; test_catalog_recall.py has made ones",
    "git clone https://github.com/magicsword-io/LOLRMM *": "reaches a publisher",
    "./proscribe diff HEAD -i inventory/": "of a change that refresh has made; test_diff_word.py has others",
    "sudo install -d */var/log/proscribe": "needs an account of the reader's; test_events_real.py has such a directory",
    "jq * /var/log/proscribe/events.jsonl": "needs jq, and a run that sent events: test_events_real.py reads them back",
    "journalctl -o cat PROSCRIBE_*": "needs jq, and a run that sent events: test_events_real.py reads them back",
    "./proscribe explain * --expect *": "needs the table above it; test_policy_repository.py runs one",
    "ansible-builder build *": "needs a base image of the reader's and a registry",
}


def without_comment(text):
    """A command as it is looked up here, and in the tables of those that run it."""
    return re.sub(r"\s+#.*", "", text)


def reason(text):
    """Why a command is not run; "" for one that is."""
    return next((why for pattern, why in REASONS.items() if fnmatchcase(without_comment(text), pattern)), "")
