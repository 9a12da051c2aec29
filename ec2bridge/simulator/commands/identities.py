"""Who may call what with which key: listApis, listCapabilities, users, accounts and key pairs."""

from __future__ import annotations

from ec2bridge.simulator import apis
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.errors import invalid, no_permission
from ec2bridge.simulator.registry import Answer, command, commands
from ec2bridge.simulator.tables import Row


@command("listApis")
def list_apis(call: Call) -> Answer:
    """The commands of the caller's role that this cloud has."""
    rules = call.cloud.rules(call.caller.role)
    rows = []
    for entry in commands().values():
        api = apis.find(entry.name, call.cloud.release)
        wanted = call.text("name")
        if api and api.name in rules and wanted in (None, api.name):
            rows.append(_api(api))
    return {"count": len(rows), "api": sorted(rows, key=lambda row: row["name"])} if rows else {}


def _api(api: apis.Api) -> Row:
    params = []
    for param in api.params.values():
        row: Row = {"name": param.name, "type": param.type, "length": 255, "required": param.required}
        params.append({**row, "since": param.since} if param.since else row)
    answer: Row = {"name": api.name, "isasync": api.asynchronous, "params": params}
    if api.since:
        answer["since"] = api.since
    return {**answer, "response": [{"name": name} for name in api.response]}


@command("listCapabilities")
def list_capabilities(call: Call) -> Answer:
    settings = call.cloud.settings
    capability = {
        **call.cloud.facts["capability"],
        "cloudstackversion": call.cloud.version,
        "allowuserviewdestroyedvm": settings["allow.user.view.destroyed.vm"],
        "allowuserexpungerecovervm": settings["allow.user.expunge.recover.vm"],
    }
    if not call.caller.is_admin:
        capability.pop("extensionspath", None)
    return {"capability": capability}


# --- keys ------------------------------------------------------------------------------------------------------


def _key_of(call: Call, api_key: str) -> Row | None:
    return call.cloud.tables["userkeys"].first(apikey=api_key)


def _sees(call: Call, key: Row) -> bool:
    """Since 4.23 a caller sees a key only when its own permissions are a superset of the key's."""
    if key["userid"] == call.caller.user["id"]:
        return True
    owner = call.cloud.caller(key["userid"])
    return call.caller.is_admin and call.cloud.rules(owner.role) <= call.cloud.rules(call.caller.role)


@command("getUser")
def get_user(call: Call) -> Answer:
    key = _key_of(call, call.need("userapikey"))
    user = call.cloud.tables["users"].known(key["userid"]) if key else None
    if key is None or user is None:
        raise invalid("User with specified API key does not exist")
    return {"user": _user(call, user)}


def _user(call: Call, user: Row) -> Row:
    key = call.cloud.tables["userkeys"].first(userid=user["id"])
    return {
        **user,
        **({"apikey": key["apikey"]} if key else {}),
        "iscallerchilddomain": False,
        "is2faenabled": False,
        "is2famandated": False,
    }


@command("getUserKeys", id="users")
def get_user_keys(call: Call) -> Answer:
    user = call.needed("id", check=False)
    if user["id"] != call.caller.user["id"] and not call.caller.is_admin:
        raise no_permission()
    key = call.cloud.tables["userkeys"].first(userid=user["id"])
    if key is None or not _sees(call, key):
        return {"userkeys": {"apikeyaccess": True}}
    return {"userkeys": {"apikey": key["apikey"], "secretkey": key["secretkey"], "apikeyaccess": True}}


@command("listUserKeys")
def list_user_keys(call: Call) -> Answer:
    keys = list(call.cloud.tables["userkeys"])
    wanted = call.text("apikeyfilter")
    if wanted is not None:
        keys = [key for key in keys if key["apikey"] == wanted]
        if not keys:
            raise invalid("Could not complete request.")
    else:
        user = call.entity("userid", check=False) or call.caller.user
        keys = [key for key in keys if key["userid"] == user["id"]]
    if not call.caller.is_admin and any(key["userid"] != call.caller.user["id"] for key in keys):
        raise no_permission()
    seen = [_key(call, key) for key in keys if _sees(call, key)]
    return {"count": len(keys), "userapikey": seen} if seen else {"count": len(keys)}


def _key(call: Call, key: Row) -> Row:
    owner = call.cloud.caller(key["userid"])
    return {
        **key,
        "username": owner.user["username"],
        "accounttype": "ADMIN" if owner.is_admin else "NORMAL",
        "accountid": owner.account["id"],
        "accountname": owner.name,
        "roleid": owner.role["id"],
        "roletype": owner.role["type"],
        "rolename": owner.role["name"],
        "domainid": owner.domain["id"],
        "domain": owner.domain["name"],
        "domainpath": owner.domain["path"],
    }


# --- users and accounts ----------------------------------------------------------------------------------------


@command("listUsers", id="users")
def list_users(call: Call) -> Answer:
    rows = call.cloud.tables["users"]
    if not (call.caller.is_admin and call.flag("listall")):
        own = [row for row in rows if row["accountid"] == call.caller.account["id"]]
        return call.page("user", call.matching(own, "username"), lambda row: _user(call, row))
    return call.page("user", call.matching(rows, "username"), lambda row: _user(call, row))
