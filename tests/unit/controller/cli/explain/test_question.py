"""What people paste, and what it is taken for."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.cli import Refused
from proscribe.controller.cli.explain.question import Question, ascii_name, read


@pytest.mark.parametrize(
    ("text", "network", "port"),
    [
        ("9.9.9.9", "9.9.9.9/32", None),
        ("9.9.9.9:853", "9.9.9.9/32", 853),
        ("https://9.9.9.9/dns-query", "9.9.9.9/32", 443),
        ("[2620:fe::fe]:853", "2620:fe::fe/128", 853),
        ("91.108.4.7/22", "91.108.4.0/22", None),
        ("::ffff:9.9.9.9", "9.9.9.9/32", None),  # such a connection is one over IPv4
        ("fe80::1%eth0", "fe80::1/128", None),
    ],
)
def test_addresses_are_read_with_their_port(text: str, network: str, port: int | None) -> None:
    question = read(text)
    assert (question.host, question.network, question.port) == ("", ipaddress.ip_network(network), port)


@given(st.text(max_size=80))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        question = read(text)
    except Refused:
        return
    assert isinstance(question, Question)
    assert not (question.host and question.network)
    assert question.host.isascii() and question.host == question.host.lower()


@given(st.lists(st.text("abcäßжλ日A1-", min_size=1, max_size=9), min_size=2, max_size=4).map(".".join))
def test_a_name_that_was_read_once_is_read_as_itself(name: str) -> None:
    assert ascii_name(ascii_name(name)) == ascii_name(name)
