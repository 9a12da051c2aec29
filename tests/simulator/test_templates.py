"""Templates in the making: not ready, not to be launched, and gone when they come to nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.simulator.conftest import Clients, refusal


async def _template(clients: Clients, **source: Any) -> dict[str, Any]:
    os_type = next(iter(clients.sim.cloud.tables["ostypes"]))["id"]
    return dict(await clients.alice.submit("createTemplate", name="t", ostypeid=os_type, **source))


async def _snapshot(clients: Clients) -> dict[str, Any]:
    await clients.machine(clients.alice, "host")
    [root] = await clients.alice.list("listVolumes")
    return dict(await clients.alice.job("createSnapshot", volumeid=root["id"]))


async def _listed(clients: Clients, sort: str) -> list[dict[str, Any]]:
    rows = await clients.alice.list("listTemplates", templatefilter=sort)
    return [row for row in rows if row["name"] == "t"]


async def test_the_least_of_a_template_is_without_details(clients: Clients) -> None:
    whole, least = [
        await clients.alice.list("listTemplates", templatefilter="featured", **asked)
        for asked in ({}, {"details": "min"})
    ]

    assert whole[0].keys() - least[0].keys() == {"details", "forcks"}


async def test_a_shared_template_is_in_a_listing_of_its_own(clients: Clients) -> None:
    snapshot = await _snapshot(clients)
    os_type = next(iter(clients.sim.cloud.tables["ostypes"]))["id"]
    made = await clients.alice.job("createTemplate", name="t", ostypeid=os_type, snapshotid=snapshot["id"])
    await clients.alice.call("updateTemplatePermissions", id=made["id"], op="add", accounts=["bob"])

    async def seen(sort: str, **asked: str) -> bool:
        rows = await clients.bob.list("listTemplates", templatefilter=sort, **asked)
        return made["id"] in [row["id"] for row in rows]

    assert await seen("sharedexecutable")
    assert await seen("executable", id=made["id"])
    assert not await seen("executable")


async def test_a_template_is_ready_when_its_job_is_done(clients: Clients) -> None:
    snapshot = await _snapshot(clients)
    made_now = clients.sim.cloud.jobs.held["createTemplate"] = asyncio.Event()
    made = await _template(clients, snapshotid=snapshot["id"])

    [row] = await _listed(clients, "self")
    assert row["isready"] is False
    assert "downloaddetails" not in row
    assert await _listed(clients, "executable") == []
    made_now.set()
    await clients.alice.wait(made["jobid"])
    [row] = await _listed(clients, "executable")
    assert row["isready"] is True


async def test_a_template_that_cannot_be_made_is_removed(clients: Clients) -> None:
    snapshot = await _snapshot(clients)
    clients.sim.cloud.settings["template.creation.fails"] = "No remote endpoint to send command"
    made = await _template(clients, snapshotid=snapshot["id"])

    code, text = await refusal(clients.alice.wait(made["jobid"]))

    assert code == 530
    assert text == "Failed to create TemplateNo remote endpoint to send command"
    assert await _listed(clients, "self") == []
    code, text = await refusal(clients.alice.list("listTemplates", templatefilter="self", id=made["id"]))
    assert code == 431
    assert "entity does not exist" in text


async def test_a_template_that_cannot_be_made_leaves_its_tags(clients: Clients) -> None:
    snapshot = await _snapshot(clients)
    clients.sim.cloud.settings["template.creation.fails"] = "No remote endpoint to send command"
    ends = clients.sim.cloud.jobs.held["createTemplate"] = asyncio.Event()
    made = await _template(clients, snapshotid=snapshot["id"])
    tag = {"resourcetype": "Template", "resourceids": made["id"]}
    await clients.alice.job("createTags", **tag, **{"tags[0].key": "Name", "tags[0].value": "kept"})
    ends.set()
    await refusal(clients.alice.wait(made["jobid"]))

    [left] = await clients.alice.list("listTags", resourcetype="Template")
    assert (left["resourceid"], left["value"]) == (made["id"], "kept")
    await clients.alice.job("deleteTags", **tag)
    assert await clients.alice.list("listTags", resourcetype="Template") == []


async def test_a_running_machines_root_gives_no_template(clients: Clients) -> None:
    await clients.machine(clients.alice, "host")
    [root] = await clients.alice.list("listVolumes")

    code, _ = await refusal(_template(clients, volumeid=root["id"]))

    assert code == 530


async def test_the_architecture_is_the_callers(clients: Clients) -> None:
    answer = await clients.alice.call(
        "registerTemplate",
        name="t",
        url="http://images.example/x.qcow2",
        format="QCOW2",
        hypervisor="Simulator",
        arch="aarch64",
        zoneids=[clients.id("zones", "sim-sg")],
    )

    assert answer["template"][0]["arch"] == "aarch64"


async def test_minus_one_is_every_zone(clients: Clients) -> None:
    answer = await clients.alice.call(
        "registerTemplate",
        name="t",
        url="http://images.example/x.qcow2",
        format="QCOW2",
        hypervisor="Simulator",
        zoneid="-1",
    )

    zones = await clients.alice.list("listZones")
    assert {row["zoneid"] for row in answer["template"]} == {zone["id"] for zone in zones}
