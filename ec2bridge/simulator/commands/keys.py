"""API keys of users.

From 4.23 on a caller reads a key's secret only when its own rules cover those of the key's owner; before, an account
with a role of type Admin reads every user's.
"""

from __future__ import annotations

import secrets

from ec2bridge.simulator.call import Call
from ec2bridge.simulator.commands.accounts import show_user
from ec2bridge.simulator.errors import invalid, no_permission
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.seed import plant_key
from ec2bridge.simulator.tables import Row

ACCOUNT_TYPES = {0: "NORMAL", 1: "ADMIN", 2: "DOMAIN_ADMIN"}


@command("getUser")
def get_user(call: Call) -> Answer:
    key = call.cloud.tables["userkeys"].first(apikey=call.need("userapikey"))
    user = call.cloud.tables["users"].get(key["userid"]) if key else None
    if key is None or user is None:
        raise invalid("User with specified API key does not exist")
    return {"user": {**show_user(call, user), "apikey": key["apikey"]}}


@command("getUserKeys", id="users")
def get_user_keys(call: Call) -> Answer:
    user = call.needed("id")
    if not _may_ask(call, user):
        raise no_permission()
    keys = call.cloud.tables["userkeys"].where(userid=user["id"])
    shown: Row = {}
    if keys and (not call.cloud.since("4.23") or _covers(call, user)):
        # The last one registered.
        shown = {"apikey": keys[-1]["apikey"], "secretkey": keys[-1]["secretkey"]}
    return {"userkeys": {**shown, "apikeyaccess": True}}


@command("listUserKeys")
def list_user_keys(call: Call) -> Answer:
    keys = _wanted_keys(call)
    users = call.cloud.tables["users"]
    rows = [
        _show_key(call, key, user)
        for key in keys
        if (user := users.get(key["userid"])) and _covers(call, user)
    ]
    answer = call.page("userapikey", rows)
    # The count is of all keys found, also when the caller may see none of them.
    return {**answer, "count": len(keys)} if keys else answer


def _wanted_keys(call: Call) -> list[Row]:
    table = call.cloud.tables["userkeys"]
    wanted = call.text("apikeyfilter")
    if wanted is not None:
        found = [key for key in table.where(apikey=wanted) if _may_ask_id(call, key["userid"])]
        if not found:
            raise invalid("Could not complete request.")
        return found
    user = call.entity("userid", check=False) or call.caller.user
    if not _may_ask(call, user):
        raise no_permission()
    if call.caller.is_admin and call.flag("listall"):
        return list(table)
    return table.where(userid=user["id"])


def _may_ask_id(call: Call, user_id: str) -> bool:
    user = call.cloud.tables["users"].get(user_id)
    return user is not None and _may_ask(call, user)


def _may_ask(call: Call, user: Row) -> bool:
    return call.caller.is_admin or user["accountid"] == call.caller.account["id"]


def _covers(call: Call, user: Row) -> bool:
    """Whether the caller's rules are a superset of the user's."""
    if user["id"] == call.caller.user["id"]:
        return True
    role = call.cloud.tables["roles"].known(user["roleid"])
    return role is not None and call.cloud.rules(role) <= call.cloud.rules(call.caller.role)


def _show_key(call: Call, key: Row, user: Row) -> Row:
    account = call.cloud.tables["accounts"].known(user["accountid"]) or {}
    return {
        "name": key["name"],
        "apikey": key["apikey"],
        "secretkey": key["secretkey"],
        "userid": user["id"],
        "username": user["username"],
        "id": key["id"],
        "created": key["created"],
        "accounttype": ACCOUNT_TYPES[account["accounttype"]],
        "accountid": account["id"],
        "accountname": account["name"],
        **{
            field: account[field]
            for field in ("roleid", "roletype", "rolename", "domainid", "domain", "domainpath")
        },
        "state": key["state"],
    }


@command("registerUserKeys", id="users")
def register_user_keys(call: Call) -> Answer:
    user = call.needed("id")
    if not _may_ask(call, user):
        raise no_permission()

    def work() -> Row:
        key = plant_key(call.cloud.tables, user, secrets.token_urlsafe(64), secrets.token_urlsafe(64))
        return {"userkeys": {"apikey": key["apikey"], "secretkey": key["secretkey"]}}

    if not call.api.asynchronous:
        return work()
    return call.submit(work, kind="User", instance=user["id"], weight=0.1)


@command("deleteUserKeys", id="userkeys")
def delete_user_keys(call: Call) -> Answer:
    key = call.needed("id", check=False)
    if not _may_ask_id(call, key["userid"]):
        raise no_permission()

    def work() -> Row:
        call.cloud.tables["userkeys"].erase(key)
        return {"success": True}

    return call.submit(work, weight=0.1)
