"""Machines beyond what was recorded: several networks, disks, sizes, owners, order of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.errors import ApiError
from tests.simulator.test_cloud import ask, deploy


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud(job_time=0.01)
    yield made
    await made.close()


async def result(cloud: Cloud, answer: dict[str, Any]) -> dict[str, Any]:
    await cloud.jobs.settle()
    job = ask(cloud, "queryAsyncJobResult", jobid=answer["jobid"])
    assert job["jobstatus"] == 1, job
    done: dict[str, Any] = job["jobresult"]
    return done


def offering(cloud: Cloud, name: str) -> str:
    return str(ask(cloud, "listServiceOfferings", name=name)["serviceoffering"][0]["id"])


def network(cloud: Cloud, name: str, gateway: str) -> dict[str, Any]:
    kind = ask(cloud, "listNetworkOfferings", name="DefaultIsolatedNetworkOfferingWithSourceNatService")
    made: dict[str, Any] = ask(
        cloud,
        "createNetwork",
        name=name,
        zoneid=ask(cloud, "listZones", name="sim-adv")["zone"][0]["id"],
        networkofferingid=kind["networkoffering"][0]["id"],
        gateway=gateway,
        netmask="255.255.255.0",
    )["network"]
    return made


def deploy_in_adv(cloud: Cloud, **params: object) -> dict[str, Any]:
    image = ask(cloud, "listTemplates", templatefilter="featured")["template"][0]
    zone = ask(cloud, "listZones", name="sim-adv")["zone"][0]
    chosen = {"serviceofferingid": offering(cloud, "t2.micro"), **params}
    return ask(cloud, "deployVirtualMachine", zoneid=zone["id"], templateid=image["id"], **chosen)


async def test_addresses_asked_for_in_several_networks(cloud: Cloud) -> None:
    first, second = network(cloud, "a", "10.5.0.1"), network(cloud, "b", "10.6.0.1")
    answer = deploy_in_adv(
        cloud,
        **{
            "iptonetworklist[0].networkid": first["id"],
            "iptonetworklist[0].ip": "10.5.0.77",
            "iptonetworklist[1].networkid": second["id"],
        },
    )
    nics = (await result(cloud, answer))["virtualmachine"]["nic"]
    assert [nic["networkname"] for nic in nics] == ["a", "b"]
    assert nics[0]["ipaddress"] == "10.5.0.77"
    assert [nic["isdefault"] for nic in nics] == [True, False]


async def test_data_disks_come_with_the_machine_and_outlive_it(cloud: Cloud) -> None:
    disks = {row["name"]: row["id"] for row in ask(cloud, "listDiskOfferings")["diskoffering"]}
    answer = deploy(
        cloud,
        **{
            "rootdisksize": 12,
            "datadisksdetails[0].diskofferingid": disks["Custom"],
            "datadisksdetails[0].size": 7,
            "datadisksdetails[0].deviceid": 3,
            "datadisksdetails[1].diskofferingid": disks["Small"],
            "datadisksdetails[1].deviceid": 4,
        },
    )
    machine = (await result(cloud, answer))["virtualmachine"]
    volumes = ask(cloud, "listVolumes", virtualmachineid=machine["id"])["volume"]
    sizes = {volume["deviceid"]: volume["size"] >> 30 for volume in volumes}
    assert sizes == {0: 12, 3: 7, 4: 5}

    await result(cloud, ask(cloud, "destroyVirtualMachine", id=machine["id"]))
    left = ask(cloud, "listVolumes", type="DATADISK")["volume"]
    assert [("virtualmachineid" in volume, volume["size"] >> 30) for volume in left] == [
        (False, 7),
        (False, 5),
    ]


async def test_a_customised_offering_takes_its_size_from_the_details(cloud: Cloud) -> None:
    custom = next(row for row in ask(cloud, "listServiceOfferings")["serviceoffering"] if row["iscustomized"])
    details = {"details[0].cpuNumber": 3, "details[0].cpuSpeed": 1000, "details[0].memory": 3072}
    answer = deploy_in_adv(cloud, serviceofferingid=custom["id"], **details)
    machine = (await result(cloud, answer))["virtualmachine"]
    assert (machine["cpunumber"], machine["memory"]) == (3, 3072)


async def test_jobs_of_one_machine_keep_their_order(cloud: Cloud) -> None:
    machine = (await result(cloud, deploy(cloud)))["virtualmachine"]
    ask(cloud, "stopVirtualMachine", id=machine["id"])
    await result(cloud, ask(cloud, "startVirtualMachine", id=machine["id"]))
    assert ask(cloud, "listVirtualMachines", id=machine["id"])["virtualmachine"][0]["state"] == "Running"


async def test_a_project_holds_machines_apart(cloud: Cloud) -> None:
    project = (await result(cloud, ask(cloud, "createProject", name="p", displaytext="p")))["project"]
    await result(cloud, deploy(cloud, projectid=project["id"]))
    assert ask(cloud, "listVirtualMachines") == {}
    assert ask(cloud, "listVirtualMachines", projectid=project["id"])["count"] == 1
    with pytest.raises(ApiError) as refused:
        deploy_as_bob(cloud, project["id"])
    assert refused.value.status == 531


def deploy_as_bob(cloud: Cloud, project: str) -> dict[str, Any]:
    image = ask(cloud, "listTemplates", "bob", templatefilter="featured")["template"][0]
    zone = ask(cloud, "listZones", "bob", name="sim-sg")["zone"][0]
    return ask(
        cloud,
        "deployVirtualMachine",
        "bob",
        zoneid=zone["id"],
        templateid=image["id"],
        serviceofferingid=offering(cloud, "t2.micro"),
        projectid=project,
    )


async def test_another_accounts_network_and_private_image_are_refused(cloud: Cloud) -> None:
    mine = network(cloud, "a", "10.5.0.1")
    image = ask(cloud, "listTemplates", "bob", templatefilter="featured")["template"][0]
    with pytest.raises(ApiError) as refused:
        ask(
            cloud,
            "deployVirtualMachine",
            "bob",
            zoneid=mine["zoneid"],
            templateid=image["id"],
            serviceofferingid=offering(cloud, "t2.micro"),
            networkids=mine["id"],
        )
    assert refused.value.status == 531


async def test_registered_keys_work_at_once_and_a_password_is_sealed_for_the_pair(cloud: Cloud) -> None:
    user = ask(cloud, "listUsers")["user"][0]
    keys = (await result(cloud, ask(cloud, "registerUserKeys", id=user["id"])))["userkeys"]
    assert {keys["apikey"], user["apikey"]} == {
        row["apikey"] for row in ask(cloud, "listUserKeys")["userapikey"]
    }
    found = ask(cloud, "listUserKeys", "keylookup", apikeyfilter=keys["apikey"])["userapikey"][0]
    assert (found["secretkey"], found["username"]) == (keys["secretkey"], "alice")
