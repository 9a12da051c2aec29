"""What this cloud is and can do: capabilities, settings, and the commands themselves."""

from __future__ import annotations

from ec2bridge.simulator import apis
from ec2bridge.simulator.apis import Api
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.errors import ApiError
from ec2bridge.simulator.registry import Answer, command, commands
from ec2bridge.simulator.tables import Row

# Administrators may whatever the setting says to users.
USERS = {
    "allowuserviewdestroyedvm": "allow.user.view.destroyed.vm",
    "allowuserexpungerecovervm": "allow.user.expunge.recover.vm",
    "allowuserexpungerecovervolume": "allow.user.expunge.recover.volume",
    "allowuserforcestopvm": "allow.user.force.stop.vm",
}
NO_SUCH_API = "Api Discovery plugin was unable to find an api by that name or process any apis"
SWITCHES = {
    "instanceleaseenabled": "instance.lease.enabled",
    "userpublictemplateenabled": "allow.public.user.templates",
    "customdiskofferingminsize": "custom.diskoffering.size.min",
    "customdiskofferingmaxsize": "custom.diskoffering.size.max",
}


@command("listCapabilities")
def list_capabilities(call: Call) -> Answer:
    settings = call.cloud.settings
    row = {**call.cloud.facts["capability"], "cloudstackversion": call.cloud.version}
    row.update({field: settings[name] for field, name in SWITCHES.items()})
    row.update({field: call.caller.is_admin or settings[name] for field, name in USERS.items()})
    if call.caller.role["name"] == "Root Admin":
        row["extensionspath"] = "/var/lib/cloudstack"
    return {"capability": row}


@command("listConfigurations")
def list_configurations(call: Call) -> Answer:
    rows = [_setting(name, value) for name, value in call.cloud.settings.items()]
    return call.page("configuration", call.matching(rows, "name"))


def _setting(name: str, value: object) -> Row:
    kind = {bool: "Boolean", int: "Number"}.get(type(value), "String")
    return {
        "category": "Advanced",
        "group": "Management Server",
        "subgroup": "Limits",
        "name": name,
        "value": str(value).lower() if isinstance(value, bool) else str(value),
        "defaultvalue": "20",
        "isdynamic": False,
        "component": "management-server",
        "displaytext": name.replace(".", " ").capitalize(),
        "type": kind,
    }


@command("listApis")
def list_apis(call: Call) -> Answer:
    allowed = call.cloud.rules(call.caller.role)
    names = sorted(entry.name for entry in commands().values() if entry.name in allowed)
    found = [api for name in names if (api := apis.find(name, call.cloud.release))]
    wanted = call.text("name")
    if wanted in {api.name for api in found}:
        found = [api for api in found if api.name == wanted]
    elif wanted is not None and (
        not call.cloud.since("4.23") or wanted.lower() in {api.name.lower() for api in found}
    ):
        raise ApiError(530, 9999, NO_SUCH_API)
    # From 4.23 on a name that the role may not call, or that nothing has, is as good as none.
    return call.page("api", [_show(api) for api in found])


def _show(api: Api) -> Row:
    params = [
        {"name": param.name, "description": "", "type": param.type, "length": 255, "required": param.required}
        | ({"since": param.since} if param.since else {})
        for param in api.params.values()
    ]
    since = {"since": api.since} if api.since else {}
    return {
        "name": api.name,
        "description": "",
        **since,
        "isasync": api.asynchronous,
        "params": params,
        "response": [{"name": name, "description": "", "type": "string"} for name in api.response],
    }


@command("listEventTypes")
def list_event_types(call: Call) -> Answer:
    return call.page("eventtype", [{"name": name} for name in call.cloud.facts["eventtypes"]])
