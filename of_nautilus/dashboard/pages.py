"""The page, its files, and the API's description."""

from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

WEB = Path(__file__).parent / "web"
_KINDS = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html",
}


def add_pages(app: FastAPI) -> None:
    """Add the endpoints to an application."""
    chart = _chart_library()

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(WEB / "index.html")

    @app.get("/web/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        path = WEB / name
        if path.parent != WEB or path.suffix not in _KINDS or not path.is_file():
            raise HTTPException(404, f"no file {name[:60]!r}")
        return FileResponse(path, media_type=_KINDS[path.suffix])

    @app.get("/lightweight-charts.js", include_in_schema=False)
    async def charts() -> Response:
        return FileResponse(chart, media_type="text/javascript")

    @app.get("/api/docs", include_in_schema=False)
    async def described() -> Response:
        return HTMLResponse(_described(app.openapi()))


def _chart_library() -> Path:
    """Return the unmodified lightweight-charts of TradingView (Apache 2.0) in `litecharts`."""
    spec = find_spec("litecharts")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "js" / "lightweight-charts.js"


def _described(described: dict[str, Any]) -> str:
    """Return the API as a page without scripts."""
    parts = []
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            asked = "".join(
                f"<li><code>{escape(p['name'])}</code> {escape(p.get('description', ''))}"
                f"<small> {escape(_limits(p['schema']))}</small></li>"
                for p in about.get("parameters", ())
            )
            parts.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
                f"<p>{escape(about.get('description', ''))}</p><ul>{asked}</ul>"
            )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>of-nautilus API</title>'
        '<link rel="stylesheet" href="/web/page.css"><main><h1>API</h1>'
        '<p>As OpenAPI: <a href="/api/openapi.json">openapi.json</a></p>'
        f"{''.join(parts)}</main></html>"
    )


def _limits(schema: dict[str, Any]) -> str:
    own = next((s for s in schema.get("anyOf", ()) if s.get("type") != "null"), schema)
    words = [str(own.get("type", ""))]
    words += [f"{name} {own[name]}" for name in ("minimum", "maximum", "maxLength") if name in own]
    if schema.get("default") is not None:
        words.append(f"default {schema['default']}")
    return ", ".join(words)
