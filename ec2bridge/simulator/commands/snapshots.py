"""Volume snapshots: made by a job that needs a volume with content, kept when the volume goes."""

from __future__ import annotations

from datetime import UTC, datetime

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.entities import snapshot_text
from ec2bridge.simulator.errors import invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now

MANUAL = "MANUAL"
DOWNLOADED = {"downloadState": "", "downloadPercent": "0"}


def shown(cloud: Cloud, snapshot: Row) -> Row:
    """A snapshot as listSnapshots shows it: with one of its tags, in no zone before it lies on a storage of one."""
    one = tags.inside(cloud, snapshot["id"])[:1]
    row = {**public(snapshot), **_volume_fields(cloud, snapshot), "tags": one}
    if snapshot["state"] == "Allocated":
        del row["zoneid"], row["zonename"]
    return row


def _volume_fields(cloud: Cloud, snapshot: Row) -> Row:
    volume = cloud.tables["volumes"].known(snapshot["volumeid"]) or {}
    state = "Destroy" if volume.get("_removed") else volume.get("state")
    return {"volumestate": state} if state else {}


@command("createSnapshot")
def create_snapshot(call: Call) -> Answer:
    volume = call.needed("volumeid")
    if volume.get("_removed"):
        raise invalid(f"CreateSnapshot failed due to volume:{volume['_number']} doesn't exist")
    if volume["state"] != "Ready":
        raise invalid(
            f"VolumeId: {volume['_number']} is not in Ready state but {volume['state']}. Cannot take snapshot."
        )
    call.limit("snapshot")
    snapshot = call.cloud.tables["snapshots"].add(_new_row(call, volume))
    pairs = {tag["key"]: tag["value"] for tag in call.maps("tags") if "key" in tag and "value" in tag}

    async def work() -> Row:
        await call.cloud.pause(0.1)
        call.cloud.tables["snapshots"].update(snapshot, state="BackingUp")
        await call.cloud.pause(0.2)
        tags.add(call, "Snapshot", snapshot, pairs)
        call.cloud.tables["snapshots"].update(snapshot, state="BackedUp", physicalsize=volume["size"])
        return {"snapshot": _in_job(call.cloud, snapshot, volume)}

    return call.submit(
        work,
        kind="Snapshot",
        instance=snapshot["id"],
        answer={"id": snapshot["id"]},
        queue=volume["id"],
        weight=0.2,
    )


def _in_job(cloud: Cloud, snapshot: Row, volume: Row) -> Row:
    """The job's answer names type and system besides, and its tags shortly."""
    template = cloud.tables["templates"].known(volume.get("templateid", ""))
    return {
        **shown(cloud, snapshot),
        "snapshottype": MANUAL,
        "physicalsize": 0,
        "state": "BackedUp" if volume.get("virtualmachineid") else "Allocated",
        "tags": tags.short(cloud, snapshot["id"]),
        **({"osdisplayname": template["ostypename"]} if template and "ostypeid" in snapshot else {}),
    }


def _new_row(call: Call, volume: Row) -> Row:
    template = call.cloud.tables["templates"].known(volume.get("templateid", "")) or {}
    system = {"ostypeid": template["ostypeid"]} if volume["type"] == "ROOT" and template else {}
    fields = ("account", "projectid", "project", "domainid", "domain", "domainpath", "zoneid", "zonename")
    return {
        **{field: volume[field] for field in fields if field in volume},
        "volumeid": volume["id"],
        "volumename": volume["name"],
        "volumetype": volume["type"],
        "created": now(),
        "name": call.params.get("name") or _default_name(call, volume),
        "intervaltype": MANUAL,
        "state": "Allocated",
        "physicalsize": 0,
        "revertable": False,
        **system,
        "virtualsize": volume["size"],
        "hasannotations": False,
    }


def _default_name(call: Call, volume: Row) -> str:
    machine = call.cloud.tables["machines"].known(volume.get("virtualmachineid", ""))
    holder = machine["name"] if machine else "detached"
    return f"{holder}_{volume['name']}_{datetime.now(UTC).strftime('%Y%m%d%H%M%S')}"


@command("listSnapshots", id="snapshots")
def list_snapshots(call: Call) -> Answer:
    visible = call.visible(call.cloud.tables["snapshots"])
    # From 4.19 on only `showunique=false` shows what lies where; before, nothing does.
    each = call.cloud.since("4.19") and not call.flag("showunique", True)
    rows = [copy for row in visible for copy in _copies(call.cloud, row)] if each else visible
    found = call.matching(rows, "volumeid", "name", "zoneid", "intervaltype")
    return call.page("snapshot", found, lambda row: shown(call.cloud, row))


def _copies(cloud: Cloud, snapshot: Row) -> list[Row]:
    """One row for each storage that it lies on: the zone's primary and secondary one, and those of copies."""
    zones = cloud.tables["zones"].some(snapshot.get("_zones", []))
    row = {**snapshot, "datastorestate": "Ready", "status": "BackedUp", "downloaddetails": dict(DOWNLOADED)}
    copies = [{**row, "zoneid": zone["id"], "zonename": zone["name"]} for zone in zones]
    return [snapshot] if snapshot["state"] == "Allocated" else [row, row, *copies]


def zones_of(snapshot: Row) -> list[str]:
    """Where a volume can be made from it."""
    return [snapshot["zoneid"], *snapshot.get("_zones", [])]


@command("deleteSnapshot", id="snapshots")
def delete_snapshot(call: Call) -> Answer:
    snapshot, zone = call.needed("id"), call.params.get("zoneid")

    def work() -> Row:
        if snapshot.get("_removed"):
            raise invalid(f"Snapshot [{snapshot_text(call.cloud, snapshot)}] is already destroyed")
        if zone in snapshot.get("_zones", []):
            kept = [other for other in snapshot["_zones"] if other != zone]
            call.cloud.tables["snapshots"].update(snapshot, _zones=kept)
            return {"success": True}
        # The real server keeps its tags until its clean-up thread has been by.
        call.cloud.tables["snapshots"].update(snapshot, state="Destroyed")
        call.cloud.tables["snapshots"].remove(snapshot)
        return {"success": True}

    return call.submit(work, kind="Snapshot", instance=snapshot["id"], weight=0.2)


@command("copySnapshot", id="snapshots", destzoneid="zones", sourcezoneid="zones", destzoneids="zones")
def copy_snapshot(call: Call) -> Answer:
    snapshot = call.needed("id")
    zones = [zone["id"] for name in ("destzoneid", "destzoneids") for zone in call.entities(name)]
    if not zones:
        raise invalid("Please specify valid destination zone(s).")
    if snapshot["zoneid"] in zones:
        raise invalid("Please specify different source and destination zones.")

    def work() -> Row:
        merged = list(dict.fromkeys([*snapshot.get("_zones", []), *zones]))
        call.cloud.tables["snapshots"].update(snapshot, _zones=merged)
        return {"snapshot": shown(call.cloud, _copies(call.cloud, snapshot)[-1])}

    return call.submit(work, kind="Snapshot", instance=snapshot["id"], weight=0.4)
