"""Devices that nobody has here, each as its vendor's page says that it reads its lists, agree with `explain`."""

import pytest
from agreeing_cases import cases
from agreeing_policy import OF_OTHER_NAME, OTHER, STRICT, WITH_HOURS_NAME, Answer, Exported, host_of, is_address, stated
from browser_setup import PROJECT
from device_readers import DEVICES
from proscribe.controller.cli.explain.reasons.reason import BLOCKED, OPEN
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.catalogue.known_good import read_known_good_lists
from published_lists import blocked_on_purpose


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("inventory") / "inventory", DEVICES)


@pytest.fixture(scope="module")
def hosts(policy):
    catalog = PROJECT / "catalog"
    meant = blocked_on_purpose(read_catalogue([catalog]))
    chosen = cases(
        policy.plan(STRICT), [name for name in read_known_good_lists([catalog])[0].names if name not in meant]
    )
    return [case for case in chosen if not is_address(case.word)]


@pytest.mark.parametrize("format_", sorted(DEVICES))
def test_a_device_answers_as_explain_does_and_its_manifest_says(policy, hosts, format_):
    folder = policy.export(format_)
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    blocks = DEVICES[format_](files)
    left_out = policy.left_out(format_)
    listed = {
        name for service in policy.plan(STRICT)["controls"]["dns"]["services"].values() for name in service["domains"]
    }
    closed = {case.word: blocks(host_of(case.word)) for case in hosts}
    assert set(closed.values()) == {True, False} and len(closed) > 200
    for host in (STRICT, OTHER):
        expected = {}
        for word in closed:
            answer = policy.controls(host, word)["dns"]
            expected[word] = stated(format_, word, Answer(answer["answer"], answer["reasons"]), left_out, listed)
        assert {word: is_closed for word, is_closed in closed.items() if is_closed != expected[word]} == {}
    for word in (OF_OTHER_NAME, WITH_HOURS_NAME):  # closed for both, since one of them may not have it
        assert closed[word] and policy.says(OTHER, word)["dns"] != BLOCKED
    fed = {word: answer for word in closed if (answer := policy.fed(STRICT, word)[format_])}
    assert fed == {word: BLOCKED if closed[word] else OPEN for word in fed}
    assert (len(fed) < len(closed)) == (format_ == "defender_indicators")  # of names below others nobody says
