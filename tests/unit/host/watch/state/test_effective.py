"""The plan that is in effect on a host."""

import pytest
from proscribe.base.json_text import to_json
from proscribe.host.watch.state import clock, effective, files
from watch_host import Made, plan

FIRST, LATER = plan(), plan(number=2)
AT = "2027-01-01T00:00:00Z"


def write_plan(made: Made, content: str, digest: str = FIRST["digest"]) -> files.Settings:
    path = files.plan_file(digest)
    made.write(path, content)
    return files.Settings("r", 300, 600, digest, (), {path: files.hash_of(content.encode())})


def test_last_plan_whose_moment_has_come_is_in_effect(made, monkeypatch):
    first, later = (write_plan(made, to_json(plan_), plan_["digest"]) for plan_ in (FIRST, LATER))
    both = first._replace(chain=((AT, LATER["digest"]),), files={**first.files, **later.files})
    for now, expected in ((-1, FIRST), (0, LATER)):
        monkeypatch.setattr(clock, "effective", lambda _, now=now: clock.seconds(AT) + now)
        assert effective.digest_in_effect(made, both) == expected["digest"]
        assert effective.plan_in_effect(made, both) == expected


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        *((text, "is no plan") for text in ("no JSON", "[" * 200_000)),
        *((text, "is another plan") for text in ("[]", to_json(LATER))),
    ],
)
def test_file_of_no_plan_or_another_one_is_damage(made, content, wrong):
    with pytest.raises(files.Damaged) as raised:
        effective.stored(made, write_plan(made, content), FIRST["digest"])
    assert (raised.value.file, raised.value.wrong) == (files.plan_file(FIRST["digest"]), wrong)
