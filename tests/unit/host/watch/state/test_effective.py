"""The plan that is in effect on a host, and what is none."""

from __future__ import annotations

import pytest
from proscribe.base.json_text import to_json
from proscribe.host.watch.state import clock, effective, files
from watch_host import Made, plan

FIRST, LATER = plan(), plan(number=2)
AT = "2027-01-01T00:00:00Z"


def known(host: Made, content: str, digest: str = FIRST["digest"]) -> files.Settings:
    path = files.plan_file(digest)
    host.write(path, content)
    return files.Settings("r", 300, 600, digest, (), {path: files.hash_of(content.encode())})


def test_the_last_one_whose_moment_has_come(made, monkeypatch):
    first, later = (known(made, to_json(one), one["digest"]) for one in (FIRST, LATER))
    both = first._replace(chain=((AT, LATER["digest"]),), files={**first.files, **later.files})
    for now, expected in ((-1, FIRST), (0, LATER)):
        monkeypatch.setattr(clock, "effective", lambda _, now=now: clock.seconds(AT) + now)
        assert effective.digest_in_effect(made, both) == expected["digest"]
        assert effective.plan_in_effect(made, both) == expected


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("no JSON", "is no plan"),
        ("[" * 200_000, "is no plan"),
        ("[]", "is another plan"),
        (to_json(LATER), "is another plan"),
        ("{}", "is another plan"),
    ],
)
def test_what_is_no_plan_or_another_one_is_damage(made, content, wrong):
    with pytest.raises(files.Damaged) as raised:
        effective.stored(made, known(made, content), FIRST["digest"])
    assert (raised.value.file, raised.value.wrong) == (files.plan_file(FIRST["digest"]), wrong)
