"""Answering a browser: the page itself, and for the demo what the last calls became.

A browser asks for `/` by GET, takes HTML, and signs nothing; everything else is an AWS client's, whatever its path. The
page is one document that fetches nothing but this bridge's own state, and shows nothing that is secret.
"""

import html
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Any

from aiohttp import web

from ec2bridge import coverage
from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.config import Settings
from ec2bridge.exchange import Exchange
from ec2bridge.page.settings import Snippet, snippets

KEPT = 100
"""Calls that the demo's page shows."""
CALLS = "/ec2bridge/calls"
HEADERS = {
    # All that it needs is in the document: its own style and script, and the state of this very bridge.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
    " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_WORDS = {"served": "served", "described": "served", "empty": "empty set", "refused": "refused"}


def is_browser(http: web.Request) -> bool:
    """Whether a request is a person's who looks, and no client's that signs."""
    return (
        http.method in ("GET", "HEAD")
        and http.path == "/"
        and not http.query_string
        and "Authorization" not in http.headers
        and "text/html" in http.headers.get("Accept", "")
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """One EC2 call and the native calls that it became; milliseconds."""

    action: str
    code: str
    took: float
    native: tuple[tuple[str, float, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as the page's script reads it."""
        return {"action": self.action, "code": self.code, "ms": self.took, "native": list(self.native)}


@dataclass(slots=True)
class History:
    """The last calls, for the demo: a real bridge tells nobody what others have called."""

    calls: deque[Seen] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, exchange: Exchange, seconds: float, native: Sequence[NativeCall]) -> None:
        """Note a call that was answered."""
        became = tuple(
            (call.command, 1000 * call.seconds, call.error.errortext if call.error else "") for call in native
        )
        self.calls.appendleft(Seen(exchange.action, exchange.code, 1000 * seconds, became))


@dataclass
class Page:
    """The page of one bridge."""

    settings: Settings
    version: str
    history: History | None = None

    async def show(self, http: web.Request) -> web.Response:
        """Answer a browser."""
        endpoint = self.settings.public_endpoint or f"{http.scheme}://{http.host}"
        return web.Response(text=self.document(endpoint), content_type="text/html", headers=HEADERS)

    async def calls(self, _: web.Request) -> web.Response:
        """Answer the demo's page with the last calls, the newest first."""
        seen = self.history.calls if self.history else ()
        return web.json_response([call.as_dict() for call in seen], headers={"Cache-Control": "no-store"})

    def document(self, endpoint: str) -> str:
        """Return the page for whoever reaches the bridge by this endpoint."""
        return fill(
            self._template,
            {
                "endpoint": html.escape(endpoint),
                "region": html.escape(self.settings.region),
                "version": html.escape(self.version),
                "regions": ", ".join(html.escape(name) for name in self._regions),
                "tabs": "\n".join(map(_tab, snippets(endpoint, self.settings.region))),
                "actions": self._actions,
                "served": str(self._served),
                "calls": CALLS if self.history is not None else "",
                "demo": "" if self.history is not None else "hidden",
            },
        )

    @property
    def _regions(self) -> list[str]:
        return sorted({self.settings.region, *(getattr(self.settings, "regions", None) or {})})

    @cached_property
    def _template(self) -> str:
        return files("ec2bridge.page").joinpath("page.html").read_text(encoding="utf-8")

    @cached_property
    def _rows(self) -> list[coverage.Row]:
        return coverage.rows()

    @cached_property
    def _served(self) -> int:
        return sum(row.effect in coverage.SERVED for row in self._rows)

    @cached_property
    def _actions(self) -> str:
        # The script reads it as data: nothing in it may end the element that it stands in.
        return json.dumps([_action(row) for row in self._rows]).replace("<", "\\u003c")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return a template with each `{{name}}` replaced; a name without a value is a programming error."""
    for name, value in values.items():
        if f"{{{{{name}}}}}" not in template:
            raise KeyError(name)
        template = template.replace(f"{{{{{name}}}}}", value)
    return template


def _tab(snippet: Snippet) -> str:
    name = html.escape(snippet.client)
    return (
        f'<section class="snippet" id="client-{name.lower()}" data-client="{name}"><h3>{name}</h3>'
        f"<p>{html.escape(snippet.where)}</p><pre><code>{html.escape(snippet.text)}</code></pre></section>"
    )


def _action(row: coverage.Row) -> dict[str, Any]:
    """Return what the table shows of an action."""
    return {
        "name": row.action,
        "what": _WORDS[row.effect],
        "honours": row.honours,
        "filters": [name for name in row.filters if name not in row.without_data],
        "ignores": row.ignores,
        "native": row.native,
        "note": row.note,
    }
