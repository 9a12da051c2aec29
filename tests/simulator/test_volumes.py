"""Volumes, their snapshots and the machines that hold them."""

from __future__ import annotations

from typing import Any

from tests.simulator.conftest import Clients, refusal

GIB = 1 << 30


async def _volume(clients: Clients, size: int = 5) -> dict[str, Any]:
    return dict(
        await clients.alice.job(
            "createVolume",
            name="v",
            zoneid=clients.id("zones", "sim-sg"),
            diskofferingid=clients.id("diskofferings", "gp2"),
            size=size,
        )
    )


async def test_a_volume_is_attached_grown_detached_and_deleted(clients: Clients) -> None:
    alice = clients.alice
    volume = await _volume(clients)
    machine = await clients.machine(alice, "m1", "sim-sg")
    assert volume["state"] == "Allocated"
    held = await alice.job("attachVolume", id=volume["id"], virtualmachineid=machine["id"])
    assert (held["deviceid"], held["vmname"], held["state"]) == (1, "m1", "Ready")
    assert (await refusal(alice.call("deleteVolume", id=volume["id"])))[0] == 431
    grown = await alice.job("resizeVolume", id=volume["id"], size=8)
    assert grown["size"] == 8 * GIB
    free = await alice.job("detachVolume", id=volume["id"])
    assert "virtualmachineid" not in free
    assert await alice.call("deleteVolume", id=volume["id"]) == {"success": True}
    assert await alice.list("listVolumes", id=volume["id"]) == []


async def test_a_root_disk_follows_its_machine(clients: Clients) -> None:
    alice = clients.alice
    machine = await clients.machine(alice, "m1", "sim-sg")
    (root,) = await alice.list("listVolumes", virtualmachineid=machine["id"])
    assert (root["type"], root["deviceid"], root["vmstate"]) == ("ROOT", 0, "Running")
    code, text = await refusal(alice.job("detachVolume", id=root["id"]))
    assert (code, text.split(" can")[0]) == (431, "Root volume detach")
    await alice.job("destroyVirtualMachine", id=machine["id"])
    await clients.keylookup.job("expungeVirtualMachine", id=machine["id"])
    assert await alice.list("listVolumes") == []


async def test_a_snapshot_outlives_its_volume_and_becomes_another(clients: Clients) -> None:
    alice = clients.alice
    volume = await _volume(clients)
    assert (await refusal(alice.job("createSnapshot", volumeid=volume["id"])))[0] == 431
    machine = await clients.machine(alice, "m1", "sim-sg")
    await alice.job("attachVolume", id=volume["id"], virtualmachineid=machine["id"])
    tags = [{"key": "Name", "value": "s"}, {"key": "team", "value": "red"}]
    snapshot = await alice.job("createSnapshot", volumeid=volume["id"], name="s", tags=tags)
    await alice.job("detachVolume", id=volume["id"])
    await alice.call("deleteVolume", id=volume["id"])
    (row,) = await alice.list("listSnapshots", id=snapshot["id"])
    assert (row["state"], [tag["key"] for tag in row["tags"]]) == ("BackedUp", ["Name"])
    listed = await alice.list("listTags", resourceid=snapshot["id"])
    assert {tag["key"] for tag in listed} == {"Name", "team"}
    copy = await alice.job("createVolume", name="again", snapshotid=snapshot["id"])
    assert (copy["size"], copy["state"], copy["snapshotid"]) == (5 * GIB, "Ready", snapshot["id"])
    (row,) = await alice.list("listVolumes", id=copy["id"])
    assert "snapshotid" not in row
    assert await alice.job("deleteSnapshot", id=snapshot["id"]) == {"success": True}
    assert (await refusal(alice.job("deleteSnapshot", id=snapshot["id"])))[0] == 431


async def test_a_volume_stays_in_its_zone_and_its_account(clients: Clients) -> None:
    alice = clients.alice
    volume = await _volume(clients)
    network = await clients.isolated(alice)
    machine = await clients.machine(alice, "m1", networkids=[network["id"]])
    ids = {"id": volume["id"], "virtualmachineid": machine["id"]}
    assert await refusal(alice.job("attachVolume", **ids)) == (
        431,
        "Please specify a VM that is in the same zone as the volume.",
    )
    assert (await refusal(clients.bob.job("attachVolume", **ids)))[0] == 531


async def test_a_copied_snapshot_is_one_row_a_zone(clients: Clients) -> None:
    alice = clients.alice
    machine = await clients.machine(alice, "m1", "sim-sg")
    (root,) = await alice.list("listVolumes", virtualmachineid=machine["id"])
    snapshot = await alice.job("createSnapshot", volumeid=root["id"], name="s")
    elsewhere = {
        "zoneid": clients.id("zones", "sim-adv"),
        "diskofferingid": clients.id("diskofferings", "gp2"),
    }
    made = {"name": "v", "snapshotid": snapshot["id"], "size": 8, **elsewhere}
    assert (await refusal(alice.job("createVolume", **made)))[0] == 431
    await alice.job("copySnapshot", id=snapshot["id"], destzoneids=[elsewhere["zoneid"]])
    assert (await alice.call("listSnapshots", id=snapshot["id"]))["count"] == 1
    rows = (await alice.call("listSnapshots", id=snapshot["id"], showunique=False))["snapshot"]
    # On the volume's zone's own storage and on the secondary storages of both.
    assert sorted(row["zonename"] for row in rows) == ["sim-adv", "sim-sg", "sim-sg"]
    assert (await alice.job("createVolume", **made))["zonename"] == "sim-adv"
    await alice.job("deleteSnapshot", id=snapshot["id"], zoneid=elsewhere["zoneid"])
    assert len((await alice.call("listSnapshots", id=snapshot["id"]))["snapshot"]) == 1
