"""The one path of a call from its parameters to its answer: who asks, whether they may, what it says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from ec2bridge.simulator import apis, releases
from ec2bridge.simulator.apis import Api
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.caller import Caller
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.errors import ApiError, unauthenticated, unavailable
from ec2bridge.simulator.registry import Answer, Command, commands

log = logging.getLogger(__name__)


class Dispatcher:
    """Performs the calls made to a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._callers: dict[str, tuple[Caller, str]] = {}
        self._key_version = -1

    def perform(self, params: Iterable[tuple[str, str]]) -> tuple[str, Answer]:
        """Envelope and answer of a call, or ApiError with its envelope set."""
        given = list(params)
        lowered = {_lower_name(name): value for name, value in given}
        name = lowered.get("command", "")
        api = apis.find(name, self.cloud.release)
        envelope = api.envelope if api else "errorresponse"
        try:
            caller = self._authenticate(given, lowered)
            if api is None:
                raise unauthenticated("errorresponse")
            command = self._authorize(api, caller)
            call = Call(self.cloud, caller, api, lowered, command.tables)
            call.check()
            answer = apis.tell(api, command.handler(call))
        except ApiError as error:
            error.envelope = error.envelope or envelope
            error.text = releases.worded(error.text, self.cloud.release)
            raise
        except Exception as error:
            log.exception("%s broke", name)
            raise ApiError(530, 4250, repr(error), envelope=envelope) from error
        finally:
            self.cloud.tables.commit()
        return envelope, answer

    def _authenticate(self, given: list[tuple[str, str]], lowered: dict[str, str]) -> Caller:
        found = self._caller_of(lowered.get("apikey", ""))
        if found is None or not _fresh(lowered):
            raise unauthenticated()
        caller, secret = found
        if not hmac.compare_digest(sign(given, secret), lowered.get("signature", "")):
            raise unauthenticated()
        return caller

    def _caller_of(self, api_key: str) -> tuple[Caller, str] | None:
        keys = self.cloud.tables["userkeys"]
        if self._key_version != keys.version:
            self._callers.clear()
            self._key_version = keys.version
        if api_key not in self._callers:
            key = keys.first(apikey=api_key)
            if key is None:
                return None
            self._callers[api_key] = (self.cloud.caller(key["userid"]), key["secretkey"])
        return self._callers[api_key]

    def _authorize(self, api: Api, caller: Caller) -> Command:
        # What the simulator has not got is refused as what the role may not call: listApis names neither.
        command = commands().get(api.name.lower())
        if command is None or api.name not in self.cloud.rules(caller.role):
            by_id = releases.NAMES_THE_USER.has(self.cloud.release)
            raise unavailable(api.name, f"for user id [{caller.user['id']}]" if by_id else caller.name)
        return command


def _lower_name(name: str) -> str:
    """Parameter names have no case; the keys inside a map do (`details[0].rootDiskController`)."""
    head, bracket, tail = name.partition("[")
    return head.lower() + bracket + tail


def _fresh(params: dict[str, str]) -> bool:
    """Signature version 3 must carry an expiry, and it must lie ahead."""
    if params.get("signatureversion") != "3":
        return True
    try:
        expires = datetime.strptime(params.get("expires", ""), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return False
    return expires > datetime.now(UTC)


def encode(value: str) -> str:
    """As Java's URLEncoder, with %20 for a space: `*` stays bare and `~` does not."""
    return quote(value, safe="*").replace("~", "%7E")


def sign(params: Iterable[tuple[str, str]], secret: str) -> str:
    """HMAC-SHA1 over the sorted, lower-cased query."""
    pairs = sorted((name, value) for name, value in params if name.lower() != "signature")
    query = "&".join(f"{name}={encode(value)}" for name, value in pairs).lower()
    digest = hmac.new(secret.encode(), query.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
