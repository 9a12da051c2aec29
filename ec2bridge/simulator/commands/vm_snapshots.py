"""Snapshots of whole machines, and the schedules of volume snapshots (kept, never run)."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from ec2bridge.simulator import machines
from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.entities import OWNER
from ec2bridge.simulator.errors import ApiError, invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now

INTERVALS = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY")


def _shown(cloud: Cloud, snapshot: Row) -> Row:
    return {**public(snapshot), "tags": tags.short(cloud, snapshot["id"])}


@command("createVMSnapshot")
def create_machine_snapshot(call: Call) -> Answer:
    machine = call.needed("virtualmachineid")
    if machine["state"] not in ("Running", "Stopped"):
        raise invalid(
            f"Creating vm snapshot failed due to VM:{machine['_number']} is not in the running or Stopped state"
        )
    snapshot = call.cloud.tables["vmsnapshots"].add(_new_row(call, machine))

    def work() -> Row:
        for other in call.cloud.tables["vmsnapshots"].where(virtualmachineid=machine["id"], current=True):
            call.cloud.tables["vmsnapshots"].update(other, current=False)
        call.cloud.tables["vmsnapshots"].update(snapshot, state="Ready", current=True)
        return {"vmsnapshot": _shown(call.cloud, snapshot)}

    return call.submit(
        work, kind="VmSnapshot", queue=machine["id"], answer={"id": snapshot["id"]}, weight=0.4
    )


def _new_row(call: Call, machine: Row) -> Row:
    name = f"{machines.instance_name(machine)}_VS_{datetime.now(UTC).strftime('%Y%m%d%H%M%S')}"
    described = {"description": call.params["description"]} if "description" in call.params else {}
    return {
        "name": name,
        "state": "Creating",
        "displayname": call.params.get("name", name),
        **described,
        "zoneid": machine["zoneid"],
        "zonename": machine["zonename"],
        "virtualmachineid": machine["id"],
        "virtualmachinename": machine["name"],
        "current": False,
        "type": "DiskAndMemory" if call.flag("snapshotmemory") else "Disk",
        "created": now(),
        **{field: machine[field] for field in OWNER if field in machine},
        "hypervisor": "Simulator",
        "hasannotations": False,
    }


@command("listVMSnapshot", vmsnapshotid="vmsnapshots", vmsnapshotids="vmsnapshots")
def list_machine_snapshots(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["vmsnapshots"])
    wanted = call.words("vmsnapshotids") or call.words("vmsnapshotid")
    if wanted:
        rows = [row for row in rows if row["id"] in wanted]
    found = call.matching(rows, "virtualmachineid", "state", "name")
    return call.page("vmSnapshot", found, lambda row: _shown(call.cloud, row))


@command("deleteVMSnapshot", vmsnapshotid="vmsnapshots")
def delete_machine_snapshot(call: Call) -> Answer:
    snapshot = call.needed("vmsnapshotid")

    def work() -> Row:
        # The real server leaves its tags behind.
        call.cloud.tables["vmsnapshots"].erase(snapshot)
        return {"success": True}

    return call.submit(work, kind="VmSnapshot", queue=snapshot["virtualmachineid"], weight=0.3)


# Schedules


@command("createSnapshotPolicy")
def create_policy(call: Call) -> Answer:
    volume, interval = call.needed("volumeid"), call.need("intervaltype").upper()
    if interval not in INTERVALS:
        raise invalid(f"Unsupported interval type {call.need('intervaltype')}")
    zone = call.cloud.tables["zones"].known(volume["zoneid"]) or {}
    place = ("id", "name", "isnsxenabled", "ismultiarch", "routedmodeenabled")
    pool = {"id": str(uuid5(NAMESPACE_URL, f"storage/{zone['id']}")), "name": f"{zone['name']}-C0-PS1"}
    policy = {
        "volumeid": volume["id"],
        "volumename": volume["name"],
        "schedule": call.need("schedule"),
        "intervaltype": INTERVALS.index(interval),
        "maxsnaps": call.number("maxsnaps"),
        "timezone": call.need("timezone"),
        "zone": [{field: zone[field] for field in place if field in zone}],
        "storage": [pool],
        "tags": [],
        "_owner": {field: volume[field] for field in OWNER if field in volume},
    }
    for other in call.cloud.tables["snapshotpolicies"].where(
        volumeid=volume["id"], intervaltype=policy["intervaltype"]
    ):
        call.cloud.tables["snapshotpolicies"].erase(other)
    return {"snapshotpolicy": public(call.cloud.tables["snapshotpolicies"].add(policy))}


@command("listSnapshotPolicies", id="snapshotpolicies")
def list_policies(call: Call) -> Answer:
    volume = call.entity("volumeid")
    rows = [row for row in call.cloud.tables["snapshotpolicies"] if call.may_use(row["_owner"])]
    if volume is not None:
        rows = [row for row in rows if row["volumeid"] == volume["id"]]
    return call.page("snapshotpolicy", call.matching(rows))


@command("deleteSnapshotPolicies", id="snapshotpolicies")
def delete_policies(call: Call) -> Answer:
    rows = [row for name in ("id", "ids") for row in call.entities(name, check=False)]
    if not rows:
        raise invalid("No policy ids are specified")
    for row in rows:
        if not call.may_use(row["_owner"]):
            raise ApiError(531, 4365, "Caller does not have permission to operate with provided resource.")
        call.cloud.tables["snapshotpolicies"].erase(row)
    return {"success": True}
