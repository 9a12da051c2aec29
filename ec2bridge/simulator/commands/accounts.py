"""Accounts, users, domains, roles, projects and their quotas."""

from __future__ import annotations

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.errors import invalid, no_permission
from ec2bridge.simulator.limits import UNLIMITED
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, Table, now

# resource type as numbered by CloudStack → the stem of its fields in listAccounts
STEMS = {
    "user_vm": "vm",
    "public_ip": "ip",
    "volume": "volume",
    "snapshot": "snapshot",
    "backup": "backup",
    "backup_storage": "backupstorage",
    "template": "template",
    "project": "project",
    "network": "network",
    "vpc": "vpc",
    "cpu": "cpu",
    "memory": "memory",
    "gpu": "gpu",
    "primary_storage": "primarystorage",
    "secondary_storage": "secondarystorage",
    "bucket": "bucket",
    "object_storage": "objectstorage",
}


def _quota_fields(call: Call, owner: Row, skip: tuple[str, ...] = ()) -> Row:
    """`vmlimit`, `vmtotal`, `vmavailable` and so on for every resource."""
    row: Row = {}
    for resource, stem in STEMS.items():
        if resource in skip:
            continue
        most, used = call.cloud.limits.maximum(owner, resource), call.cloud.limits.used(owner, resource)
        none = most == UNLIMITED
        row[f"{stem}limit"] = "Unlimited" if none else str(most)
        row[f"{stem}total"] = float(used) if resource == "secondary_storage" else used
        row[f"{stem}available"] = "Unlimited" if none else str(most - used)
    return row


def _states(call: Call, owner: Row) -> Row:
    rows = call.cloud.tables["machines"].where(**owner)
    states = [machine["state"] for machine in rows]
    return {"vmstopped": states.count("Stopped"), "vmrunning": states.count("Running")}


def show_user(call: Call, user: Row) -> Row:
    key = call.cloud.tables["userkeys"].first(userid=user["id"])
    shown = {"apikey": key["apikey"]} if key else {}
    return {
        **public(user),
        **shown,
        "iscallerchilddomain": False,
        "is2faenabled": False,
        "is2famandated": False,
    }


@command("listAccounts", id="accounts")
def list_accounts(call: Call) -> Answer:
    rows = call.matching(_own(call, call.cloud.tables["accounts"], "id"), "name", "state")

    def render(account: Row) -> Row:
        owner = {"account": account["name"], "domainid": account["domainid"]}
        users = [show_user(call, user) for user in call.cloud.tables["users"].where(accountid=account["id"])]
        traffic = {} if call.caller.is_admin else {"receivedbytes": 0, "sentbytes": 0}
        access = {"apikeyaccess": "INHERIT"} if call.caller.is_admin else {}
        numbers = {**_quota_fields(call, owner), **_states(call, owner)}
        return {**account, **traffic, **numbers, "user": users, "groups": [], **access}

    return call.page("account", rows, render)


@command("createAccount", roleid="roles", domainid="domains")
def create_account(call: Call) -> Answer:
    """An account and its first user, without keys."""
    name, username = call.text("account") or call.need("username"), call.need("username")
    role = call.entity("roleid")
    if role is None:
        raise invalid("Account type and role ID are not known")
    tables = call.cloud.tables
    if any(row["name"] == name for row in tables["accounts"]):
        raise invalid(f"The specified account: {name} already exists")
    domain = call.entity("domainid") or call.caller.domain
    kind = 1 if role["type"] == "Admin" else 0
    shared = {
        "accounttype": kind,
        "roleid": role["id"],
        "roletype": role["type"],
        "rolename": role["name"],
        "domainid": domain["id"],
        "domain": domain["name"],
        "created": now(),
        "isdefault": False,
        "state": "enabled",
    }
    account = tables["accounts"].add({"name": name, "domainpath": domain["path"], **shared})
    named = {field: call.need(field) for field in ("firstname", "lastname", "email")}
    owner = {"account": name, "accountid": account["id"], "usersource": "native"}
    user = tables["users"].add({"username": username, **named, **owner, **shared})
    return {"account": {**public(account), "user": [show_user(call, user)], "groups": []}}


@command("listUsers", id="users")
def list_users(call: Call) -> Answer:
    rows = call.matching(
        _own(call, call.cloud.tables["users"], "accountid"), "username", "state", keyword="username"
    )

    def render(user: Row) -> Row:
        access = {"apikeyaccess": "INHERIT"} if call.caller.is_admin else {}
        return {**show_user(call, user), **access}

    return call.page("user", rows, render)


def _own(call: Call, rows: Table, field: str) -> list[Row]:
    """One's own account's rows; an admin's with `listall`, an id or a name is everybody's."""
    found = list(rows)
    wide = call.flag("listall") or any(
        call.text(name) for name in ("id", "name", "username", "account", "domainid")
    )
    if call.caller.is_admin and wide:
        return found
    return [row for row in found if row[field] == call.caller.account["id"]]


@command("listDomains", id="domains")
def list_domains(call: Call) -> Answer:
    rows = call.matching(call.cloud.tables["domains"], "name", "level")

    def render(domain: Row) -> Row:
        owner = {"domainid": domain["id"]}
        totals: Row = {}
        for resource, stem in STEMS.items():
            used = call.cloud.limits.used_in_domain(owner["domainid"], resource)
            totals[f"{stem}limit"] = totals[f"{stem}available"] = "Unlimited"
            totals[f"{stem}total"] = float(used) if resource == "secondary_storage" else used
        return {**domain, "haschild": False, **totals, "hasannotations": False}

    return call.page("domain", rows, render)


@command("listRoles", id="roles")
def list_roles(call: Call) -> Answer:
    rows = call.matching(call.cloud.tables["roles"], "name", "type")
    state = {"isdefault": False, "ispublic": True, "state": "enabled"}
    return call.page("role", rows, render=lambda role: {**role, **state})


# Quotas


def _types(call: Call) -> list[Row]:
    rows: list[Row] = call.cloud.facts["limits"]
    return rows


@command("listResourceLimits")
def list_limits(call: Call) -> Answer:
    owner = call.owner()
    rows = []
    for kind in _types(call):
        most = call.cloud.limits.maximum(owner, kind["resourcetypename"])
        rows.append(
            {
                **owner,
                "resourcetype": kind["resourcetype"],
                "resourcetypename": kind["resourcetypename"],
                "max": most,
            }
        )
    wanted = call.matching(rows, "resourcetype", "resourcetypename")
    return call.page("resourcelimit", wanted)


@command("updateResourceLimit")
def update_limit(call: Call) -> Answer:
    kind = next((row for row in _types(call) if row["resourcetype"] == call.need("resourcetype")), None)
    if kind is None:
        raise invalid(f"Please specify correct resource type; {call.need('resourcetype')} is unknown")
    owner, most = call.owner(), call.number("max")
    if not call.caller.is_admin:
        raise no_permission()
    call.cloud.limits.set(owner, kind["resourcetypename"], UNLIMITED if most is None else most)
    return {
        "resourcelimit": {
            **owner,
            "resourcetype": kind["resourcetype"],
            "resourcetypename": kind["resourcetypename"],
            "max": UNLIMITED if most is None else most,
        }
    }


# Projects


@command("createProject")
def create_project(call: Call) -> Answer:
    table = call.cloud.tables["projects"]
    if any(row["name"].lower() == call.need("name").lower() for row in table):
        raise invalid(
            f"Project with name {call.need('name')} already exists in domain id={call.caller.domain['_number']}"
        )
    number = len(table) + 1
    domain = call.caller.domain
    project = table.add(
        {
            "name": call.need("name"),
            "displaytext": call.text("displaytext") or call.need("name"),
            "domainid": domain["id"],
            "domain": domain["name"],
            "owner": [{"account": call.caller.name}],
            "projectaccountname": f"PrjAcct-{call.need('name')}-{number}",
            "state": "Active",
            "tags": [],
            "created": now(),
            "_members": [call.caller.name],
        }
    )

    def work() -> Row:
        return {"project": public(_show_project(call, project))}

    # The real server names the kind and no instance.
    return call.submit(work, kind="None", answer={"id": project["id"]})


def _show_project(call: Call, project: Row) -> Row:
    owner = {"projectid": project["id"]}
    return {**project, **_quota_fields(call, owner, skip=("project",)), **_states(call, owner)}


@command("listProjects", id="projects")
def list_projects(call: Call) -> Answer:
    rows = [row for row in call.cloud.tables["projects"] if call.may_use(row)]
    rows = call.matching(rows, "name", "state")
    return call.page("project", rows, render=lambda project: _show_project(call, project))
