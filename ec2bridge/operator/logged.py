"""`ec2bridge explain REQUEST-ID --log FILE`: what the log has of one request, in words."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIELD = re.compile(r'(\w+)=("[^"]*"|\S*)')
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
MOST_LINES = 200
"""Lines of a traceback that are shown."""

_MEANING = {
    "UnsupportedOperation": "What was asked for is not served on this cloud: `ec2bridge explain ACTION` says what is.",
    "AuthFailure": "The access key is unknown, disabled, or has more rights than the look-up account.",
    "SignatureDoesNotMatch": "The key exists; the secret, the host that was signed for, or a proxy's change is wrong:"
    ' log_level = "DEBUG" shows what was signed.',
    "RequestExpired": "The client's clock is wrong, or the request was sent again much later.",
    "Unavailable": "CloudStack or the store did not answer; the reason says which. Clients try again.",
    "InternalError": "Nobody foresaw it: the lines below have what was raised.",
    "UnauthorizedOperation": "The user's role lacks a command: `ec2bridge check --access-key KEY` names it.",
    "RequestLimitExceeded": "The setting throttle, or CloudStack's own limit of calls.",
    "InsufficientInstanceCapacity": "CloudStack found no host with room.",
}


def is_request_id(text: str) -> bool:
    """Whether a text has the shape of a request id."""
    return _REQUEST_ID.fullmatch(text) is not None


def explain(lines: Iterable[str], request: str) -> list[str]:
    """Return what a log has of a request, as lines for a person; none where it has nothing."""
    found: list[str] = []
    entry: dict[str, Any] = {}
    for line in _entries(lines, request):
        fields = _fields(line)
        if fields.get("request") == request and "action" in fields:
            entry = fields
        else:
            found.append(line)
    if not entry and not found:
        return []
    return [*_words(entry), *(["", "The log also has:", *found] if found else [])]


def _entries(lines: Iterable[str], request: str) -> Iterator[str]:
    """Yield the lines that name the request, and the lines of a traceback that follow one of them."""
    within, count = False, 0
    for raw in lines:
        line = raw.rstrip("\n")
        if request in line:
            within, count = True, 0
            yield line
        elif within and line and not _STAMP.match(line) and not line.startswith("{") and count < MOST_LINES:
            count += 1
            yield line
        else:
            within = False


def _fields(line: str) -> dict[str, Any]:
    start = line.find("{")
    if start >= 0:
        try:
            told = json.loads(line[start:])
        except json.JSONDecodeError:
            pass
        else:
            return told if isinstance(told, dict) else {}
    return {name: value.strip('"') for name, value in _FIELD.findall(line)}


def _words(entry: dict[str, Any]) -> Iterator[str]:
    if not entry:
        yield "The log has no line of the request itself."
        return
    code = entry.get("code", "-")
    who = entry.get("user", "-")
    asked = (
        f"{who} (account {entry.get('account', '-')})"
        if who != "-"
        else f"somebody with the key {entry.get('key')}"
    )
    yield f"{entry['action']} by {asked} from {entry.get('client', '-')}"
    native = entry.get("native") or {}
    calls = (
        ", ".join(f"{command} × {count}" for command, count in native.items())
        if isinstance(native, dict)
        else f"{native} native calls"
    )
    yield f"  {calls or 'no native calls'}, {entry.get('native_ms', '-')} of {entry.get('ms', '-')} ms"
    ids = entry.get("ids")
    if ids and ids != "-":
        yield f"  touched {', '.join(ids) if isinstance(ids, list) else ids.replace(',', ', ')}"
    if code == "ok":
        yield "  was answered"
        return
    yield f"  was refused with {code} ({entry.get('status', '-')})"
    if reason := entry.get("reason"):
        yield f"  because: {reason}"
    if meaning := _MEANING.get(code):
        yield f"  {meaning}"
