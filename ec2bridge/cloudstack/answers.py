"""What CloudStack's answers say: the one value of the envelope, an error, a job's result."""

import json
from collections.abc import Callable
from typing import Any

import orjson

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable

Row = dict[str, Any]
Reader = Callable[[str, int, bytes], Row]
"""What makes an object, or an error, of a command's answer: status and body."""


def is_read(command: str) -> bool:
    """Whether a command may be sent again without doing anything twice."""
    return command.startswith(("list", "query")) or (
        command.startswith("get") and not command.startswith("getUploadParams")
    )


def read(command: str, status: int, body: bytes) -> Row:
    envelope = _envelope(command, status, body)
    # The envelope's name is the command's, in lower case, mostly: some differ, and errors have their own.
    inner = next(iter(envelope.values()))
    if not isinstance(inner, dict):
        inner = {"value": inner}
    if status != 200 or "errorcode" in inner:
        code = inner.get("errorcode", status)
        raise CloudStackError(command, status, code, inner.get("cserrorcode"), inner.get("errortext", ""))
    return inner


def _envelope(command: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        envelope = parsed(body)
    except ValueError:
        envelope = None
    if isinstance(envelope, dict) and envelope:
        return envelope
    # A proxy's page, or the server while it starts: 5xx may pass, anything else would only be said again.
    text = f"CloudStack answered {status} with something that is not its API's JSON"
    raise CloudStackUnavailable(command, text, status, retry=status >= 500)


def parsed(body: bytes) -> Any:
    """What JSON says; raises ValueError. A page of five hundred machines would hold the loop for 50 ms otherwise."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # It takes neither half a surrogate pair, as some names have it, nor NaN.
        return json.loads(body)


def created(answer: Row) -> list[Row]:
    """The objects in the answer to a change: itself, as a job's is, or in its members."""
    found = [answer, *(value for value in answer.values() if isinstance(value, dict))]
    return [value for value in found if "id" in value]


def job_result(command: str, answer: Row) -> Row:
    result = answer.get("jobresult")
    if answer.get("jobstatus") == 1:
        return result if isinstance(result, dict) else {"success": True}
    if not isinstance(result, dict):
        result = {"errortext": str(result or "")}
    code = result.get("errorcode", answer.get("jobresultcode"))
    raise CloudStackError(command, 200, code, result.get("cserrorcode"), result.get("errortext", ""))
