"""The interfaces of automation servers, as far as the examples for them need these: what was made, by its kind.

No such server can be had here. What they take is what their makers publish: awx_collection and api/views of AWX 24, and
api-docs.yml of Semaphore 2.16.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

OF_THE_API = ("page_size", "or__id")


class Awx(BaseHTTPRequestHandler):
    """Objects of /api/v2, which are found by any of their fields."""

    made: ClassVar[dict[str, list[dict[str, Any]]]]

    def do_GET(self) -> None:
        kind, *rest = self._path()
        if kind == "ping":
            return self._answer({"version": "24.6.1"})
        if rest[1:] == ["survey_spec"]:
            return self._answer(self._one(kind, rest[0]).get("survey", {}))
        if len(rest) == 2:  # what belongs to one
            return self._answer(self._list(self._one(kind, rest[0]).get("of", {}).get(rest[1], [])))
        if rest:
            return self._answer(self._one(kind, rest[0]))
        query = parse_qs(urlsplit(self.path).query)
        fields = {name.partition("__")[0]: values[0] for name, values in query.items() if name not in OF_THE_API}
        found = [one for one in self._of(kind) if all(str(one.get(name)) == value for name, value in fields.items())]
        return self._answer(self._list(found))

    def do_POST(self) -> None:
        kind, *rest = self._path()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        if rest and rest[1] == "survey_spec":
            wrong = form_mistake(body)
            self._one(kind, rest[0])["survey"] = body
            return self._answer({"error": wrong} if wrong else {}, 400 if wrong else 200)
        if rest:
            self._one(kind, rest[0]).setdefault("of", {}).setdefault(rest[1], []).append({"id": body["id"]})
            return self._answer({}, 204)
        one = {**body, "id": 100 + sum(map(len, self.made.values())), "type": kind}
        url = f"/api/v2/{kind}/{one['id']}/"
        one.update(url=url, related={name: f"{url}{name}/" for name in ("survey_spec", "credentials")})
        one.update(scm_revision="", summary_fields={})  # of a project, which was not fetched yet
        self.made.setdefault(kind, []).append(one)
        return self._answer(one, 201)

    def do_PATCH(self) -> None:
        raise AssertionError(f"{self.path}: a second run changes nothing")

    def _path(self) -> list[str]:
        return urlsplit(self.path).path.removeprefix("/api/v2/").strip("/").split("/")

    def _of(self, kind: str) -> list[dict[str, Any]]:
        if kind == "unified_job_templates":
            return self.made.get("job_templates", [])
        return self.made.get(kind, [])

    def _one(self, kind: str, id_: str) -> dict[str, Any]:
        return next((one for one in self._of(kind) if str(one["id"]) == id_), {"detail": "Not found."})

    @staticmethod
    def _list(found: list[dict[str, Any]]) -> dict[str, Any]:
        return {"count": len(found), "next": None, "previous": None, "results": found}

    def _answer(self, body: object, code: int = 200) -> None:
        content = json.dumps(body).encode() if code != 204 else b""
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        """Nothing."""


def form_mistake(form: dict[str, Any]) -> str:
    """Why AWX refuses a survey; "" for one that it takes."""
    for name, type_ in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(form.get(name), type_):
            return f"{name} of the survey"
    for question in form["spec"]:
        for name, type_ in {"question_name": str, "variable": str, "type": str, "required": bool}.items():
            if not isinstance(question.get(name), type_):
                return f"{name} of a question"
        choices = question.get("choices", "").splitlines()
        if question["type"] == "multiplechoice" and question["default"] not in choices:
            return f"default of {question['variable']}"
        if question["type"] not in ("text", "multiplechoice") or not isinstance(question["default"], str):
            return f"type of {question['variable']}"
    return ""


# The keys of what Semaphore is sent, with their types.
SEMAPHORE: dict[str, dict[str, type]] = {
    "environment": {"project_id": int, "name": str, "json": str, "env": str},
    "templates": {
        **dict.fromkeys(("project_id", "inventory_id", "repository_id", "environment_id"), int),
        **dict.fromkeys(("name", "app", "playbook", "arguments"), str),
    },
    "schedules": {"project_id": int, "template_id": int, "name": str, "cron_format": str, "active": bool},
}


class Semaphore(BaseHTTPRequestHandler):
    """The lists of /api/project/1."""

    made: ClassVar[dict[str, list[dict[str, Any]]]]

    def do_GET(self) -> None:
        self._answer(self.made.get(self._kind(), []), 200)

    def do_POST(self) -> None:
        kind = self._kind()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = {name: type(value) for name, value in body.items()} == SEMAPHORE[kind]
        one = {**body, "id": 100 + sum(map(len, self.made.values()))}
        if right:
            self.made.setdefault(kind, []).append(one)
        self._answer(one if right else {"error": f"{kind}: {body}"}, 201 if right else 400)

    def _kind(self) -> str:
        path = urlsplit(self.path)
        found = re.fullmatch(r"/api/project/1/(\w+)", path.path)
        assert found and self.headers["Authorization"] == "Bearer a-token", path
        assert self.command == "POST" or path.query == "sort=name&order=asc"
        return found[1]

    def _answer(self, body: object, code: int) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        """Nothing."""


@contextmanager
def serving(kind: type[Awx] | type[Semaphore], made: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """The address of such a server, which has that already."""
    kind.made = made
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
