"""Volumes.

A volume is Allocated until a machine or a snapshot gives it content; most of what is wrong with an attachment or a
resize shows in the job alone. A machine's root volume is made with the machine (`ec2bridge/simulator/machines.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from ec2bridge.simulator import machines
from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import snapshots, tags
from ec2bridge.simulator.entities import volume_text
from ec2bridge.simulator.errors import ApiError, invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now

GIB = 1 << 30
TAKING = ("Creating", "CreatedOnPrimary", "BackingUp")
"""States of a snapshot in which its volume cannot be deleted (SnapshotManager.canOperateOnVolume)."""
NOT_FREE = "Please specify a volume that is not attached to any VM."
MOST_DATA_VOLUMES = 6
"""What listHypervisorCapabilities gives for the simulator's hypervisor; KVM's has 32."""
# The CD drive takes device 3.
CD_DEVICE = 3
_ATTACHMENT = ("virtualmachineid", "deviceid", "attached")
_STATISTICS = {"diskkbsread": 0, "diskkbswrite": 0, "diskioread": 0, "diskiowrite": 0}
_PLACE = ("zoneid", "zonename", "account", "projectid", "project", "domainid", "domain", "domainpath")


def shown(cloud: Cloud, volume: Row) -> Row:
    """A volume as listVolumes shows it."""
    machine = cloud.tables["machines"].known(volume.get("virtualmachineid", ""))
    row = {
        **public(volume),
        **_offering_fields(cloud, volume),
        **_template_fields(cloud, volume),
        **(_machine_fields(machine) if machine else {}),
        "destroyed": volume["state"] == "Destroy",
        "isextractable": volume["type"] != "ROOT",
        "quiescevm": False,
        "supportsstoragesnapshot": False,
        "deleteprotection": volume.get("deleteprotection", False),
        "tags": tags.inside(cloud, volume["id"]),
        "hasannotations": False,
    }
    if "_reattached" not in volume:
        # Disks that were made with their machine have no time of attachment.
        row.pop("attached", None)
    pending = cloud.jobs.pending(volume["id"])
    return {**row, "jobid": pending["id"], "jobstatus": 0} if pending else row


def _machine_fields(machine: Row) -> Row:
    return {
        "vmname": machine["name"],
        **({"vmdisplayname": machine["displayname"]} if "displayname" in machine else {}),
        "vmstate": machine["state"],
        "vmtype": "User",
        **_STATISTICS,
    }


def _offering_fields(cloud: Cloud, volume: Row) -> Row:
    fields: Row = {}
    for kind, table in (("diskoffering", "diskofferings"), ("serviceoffering", "serviceofferings")):
        offering = cloud.tables[table].known(volume.get(f"{kind}id", ""))
        if offering:
            fields[f"{kind}name"] = offering["name"]
            fields[f"{kind}displaytext"] = offering["displaytext"]
    return fields


def _template_fields(cloud: Cloud, volume: Row) -> Row:
    template = cloud.tables["templates"].known(volume.get("templateid", ""))
    if template is None:
        return {}
    return {"templatename": template["name"], "templatedisplaytext": template["displaytext"]}


# Listing


@command("listVolumes", id="volumes")
def list_volumes(call: Call) -> Answer:
    table = call.cloud.tables["volumes"]
    machine = call.params.get("virtualmachineid")
    # Of one machine the same rows that `matching` would leave, in the same order, without looking at every other.
    of_one = table.where(virtualmachineid=machine.lower()) if machine else []
    rows = call.visible(sorted(of_one, key=lambda row: int(row["_number"])) if machine else table)
    fields = ("virtualmachineid", "zoneid", "type", "state", "name", "diskofferingid", "serviceofferingid")
    found = call.matching(rows, *fields)
    if "page" in call.params:
        found.reverse()
    return call.page("volume", found, lambda row: shown(call.cloud, row))


# Making and unmaking


@command("createVolume")
def create_volume(call: Call) -> Answer:
    snapshot = call.entity("snapshotid")
    call.limit("volume")
    fields = _from_snapshot(call, snapshot) if snapshot else _empty(call)
    name = call.params.get("name") or f"DATA-{call.caller.name}"
    volume = call.cloud.tables["volumes"].add(
        {
            "name": name,
            "type": "DATADISK",
            "provisioningtype": "thin",
            "created": now(),
            **fields,
            **call.owner(),
        }
    )
    machine = call.entity("virtualmachineid")

    def work() -> Row:
        if snapshot is not None:
            call.cloud.tables["volumes"].update(volume, state="Ready")
        if machine is not None:
            _attach(call, volume, machine)
        # The job tells what the volume is of; no listing does.
        source = {"snapshotid": snapshot["id"]} if snapshot else {}
        return {"volume": {**shown(call.cloud, volume), **source}}

    return _submit(call, volume, work, answer={"id": volume["id"]}, weight=0.3 if snapshot else 0.1)


def _submit(
    call: Call, volume: Row, work: Callable[[], Row], *, answer: Row | None = None, weight: float = 0.3
) -> Answer:
    return call.submit(work, kind="Volume", instance=volume["id"], answer=answer, weight=weight)


def _empty(call: Call) -> Row:
    zone = call.entity("zoneid")
    offering = call.entity("diskofferingid")
    if offering is None:
        raise invalid(
            "Missing parameter(s),either a positive volume size or a valid disk offering id must be specified."
        )
    size = _size(call, offering)
    if zone is None:
        raise invalid("Unable to find zone by id null")
    place = {"zoneid": zone["id"], "zonename": zone["name"]}
    return {"size": size * GIB, "state": "Allocated", "diskofferingid": offering["id"], **place}


def _size(call: Call, offering: Row) -> int:
    """GiB: the offering's, or for a customised one what the call asks for."""
    if not offering["iscustomized"]:
        return int(offering["disksize"])
    size = call.number("size")
    if size is None:
        raise invalid("This disk offering requires a custom size specified")
    _check_size(call.cloud, size)
    return size


def _check_size(cloud: Cloud, size: int) -> None:
    least = cloud.settings["custom.diskoffering.size.min"]
    most = cloud.settings["custom.diskoffering.size.max"]
    if not least <= size <= most:
        raise invalid(f"Volume size: {size} GB is out of allowed range. Min: {least}. Max: {most}")


def _from_snapshot(call: Call, snapshot: Row) -> Row:
    """A snapshot's volume has its size, offering and zone; a root's needs an offering of its own."""
    source = call.cloud.tables["volumes"].known(snapshot["volumeid"]) or {}
    chosen = call.entity("diskofferingid")
    if snapshot.get("_removed") or snapshot["state"] != "BackedUp":
        raise invalid(
            f"Snapshot id={snapshot['_number']} is not in BackedUp state yet and can't be used for volume creation"
        )
    if snapshot["volumetype"] != "ROOT" and chosen is not None:
        raise invalid(
            "Disk Offering ID cannot be passed whilst creating volume from snapshot other than ROOT disk snapshots"
        )
    offering_id = chosen["id"] if chosen else source.get("diskofferingid")
    zone = call.entity("zoneid") or call.cloud.tables["zones"].known(snapshot["zoneid"]) or {}
    if zone["id"] not in snapshots.zones_of(snapshot):
        raise invalid(f"Snapshot {snapshot['id']} is not available in zone {zone['id']}")
    size = max(snapshot["virtualsize"], (call.number("size") or 0) * GIB)
    return {
        "size": size,
        "state": "Creating",
        "zoneid": zone["id"],
        "zonename": zone["name"],
        **({"diskofferingid": offering_id} if offering_id else {}),
    }


def leave_for_dead(cloud: Cloud, volume: Row) -> None:
    """A data disk that is destroyed with its machine is there, with its tags, until a clean-up thread has been by."""
    for key in ("virtualmachineid", "deviceid", "attached"):
        volume.pop(key, None)
    cloud.tables["volumes"].update(volume, state="Destroy")


def remove(cloud: Cloud, volume: Row) -> None:
    tags.forget(cloud, volume["id"])
    cloud.tables["volumes"].remove(volume)


@command("deleteVolume", id="volumes")
def delete_volume(call: Call) -> Answer:
    volume = call.needed("id")
    if volume.get("_removed"):
        raise invalid(f"Unable to find volume with ID: {volume['_number']}")
    if "virtualmachineid" in volume:
        raise invalid(NOT_FREE)
    if any(
        row["volumeid"] == volume["id"] and row["state"] in TAKING for row in call.cloud.tables["snapshots"]
    ):
        raise invalid("There are snapshot operations in progress on the volume, unable to delete it")
    remove(call.cloud, volume)
    return {"success": True}


@command("destroyVolume", id="volumes")
def destroy_volume(call: Call) -> Answer:
    volume = call.needed("id")

    def work() -> Row:
        if "virtualmachineid" in volume:
            raise invalid(NOT_FREE)
        if call.flag("expunge"):
            call.cloud.tables["volumes"].update(volume, state="Expunged")
            remove(call.cloud, volume)
        else:
            call.cloud.tables["volumes"].update(volume, state="Destroy")
        return {"volume": shown(call.cloud, volume)}

    return _submit(call, volume, work)


@command("recoverVolume", id="volumes")
def recover_volume(call: Call) -> Answer:
    volume = call.needed("id")
    if volume["state"] != "Destroy":
        raise invalid("Please specify a volume in Destroy state.")
    call.cloud.tables["volumes"].update(volume, state="Ready")
    return {"volume": public(shown(call.cloud, volume))}


@command("updateVolume", id="volumes")
def update_volume(call: Call) -> Answer:
    volume = call.needed("id")

    def work() -> Row:
        changes: Row = {name: call.params[name] for name in ("name", "state") if name in call.params}
        if "deleteprotection" in call.params:
            changes["deleteprotection"] = call.flag("deleteprotection")
        call.cloud.tables["volumes"].update(volume, **changes)
        return {"volume": shown(call.cloud, volume)}

    return _submit(call, volume, work)


# Attaching


@command("attachVolume", id="volumes")
def attach_volume(call: Call) -> Answer:
    volume, machine = call.needed("id"), call.needed("virtualmachineid")

    def work() -> Row:
        _attach(call, volume, machine)
        return {"volume": shown(call.cloud, volume)}

    return _submit(call, volume, work)


def _attach(call: Call, volume: Row, machine: Row) -> None:
    if volume.get("_removed") or "virtualmachineid" in volume:
        raise invalid(NOT_FREE)
    if volume["state"] not in ("Allocated", "Ready", "Uploaded"):
        raise invalid("Volume state must be in Allocated, Ready or in Uploaded state")
    if machine.get("_removed") or machine["state"] not in ("Running", "Stopped"):
        raise invalid("Please specify a VM that is either running or stopped.")
    if machine["zoneid"] != volume["zoneid"]:
        raise invalid("Please specify a VM that is in the same zone as the volume.")
    device = _device(call, machine)
    kind = "ROOT" if device == 0 else "DATADISK"
    call.cloud.tables["volumes"].update(
        volume,
        virtualmachineid=machine["id"],
        deviceid=device,
        attached=now(),
        state="Ready",
        type=kind,
        _reattached=True,
    )


def _device(call: Call, machine: Row) -> int:
    """The device asked for, if it is free, or the first free one."""
    used = {volume["deviceid"]: volume for volume in machines.volumes_of(call.cloud, machine)}
    wanted = call.number("deviceid")
    if wanted != 0 and sum(device != 0 for device in used) >= MOST_DATA_VOLUMES:
        raise invalid(
            f"The specified VM already has the maximum number of data disks ({MOST_DATA_VOLUMES}) attached. "
            "Please specify another VM."
        )
    # Root volume and CD drive come on top of the data volumes.
    last = MOST_DATA_VOLUMES + 1
    if wanted is None:
        return next(number for number in range(1, last + 1) if number not in used and number != CD_DEVICE)
    if wanted == 0 and machine["state"] != "Stopped":
        raise invalid("Root volume can be attached only to a VM in the Stopped state")
    if wanted > last or wanted == CD_DEVICE:
        raise ApiError(530, 4250, f"deviceId should be 0,1,2,4-{last}")
    if wanted in used:
        raise ApiError(
            530,
            4250,
            f"deviceId {wanted} is used by vol {volume_text(call.cloud, used[wanted])} on vm "
            f"{machines.label(machine)}",
        )
    return wanted


@command("detachVolume", id="volumes")
def detach_volume(call: Call) -> Answer:
    volume = call.entity("id") or _by_device(call)

    def work() -> Row:
        machine = call.cloud.tables["machines"].known(volume.get("virtualmachineid", ""))
        if machine is None:
            raise invalid("The specified volume is not attached to a VM.")
        if volume["type"] == "ROOT" and machine["state"] not in ("Stopped", "Destroyed"):
            raise invalid("Root volume detach can happen only when vm is in states: Stopped or Destroyed")
        detach(call.cloud, volume)
        return {"volume": shown(call.cloud, volume)}

    return _submit(call, volume, work)


def _by_device(call: Call) -> Row:
    """The other way to name a volume: its machine and device."""
    machine, device = call.entity("virtualmachineid"), call.number("deviceid")
    for volume in machines.volumes_of(call.cloud, machine) if machine else ():
        if volume["deviceid"] == device:
            return volume
    raise invalid("Invalid parameters. Either volumeid or (virtualmachineid and deviceid) must be given")


def detach(cloud: Cloud, volume: Row) -> None:
    """A detached root is a data disk from then on."""
    for field in _ATTACHMENT:
        volume.pop(field, None)
    cloud.tables["volumes"].update(volume, type="DATADISK")


# Sizes and offerings


@command("resizeVolume", id="volumes")
def resize_volume(call: Call) -> Answer:
    volume, offering = call.needed("id"), call.entity("diskofferingid")
    size = call.number("size")
    if offering is not None and not offering["iscustomized"]:
        size = int(offering["disksize"])

    def work() -> Row:
        _resize(call, volume, size, refusal=432)
        if offering is not None:
            call.cloud.tables["volumes"].update(volume, diskofferingid=offering["id"])
        return {"volume": shown(call.cloud, volume)}

    return _submit(call, volume, work)


def _resize(call: Call, volume: Row, size: int | None, *, refusal: int) -> None:
    if size is None:
        return
    _check_size(call.cloud, size)
    if volume["state"] not in ("Allocated", "Ready"):
        raise invalid(
            "Volume should be in ready or allocated state before attempting a resize. Volume"
            f" {volume['id']} is in state {volume['state']}."
        )
    old, new = volume["size"], size * GIB
    if new < old and not call.flag("shrinkok"):
        raise ApiError(
            refusal,
            4350,
            f"Going from existing size of {old} to size of {new} would shrink the volume.Need to sign off by "
            "supplying the shrinkok parameter with value of true.",
        )
    if new < old:
        # The simulator hypervisor cannot shrink; neither can most that run machines.
        raise ApiError(
            530,
            4250,
            f"Failed to resize volume operation of volume UUID: [{volume['id']}] due to - Failed to resize",
        )
    call.cloud.tables["volumes"].update(volume, size=new)


@command("changeOfferingForVolume", id="volumes")
def change_offering(call: Call) -> Answer:
    volume, offering = call.needed("id"), call.needed("diskofferingid")
    size = call.number("size") if offering["iscustomized"] else int(offering["disksize"])

    def work() -> Row:
        _resize(call, volume, size, refusal=431)
        call.cloud.tables["volumes"].update(volume, diskofferingid=offering["id"])
        return {"volume": shown(call.cloud, volume)}

    return call.submit(work, queue=volume["id"], weight=0.3)
