"""Notifications of new requests, and the mails to heads of departments."""

from proscribe.controller.report.request_notification import DepartmentContact, make_head_mails
from proscribe.controller.report.storage.requests_file import StoredRequest

PRESS, IT = (
    StoredRequest(host, f"id-{host}", "alice", "line", f"reason of {host}", "2026-11-25T08:00:00Z", "inv", "r1")
    for host in ("web01", "db01")
)


def test_head_reads_the_requests_of_the_own_department_only():
    press = DepartmentContact(frozenset({"web01"}), "press@example.org")
    departments = {"press": press, "it": DepartmentContact(frozenset({"db01"}))}
    (mail,) = make_head_mails([PRESS, IT], departments, "./proscribe requests")
    assert mail["mail"] == "press@example.org"
    assert "reason of web01" in mail["message"] and "db01" not in mail["message"]
