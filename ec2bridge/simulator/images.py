"""Templates as listings show them: one row a zone, all with the same id."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.tables import Row, now

# What updateTemplate answers with, unlike the listings.
SHORT = (
    "id",
    "name",
    "displaytext",
    "ispublic",
    "created",
    "isready",
    "format",
    "bootable",
    "isfeatured",
    "crossZones",
    "ostypeid",
    "ostypename",
    "account",
    "templatetype",
    "hypervisor",
    "domain",
    "domainpath",
    "domainid",
    "details",
    "bits",
    "isdynamicallyscalable",
    "tags",
    "hasannotations",
)


def new_template(call: Call, **fields: object) -> Row:
    """A private template of the call's owner, with the flags that the call gives."""
    os_type = call.entity("ostypeid", check=False) or {}
    row: Row = {
        "name": call.need("name"),
        "displaytext": call.text("displaytext") or call.need("name"),
        "ispublic": call.flag("ispublic"),
        "created": now(),
        "isready": True,
        "passwordenabled": call.flag("passwordenabled"),
        "isfeatured": call.flag("isfeatured") and call.caller.is_admin,
        "crossZones": False,
        "ostypeid": os_type.get("id"),
        "ostypename": os_type.get("name"),
        **call.owner(),
        "templatetype": "USER",
        "hypervisor": "Simulator",
        "isextractable": call.flag("isextractable"),
        "details": call.details(),
        "arch": call.text("arch") or "x86_64",
        "bits": call.number("bits") or 0,
        "sshkeyenabled": call.flag("sshkeyenabled"),
        "isdynamicallyscalable": call.flag("isdynamicallyscalable"),
        "directdownload": False,
        "deployasis": False,
        "forcks": False,
        "requireshvm": call.flag("requireshvm", True),
        "_permissions": [],
        **fields,
    }
    return call.cloud.tables["templates"].add(row)


def show(call: Call, template: Row, zone: Row) -> Row:
    """The template in one zone. Its owner and admins read how the download went."""
    row = {**public(template), "zoneid": zone["id"], "zonename": zone["name"]}
    store = f"nfs://10.147.28.6:/export/home/{zone['name']}/secondary"
    details = {"downloadState": "DOWNLOADED", "datastore": store, "downloadPercent": "100"}
    if call.caller.is_admin:
        details.update(datastoreRole="Image", datastoreId=str(uuid5(NAMESPACE_URL, store)))
    if template["isready"]:
        row["downloaddetails"] = [details]
    if owns(call, template) and template["isready"]:
        row["status"] = "Download Complete"
    else:
        row.pop("url", None)
    if call.words("details") == ["min"]:
        row = {key: row[key] for key in row if key not in ("details", "forcks")}
    return {**row, "tags": tags.inside(call.cloud, template["id"]), "hasannotations": False}


def rows(call: Call, template: Row) -> list[Row]:
    """Its rows in every zone where it is, or in the one that the call names."""
    zones = call.cloud.tables["zones"]
    wanted = call.text("zoneid")
    found = [zones.get(zone) for zone in template["_zones"] if wanted in (None, "-1", zone)]
    return [show(call, template, zone) for zone in found if zone]


def owns(call: Call, template: Row) -> bool:
    return call.caller.is_admin or call.may_use(template)


def launchable(call: Call, template: Row) -> bool:
    shared = call.caller.name in template["_permissions"]
    return bool(template["ispublic"] or shared or owns(call, template))


def label(template: Row) -> str:
    """How CloudStack names a template in its error texts."""
    unique = "simulator-Centos" if template["templatetype"] == "BUILTIN" else _unique_name(template)
    return (
        f'Template {{"format":"{template["format"]}","id":{template["_number"]},"name":"{template["name"]}",'
        f'"uniqueName":"{unique}","uuid":"{template["id"]}"}}'
    )


def _unique_name(template: Row) -> str:
    return f"{template['_number']}-3-{template['id']}"
