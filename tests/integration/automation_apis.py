"""Fake AWX (24: awx_collection, api/views) and Semaphore (2.16: api-docs.yml), which take what their makers publish."""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

OF_THE_API = ("page_size", "or__id")


class _Server(BaseHTTPRequestHandler):
    made: ClassVar[dict[str, list[dict[str, Any]]]]

    def body(self):
        return dict(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}"))

    def add(self, kind, /, **fields):
        item = {**fields, "id": 100 + sum(map(len, self.made.values()))}
        self.made.setdefault(kind, []).append(item)
        return item

    def answer(self, body, code=200):
        content = json.dumps(body).encode() if code != 204 else b""
        self.send_response(code)
        for name, value in (("API-Product-Name", "AWX"), ("API-Product-Version", "24.6.1")):
            self.send_header(f"X-{name}", value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words): ...


class Awx(_Server):
    """Objects of /api/v2, which are found by any of their fields."""

    def do_GET(self):
        kind, *rest = self._path()
        if kind == "ping":
            return self.answer({"version": "24.6.1"})
        if rest[1:] == ["survey_spec"]:
            return self.answer(self._one(kind, rest[0]).get("survey", {}))
        if len(rest) == 2:  # what belongs to one
            return self.answer(self._list(self._one(kind, rest[0]).get("of", {}).get(rest[1], [])))
        if rest:
            return self.answer(self._one(kind, rest[0]))
        query = parse_qs(urlsplit(self.path).query)
        fields = {name.partition("__")[0]: values[0] for name, values in query.items() if name not in OF_THE_API}
        items = [item for item in self._of(kind) if all(str(item.get(name)) == fields[name] for name in fields)]
        return self.answer(self._list(items))

    def do_POST(self):
        kind, *rest = self._path()
        body = self.body()
        if rest and rest[1] == "survey_spec":
            mistake = form_mistake(body)
            self._one(kind, rest[0])["survey"] = body
            return self.answer({"error": mistake} if mistake else {}, 400 if mistake else 200)
        if rest:
            self._one(kind, rest[0]).setdefault("of", {}).setdefault(rest[1], []).append({"id": body["id"]})
            return self.answer({}, 204)
        item = self.add(kind, **body, type=kind)
        url = f"/api/v2/{kind}/{item['id']}/"
        item.update(url=url, related={name: f"{url}{name}/" for name in ("survey_spec", "credentials")})
        item.update(scm_revision="", summary_fields={})  # of a project, which was not fetched yet
        return self.answer(item, 201)

    def do_PATCH(self):
        raise AssertionError(f"{self.path}: a second run changes nothing")

    def _path(self):
        return urlsplit(self.path).path.removeprefix("/api/v2/").strip("/").split("/")

    def _of(self, kind):
        return self.made.get("job_templates" if kind == "unified_job_templates" else kind, [])

    def _one(self, kind, id_):
        return next((item for item in self._of(kind) if str(item["id"]) == id_), {"detail": "Not found."})

    @staticmethod
    def _list(items):
        return {"count": len(items), "next": None, "previous": None, "results": items}


def form_mistake(form):
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
SEMAPHORE = {
    "environment": {"project_id": int, "name": str, "json": str, "env": str},
    "templates": {
        **dict.fromkeys(("project_id", "inventory_id", "repository_id", "environment_id"), int),
        **dict.fromkeys(("name", "app", "playbook", "arguments"), str),
    },
    "schedules": {"project_id": int, "template_id": int, "name": str, "cron_format": str, "active": bool},
}


class Semaphore(_Server):
    """The lists of /api/project/1."""

    def do_GET(self):
        self.answer(self.made.get(self._kind(), []))

    def do_POST(self):
        kind = self._kind()
        body = self.body()
        if {name: type(value) for name, value in body.items()} == SEMAPHORE[kind]:
            return self.answer(self.add(kind, **body), 201)
        return self.answer({"error": f"{kind}: {body}"}, 400)

    def _kind(self):
        path = urlsplit(self.path)
        found = re.fullmatch(r"/api/project/1/(\w+)", path.path)
        assert found and self.headers["Authorization"] == "Bearer a-token", path
        assert self.command == "POST" or path.query == "sort=name&order=asc"
        return found[1]


@contextmanager
def serving(kind, made):
    """Serve such an interface, which has these objects already; return its address."""
    kind.made = made
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
