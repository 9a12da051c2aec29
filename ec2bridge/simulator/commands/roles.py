"""Roles and what they allow; changed by root administrators alone. The first rule of a role that fits decides."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ec2bridge.simulator import apis
from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.errors import internal, malformed, no_permission
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

TYPES = ("Admin", "ResourceAdmin", "DomainAdmin", "User")
PERMISSIONS = ("allow", "deny")


@command("listRolePermissions", roleid="roles")
def list_role_permissions(call: Call) -> Answer:
    roles = [call.needed("roleid")] if call.text("roleid") else list(call.cloud.tables["roles"])
    return {"rolepermission": [_show(role, rule) for role in roles for rule in _permissions(call, role)]}


def _show(role: Row, rule: Row) -> Row:
    return {**rule, "roleid": role["id"], "rolename": role["name"]}


def _permissions(call: Call, role: Row) -> list[Row]:
    """The rules as they were made; a default role's are one a command, the administrator's is all."""
    if "_permissions" in role:
        made: list[Row] = role["_permissions"]
        return made
    here = (name for name in call.cloud.rules(role) if apis.find(name, call.cloud.release))
    names = ["*"] if role["_rules"] == ["*"] else sorted(here)
    return [{"id": f"{role['id']}-{name}", "rule": name, "permission": "allow"} for name in names]


@command("importRole")
def import_role(call: Call) -> Answer:
    kind = _type(call)
    rules = [_rule(call, entry, "provided in rules param") for entry in call.maps("rules")]
    if call.cloud.tables["roles"].where(name=call.need("name")) and not call.flag("forced"):
        raise internal(True, "Role already exists")
    return {"role": _add(call, kind, rules)}


@command("createRole", roleid="roles")
def create_role(call: Call) -> Answer:
    source = call.entity("roleid") if call.text("roleid") else None
    if source is None:
        return {"role": _add(call, _type(call), [])}
    return {"role": _add(call, source["type"], list(_permissions(call, source)))}


def _type(call: Call) -> str:
    kind = next((name for name in TYPES if name.lower() == (call.text("type") or "").lower()), None)
    if kind is None:
        raise malformed("Invalid role type provided")
    return kind


def _add(call: Call, kind: str, rules: list[Row]) -> Row:
    _root_alone(call)
    row = {"name": call.need("name"), "type": kind, "description": call.text("description") or ""}
    role = call.cloud.tables["roles"].add({**row, "_rules": _allowed(rules), "_permissions": rules})
    return {**public(role), "isdefault": False, "ispublic": True, "state": "enabled"}


@command("createRolePermission", roleid="roles")
def create_role_permission(call: Call) -> Answer:
    _root_alone(call)
    role = call.needed("roleid")
    rule = _rule(call, {name: call.text(name) or "" for name in ("rule", "permission", "description")}, "")
    rules = _permissions(call, role)
    if any(known["rule"] == rule["rule"] for known in rules):
        raise no_permission(f"Rule already exists for the role: {role['name']}")
    rules = [*rules, rule]
    call.cloud.tables["roles"].update(role, _permissions=rules, _rules=_allowed(rules))
    call.cloud.forget_rules(role)
    return {"rolepermission": _show(role, rule)}


def _rule(call: Call, entry: dict[str, str], where: str) -> Row:
    name, permission = entry.get("rule", ""), entry.get("permission", "").lower()
    if "*" not in name and apis.find(name, call.cloud.release) is None:
        raise malformed(f"Invalid api name: {name} {where}".rstrip())
    if permission not in PERMISSIONS:
        raise malformed("Values for permission parameter should be: allow or deny")
    told = {"description": entry["description"]} if entry.get("description") else {}
    return {"id": f"{call.caller.user['id']}-{name}", "rule": name, "permission": permission, **told}


def _allowed(rules: list[Row]) -> list[str]:
    """The commands that rules allow."""
    found = []
    for name in apis.names():
        first = next((rule for rule in rules if fnmatchcase(name.lower(), rule["rule"].lower())), None)
        if first and first["permission"] == "allow":
            found.append(name)
    return found


def _root_alone(call: Call) -> None:
    if call.caller.role["name"] != "Root Admin":
        raise no_permission("Restricted API called by an invalid user account")
