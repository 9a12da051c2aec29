"""Templates: listing, registering, making them from disks, sharing, copying, deleting."""

from __future__ import annotations

from urllib.parse import urlsplit

from ec2bridge.simulator import images, machines
from ec2bridge.simulator.call import Call, account_label
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.errors import ApiError, invalid, malformed, no_permission
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

FORMATS = "QCOW2, RAW, VHD, ISO, OVA, VHDX, BAREMETAL, EXTERNAL, VMDK, VDI, TAR, ZIP, DIR, PNG, "
HYPERVISORS = (
    "XenServer, KVM, VMware, Hyperv, VirtualBox, Parralels, BareMetal, Simulator, Ovm, Ovm3, LXC, Custom, "
    "External, Any"
)
FILTERS = frozenset(
    {"featured", "self", "selfexecutable", "sharedexecutable", "executable", "community", "all"}
)
OVERCOMMIT = {"cpuOvercommitRatio": "4.0", "memoryOvercommitRatio": "2.0"}
REGISTERED_SIZE = 5242880


@command("listTemplates", id="templates")
def list_templates(call: Call) -> Answer:
    wanted = call.need("templatefilter")
    if wanted not in FILTERS:
        raise malformed(f"No enum constant com.cloud.template.VirtualMachineTemplate.TemplateFilter.{wanted}")
    if wanted == "all" and not call.caller.is_admin:
        raise invalid("Filter all can be specified by admin only")
    _refuse_hidden(call, wanted)
    found = [row for row in call.cloud.tables["templates"] if _matches(call, row, wanted)]
    found = call.matching(found, "name", "hypervisor", "ostypeid", "templatetype")
    return call.page("template", [row for template in found for row in images.rows(call, template)])


def _refuse_hidden(call: Call, wanted: str) -> None:
    template = call.entity("id", check=False)
    if template is None or template.get("_removed") or images.launchable(call, template):
        return
    if wanted == "executable":
        raise no_permission(
            f"Account {account_label(call.caller.account)} "
            f"does not have permission to launch instances from template {images.label(template)}"
        )


def _matches(call: Call, template: Row, wanted: str) -> bool:
    if wanted == "all":
        return True
    if template["templatetype"] == "SYSTEM":
        return False
    public, featured = template["ispublic"], template["isfeatured"]
    if wanted == "featured":
        return bool(public and featured)
    if wanted == "community":
        return bool(public and not featured)
    if wanted in ("self", "selfexecutable"):
        return bool(call.visible([template])) and template["templatetype"] == "USER"
    if wanted == "sharedexecutable":
        return call.caller.name in template["_permissions"]
    if not template["isready"]:
        return False
    # Those that others share stand in a listing of their own, and here only when one is asked for.
    return (
        images.launchable(call, template) if call.text("id") else bool(public or images.owns(call, template))
    )


@command("listIsos", id="isos")
def list_isos(call: Call) -> Answer:
    return call.page("iso", call.matching(call.visible(call.cloud.tables["isos"]), "name"))


# Making them


@command("registerTemplate")
def register(call: Call) -> Answer:
    if call.need("hypervisor").lower() not in HYPERVISORS.lower().split(", "):
        raise invalid(
            f"Hypervisor Type: {call.need('hypervisor')} is invalid. Supported Hypervisor types are: {HYPERVISORS}"
        )
    if not urlsplit(call.need("url")).scheme:
        raise malformed("URI is not absolute")
    if call.need("format").upper() not in FORMATS.split(", "):
        raise malformed(
            f"Image format: {call.need('format')} is incorrect. Supported formats are [{FORMATS}]"
        )
    call.limit("template")
    zones = call.words("zoneids") or call.words("zoneid")
    if not zones or zones == ["-1"]:
        zones = [zone["id"] for zone in call.cloud.tables["zones"]]
    template = images.new_template(
        call,
        format=call.need("format").upper(),
        size=REGISTERED_SIZE,
        physicalsize=REGISTERED_SIZE,
        url=call.need("url"),
        _zones=zones,
    )
    found = images.rows(call, template)
    return {"count": len(found), "template": [{**row, "zoneid": row["zoneid"]} for row in found]}


@command("createTemplate")
def create(call: Call) -> Answer:
    call.limit("template")
    volume, snapshot = call.entity("volumeid"), call.entity("snapshotid")
    if volume is None and snapshot is None:
        raise invalid("Unable to find snapshot by id=null")
    source = volume or snapshot or {}
    if snapshot is not None and volume is None and snapshot["state"] != "BackedUp":
        raise invalid(
            f"Snapshot id={snapshot['_number']} is not in BackedUp state yet and can't be used for template creation"
        )
    template = images.new_template(
        call, format="RAW", isready=False, _zones=[source["zoneid"]], **_from(call, volume, snapshot)
    )

    def work() -> Row:
        failure = call.cloud.settings["template.creation.fails"]
        if failure:
            # Its tags stay (seen on 4.20.3), unlike those of one that is deleted.
            call.cloud.tables["templates"].erase(template)
            raise ApiError(530, 4250, f"Failed to create Template{failure}")
        call.cloud.tables["templates"].update(template, isready=True)
        return {"template": images.rows(call, template)[0]}

    answer = {"id": template["id"]}
    return call.submit(work, kind="Template", instance=template["id"], answer=answer, weight=0.4)


def _from(call: Call, volume: Row | None, snapshot: Row | None) -> Row:
    """What a template takes from its disk: size, and the template which that was made from."""
    if volume is None:
        source = call.cloud.tables["volumes"].known((snapshot or {}).get("volumeid", "")) or {}
        return _origin(call, source)
    machine = call.cloud.tables["machines"].get(volume.get("virtualmachineid"))
    if machine is not None and machine["state"] != "Stopped":
        raise call.internal(f"Cannot create template from volume of running {machines.label(machine)}")
    return {"size": volume["size"], **_origin(call, volume)}


def _origin(call: Call, volume: Row) -> Row:
    """The template of a root disk, and the details of the machine that it is in, its key pair's among them."""
    if "templateid" not in volume:
        return {}
    machine = call.cloud.tables["machines"].get(volume.get("virtualmachineid"))
    own = {**machine["details"], **(OVERCOMMIT if machine["_custom"] else {})} if machine else {}
    return {"sourcetemplateid": volume["templateid"], "details": {**own, **call.details()}}


# Changing them


@command("updateTemplate", id="templates")
def update(call: Call) -> Answer:
    template = call.needed("id")
    fields: Row = {name: call.text(name) for name in ("name", "displaytext") if call.text(name)}
    for name in ("passwordenabled", "isdynamicallyscalable", "requireshvm", "sshkeyenabled"):
        if call.text(name) is not None:
            fields[name] = call.flag(name)
    os_type = call.entity("ostypeid", check=False)
    if os_type is not None:
        fields.update(ostypeid=os_type["id"], ostypename=os_type["name"])
    if call.details():
        fields["details"] = call.details()
    call.cloud.tables["templates"].update(template, **fields)
    shown = {**template, "isready": False, "bootable": True, "isfeatured": False, "hasannotations": False}
    shown["tags"] = tags.inside(call.cloud, template["id"])
    if not shown["details"]:
        del shown["details"]
    return {"template": {key: shown[key] for key in images.SHORT if key in shown}}


@command("updateTemplatePermissions", id="templates")
def update_permissions(call: Call) -> Answer:
    template = call.needed("id", check=False)
    if not images.owns(call, template):
        raise invalid(
            f"Unable to grant permission to Account {call.caller.name} as it is neither admin nor owner or the Template"
        )
    fields: Row = {"ispublic": call.flag("ispublic")} if call.text("ispublic") is not None else {}
    if call.text("isfeatured") is not None and call.caller.is_admin:
        fields["isfeatured"] = call.flag("isfeatured")
    fields["_permissions"] = _permitted(call, template)
    if call.text("op") == "reset":
        fields.update(ispublic=False, isfeatured=False)
    call.cloud.tables["templates"].update(template, **fields)
    return {"success": True}


def _permitted(call: Call, template: Row) -> list[str]:
    names, have = call.words("accounts"), list(template["_permissions"])
    operation = call.text("op")
    if operation == "reset":
        return []
    if operation == "remove":
        return [name for name in have if name not in names]
    for name in names:
        if call.cloud.tables["accounts"].first(name=name) is None:
            raise invalid(
                f"Unable to grant a launch permission to Account {name} in domain id={call.caller.domain['id']}, "
                "Account not found.  No permissions updated, please verify the Account names and retry."
            )
    return have + [name for name in names if name not in have]


@command("listTemplatePermissions", id="templates")
def list_permissions(call: Call) -> Answer:
    template = call.needed("id", check=False)
    if not images.launchable(call, template):
        raise no_permission()
    names = [*template["_permissions"], *([template["account"]] if "account" in template else [])]
    return {"templatepermission": {"id": template["id"], "ispublic": template["ispublic"], "account": names}}


@command("copyTemplate", id="templates", sourcezoneid="zones", destzoneid="zones", destzoneids="zones")
def copy(call: Call) -> Answer:
    template = call.needed("id", check=False)
    targets = call.words("destzoneids") or call.words("destzoneid")

    def work() -> Row:
        if call.text("sourcezoneid") in targets:
            raise invalid("Please specify different source and destination zones.")
        zones = [*template["_zones"], *(zone for zone in targets if zone not in template["_zones"])]
        call.cloud.tables["templates"].update(template, _zones=zones)
        # The real server's answer is this empty shell, whatever was copied.
        shell = {
            "ispublic": False,
            "isready": False,
            "isfeatured": False,
            "crossZones": False,
            "bits": 0,
            "tags": [],
        }
        return {"null": shell}

    return call.submit(work, kind="Template", instance=template["id"])


@command("deleteTemplate", id="templates")
def delete(call: Call) -> Answer:
    template = call.needed("id", check=False)

    def work() -> Row:
        if template.get("_removed"):
            raise invalid(f"Unable to find Template with id {template['_number']}")
        users = call.cloud.tables["machines"].where(templateid=template["id"])
        if users and not call.flag("forced"):
            raise invalid(
                f"Unable to delete template [{images.label(template)}] because there are [{len(users)}] VM instances "
                "using it."
            )
        if not images.owns(call, template):
            raise no_permission()
        _delete_in(call, template)
        return {"success": True}

    return call.submit(work, kind="Template", instance=template["id"])


def _delete_in(call: Call, template: Row) -> None:
    """In one zone, or everywhere."""
    left = [zone for zone in template["_zones"] if call.text("zoneid") not in (None, zone)]
    call.cloud.tables["templates"].update(template, _zones=left)
    if not left:
        tags.forget(call.cloud, template["id"])
        call.cloud.tables["templates"].remove(template)
