"""Credentials, whom they stand for, and what a source of secrets has to do.

EC2 knows an access key and an account of 12 digits; CloudStack knows an API key, a user, an account in a domain, and
projects. `KEY:PROJECT-UUID` as the access key means the same key at work in a project.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.errors import Ec2Error

Row = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9._~+-]{1,255}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom credentials stand for. In a project `account` is the project's id, as owner of all that is in it."""

    user_id: str
    user_name: str
    account: str
    domain_id: str


class SecretProvider(Protocol):
    """A source of secrets."""

    async def lookup(self, access_key: str) -> Credentials | None:
        """Return the credentials of an access key, or None when it is unknown; raise Ec2Error otherwise."""
        ...

    def forget(self, access_key: str) -> None:
        """Drop what is remembered of a key: CloudStack has refused it."""
        ...

    async def identify(self, credentials: Credentials, account: Account) -> Identity:
        """Return whom verified credentials stand for; `account` calls CloudStack with them."""
        ...


def is_project(text: str) -> bool:
    """Whether a text is a project's uuid."""
    return _UUID.fullmatch(text) is not None


def split_project(access_key: str) -> tuple[str, str | None] | None:
    """Return API key and project of an access key; None when it can be no access key."""
    key, colon, project = access_key.partition(":")
    if not _KEY.fullmatch(key) or (colon and not is_project(project)):
        return None
    return key, project.lower() or None


async def identify(account: Account) -> Identity:
    """Return whom an account's credentials stand for; asks with the caller's own keys what is not known yet."""
    credentials = account.credentials
    if credentials.user_id and credentials.account and credentials.domain_id:
        who = Identity(
            credentials.user_id, credentials.user_name or "", credentials.account, credentials.domain_id
        )
    else:
        who = await _own_user(account)
    if credentials.project_id is None:
        return who
    return replace(who, account=credentials.project_id, domain_id=await _project_domain(account))


async def _own_user(account: Account) -> Identity:
    rows = await account.list("listUsers")
    key = account.credentials.api_key
    # Rows of one's own account; several users may share it, and from 4.23 a user may have several keys.
    row = next((row for row in rows if row.get("apikey") == key), None)
    if row is None and len(rows) > 1:
        row = await _user_of_key(account, rows)
    if not rows:
        raise Ec2Error("AuthFailure", "CloudStack does not tell whose credentials these are.")
    row = row or rows[0]
    return Identity(row["id"], row["username"], row["account"], row["domainid"])


async def _user_of_key(account: Account, users: list[Row]) -> Row | None:
    if not await account.may_call("listUserKeys"):
        return None
    keys = await account.list("listUserKeys")
    owner = next((key["userid"] for key in keys if key.get("apikey") == account.credentials.api_key), None)
    return next((user for user in users if user["id"] == owner), None)


async def _project_domain(account: Account) -> str:
    project = account.credentials.project_id
    refused = Ec2Error(
        "AuthFailure", f"The project {project} does not exist or these credentials may not use it."
    )
    try:
        rows = await account.list("listProjects", id=project)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        raise refused from error
    if not rows:
        raise refused
    return str(rows[0]["domainid"])
