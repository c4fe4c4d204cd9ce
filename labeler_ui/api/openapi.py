"""The HTTP API's OpenAPI 3.1 document, and a page of it for people: plain HTML, no scripts, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from labeler_ui.api.v1.schemas import COMPONENTS, Schema, named

if TYPE_CHECKING:
    from labeler_ui.api.v1.table import Operation

VERSION = "1"
ABOUT = (
    "Label by program, read what came of it, and be told of it. Every request carries a token of one user "
    "(`borderline token create`) in the header `Authorization: Bearer blt_...`; what it may do is what that user may "
    "do. Errors are `{error: {reason, message}}`. Repeating a request does no harm."
)
REFUSALS = {
    "400": "The body is no JSON object.",
    "401": "No valid token.",
    "403": "The token's user may not do this, or the token is for another project.",
    "404": "There is no such thing.",
    "409": "It contradicts what is stored.",
    "413": "Too large.",
    "415": "The body is not sent as application/json.",
    "422": "A value is missing or out of range.",
    "429": "Too fast, or too many failures; see Retry-After.",
    "503": "The store is busy; see Retry-After.",
}
_PARAMETER = re.compile(r"{(\w+)}")
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
section { border-top: 1px solid #8886; padding: 0.75rem 0; }
h2 { font-size: 1.05rem; margin: 0.25rem 0; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.875rem; }
pre { overflow-x: auto; padding: 0.75rem; background: #8882; border-radius: 0.375rem; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
.role { opacity: 0.8; }
"""


def document(operations: Iterable[Operation], prefix: str) -> dict[str, Any]:
    """Return the OpenAPI document of a table of routes."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(prefix + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Borderline", "version": VERSION, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                f"Refused{status}": {"description": about, "content": _json(named("Error"))}
                for status, about in REFUSALS.items()
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Needs the role {operation.role} in the project." if operation.role else "Any valid token.",
        "x-role": operation.role or None,
        "parameters": _parameters(operation),
        "responses": {str(operation.status): _success(operation)},
    }
    for status in REFUSALS:
        found["responses"][status] = {"$ref": f"#/components/responses/Refused{status}"}
    if operation.request is not None:
        found["requestBody"] = {"required": True, "content": _json(operation.request)}
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    inside = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
        for name in _PARAMETER.findall(operation.path)
    ]
    asked = [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in operation.query]
    return inside + asked


def _success(operation: Operation) -> dict[str, Any]:
    if operation.response is not None:
        return {"description": "Done.", "content": _json(operation.response)}
    return {"description": "Done.", "content": {media: {} for media in operation.media}}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def page(found: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the document as HTML, and the headers that keep anything but its own style from having an effect."""
    sections = [
        _section(path, method, operation)
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [
        f"<section id='{escape(name)}'><h2>{escape(name)}</h2>{_pre(schema)}</section>"
        for name, schema in found["components"]["schemas"].items()
    ]
    body = (
        f"<h1>Borderline: HTTP API</h1><p>{_marked(ABOUT)}</p>"
        "<p>For programs: <a href='openapi.json'>openapi.json</a> (OpenAPI 3.1)</p>"
        f"{''.join(sections)}<h1>Schemas</h1>{''.join(schemas)}"
    )
    text = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Borderline: HTTP API</title>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return text, {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'", "Cache-Control": "no-cache"}


def _section(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f"<section id='{escape(operation['operationId'])}'><h2><span class='method'>{method.upper()}</span>"
        f"<code>{escape(path)}</code></h2><p>{escape(operation['summary'])}. "
        f"<span class='role'>{escape(operation['description'])}</span></p>"
    ]
    asked = [entry for entry in operation["parameters"] if entry["in"] == "query"]
    if asked:
        parts.append(f"<p>Query string</p>{_pre({entry['name']: entry['schema'] for entry in asked})}")
    if "requestBody" in operation:
        parts.append(f"<p>Body</p>{_content(operation['requestBody'])}")
    status = min(operation["responses"])
    parts.append(f"<p>Answer {escape(status)}</p>{_content(operation['responses'][status])}")
    return "".join(parts) + "</section>"


def _content(holder: Mapping[str, Any]) -> str:
    return "".join(
        _pre(entry["schema"]) if "schema" in entry else f"<p><code>{escape(media)}</code></p>"
        for media, entry in holder["content"].items()
    )


def _pre(schema: object) -> str:
    return f"<pre tabindex='0'>{escape(json.dumps(schema, indent=2))}</pre>"


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
