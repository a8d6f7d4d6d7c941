"""Text formats as templates (Jinja2): a template shows an export's file as its device reads it.

A template neither escapes nor checks its variables, so a format passes checked text only. An unknown variable is an
error.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, StrictUndefined

from .file_header import make_comment
from .format_declaration import ExportDecision

_ENVIRONMENT = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
_compile_template = cache(_ENVIRONMENT.from_string)


def render_template(template: str, decision: ExportDecision, format_: str, **variables: object) -> bytes:
    """Return the content of an export's file. Raises UnicodeEncodeError for other than ASCII.

    In the template, `header("//")` is the file's header, in comments that begin with `//`.
    """

    def make_file_header(comment_mark: str = "#") -> str:
        return "\n".join(make_comment(decision, format_, comment_mark))

    return _compile_template(template).render(variables, header=make_file_header).encode("ascii")
