"""A stand-in for a management server that plays answers given to it, and checks signatures as the real one does."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

Answer = dict[str, Any] | tuple[int, Any] | str
SECRET = "alice's secret"


@dataclass
class Played:
    """What the stand-in answers, by command, and what it was asked."""

    answers: dict[str, Answer | list[Answer] | Callable[[dict[str, str]], Answer]] = field(
        default_factory=dict
    )
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    bad_signatures: int = 0
    url: str = ""

    def commands(self) -> list[str]:
        return [params["command"] for params in self.asked]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=8_000_000)
        app.router.add_post("/client/api", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.Response:
        params = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        if params["signature"] != java_signature(params):
            self.bad_signatures += 1
            return self.response(
                (401, {"errorresponse": {"errorcode": 401, "errortext": "unable to verify"}})
            )
        self.asked.append(params)
        answer = self.answers[params["command"]]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(params)
        return self.response(answer)

    def response(self, answer: Answer) -> web.Response:
        if isinstance(answer, str):
            return web.Response(text=answer, headers=self.headers, content_type="text/html")
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        if isinstance(body, str):
            return web.Response(text=body, status=status, headers=self.headers)
        return web.json_response(body, status=status, headers=self.headers)


def java_signature(params: dict[str, str]) -> str:
    """The signature by the letter of Java's URLEncoder, without the client's own encoder."""
    query = "&".join(
        f"{name}={java_encode(value)}" for name, value in sorted(params.items()) if name != "signature"
    ).lower()
    return base64.b64encode(hmac.digest(SECRET.encode(), query.encode(), hashlib.sha1)).decode()


def java_encode(value: str) -> str:
    bare = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*_"
    return "".join(chr(byte) if byte in bare else f"%{byte:02X}" for byte in value.encode())


def job_result(command: str, status: int, result: Any) -> Answer:
    cmd = f"org.apache.cloudstack.api.command.user.{command[:1].upper()}{command[1:]}Cmd"
    return {
        "queryasyncjobresultresponse": {"jobid": "j", "jobstatus": status, "cmd": cmd, "jobresult": result}
    }
