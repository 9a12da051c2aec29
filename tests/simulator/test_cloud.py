"""What the simulator can be told to be, and what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.dispatcher import Dispatcher, sign
from ec2bridge.simulator.errors import ApiError
from ec2bridge.simulator.seed import demo_key


def ask(cloud: Cloud, command: str, account: str = "alice", /, **params: object) -> dict[str, Any]:
    given = [("command", command), ("apiKey", demo_key(f"{account} api key"))]
    given += [(name, str(value)) for name, value in params.items()]
    given.append(("signature", sign(given, demo_key(f"{account} secret key"))))
    return Dispatcher(cloud).perform(given)[1]


def deploy(cloud: Cloud, **params: object) -> dict[str, Any]:
    zone = ask(cloud, "listZones", name="sim-sg")["zone"][0]["id"]
    template = ask(cloud, "listTemplates", templatefilter="featured")["template"][0]["id"]
    offering = ask(cloud, "listServiceOfferings", name="t2.micro")["serviceoffering"][0]["id"]
    return ask(
        cloud, "deployVirtualMachine", zoneid=zone, templateid=template, serviceofferingid=offering, **params
    )


async def test_a_file_keeps_the_cloud_and_a_restart_fails_what_was_running(tmp_path: Path) -> None:
    path = str(tmp_path / "cloud.sqlite")
    cloud = Cloud(path=path, job_time=0.01)
    done = deploy(cloud, name="done")
    await cloud.jobs.settle()
    interrupted = deploy(cloud, name="interrupted")
    await cloud.close()

    again = Cloud(path=path, job_time=0.01)
    states = {row["name"]: row["state"] for row in ask(again, "listVirtualMachines")["virtualmachine"]}
    assert states == {"done": "Running", "interrupted": "Stopped"}
    assert ask(again, "queryAsyncJobResult", jobid=done["jobid"])["jobstatus"] == 1
    assert ask(again, "queryAsyncJobResult", jobid=interrupted["jobid"])["jobstatus"] == 2
    await again.close()


async def test_an_unknown_parameter_is_ignored_unless_strict() -> None:
    assert ask(Cloud(), "listZones", bogus="1")["count"] == 3
    with pytest.raises(ApiError, match="Unknown parameter bogus") as refused:
        ask(Cloud(strict=True), "listZones", bogus="1")
    assert refused.value.status == 431


async def test_an_administrator_is_told_that_it_may_what_users_may_not() -> None:
    cloud = Cloud()
    for account, may in (("alice", False), ("keylookup", True), ("admin", True)):
        capability = ask(cloud, "listCapabilities", account)["capability"]
        assert capability["allowuserexpungerecovervm"] is may
        assert capability["allowuserviewdestroyedvm"] is may


async def test_an_older_release_lacks_younger_parameters() -> None:
    new, old = (ask(Cloud(version=version), "listApis") for version in ("4.23.0.0", "4.18.0.0"))
    params = [
        {
            param["name"]
            for api in answer["api"]
            if api["name"] == "updateVirtualMachine"
            for param in api["params"]
        }
        for answer in (new, old)
    ]
    assert "deleteprotection" in params[0] - params[1]


async def test_list_apis_names_what_the_role_may_call() -> None:
    cloud = Cloud()
    names = {
        account: {api["name"] for api in ask(cloud, "listApis", account)["api"]}
        for account in ("alice", "keylookup", "admin")
    }
    assert names["keylookup"] - names["alice"] == {"getUser"}
    assert "updateResourceLimit" in names["admin"]
    assert names["alice"] < names["keylookup"] <= names["admin"]


async def test_list_apis_by_name() -> None:
    new, old = Cloud(), Cloud(version="4.18.0.0")
    for cloud in (new, old):
        [api] = ask(cloud, "listApis", name="listZones")["api"]
        assert api["name"] == "listZones"
    assert ask(new, "listApis", name="listHosts")["count"] == ask(new, "listApis")["count"]
    for cloud, name in ((old, "listHosts"), (new, "LISTZones")):
        with pytest.raises(ApiError) as refused:
            ask(cloud, "listApis", name=name)
        assert refused.value.status == 530


async def test_quota_and_capacity_refuse() -> None:
    cloud = Cloud(job_time=0.01, settings={"zone.machines": 1})
    deploy(cloud)
    await cloud.jobs.settle()
    second = deploy(cloud)
    await cloud.jobs.settle()
    assert ask(cloud, "queryAsyncJobResult", jobid=second["jobid"])["jobresult"]["errorcode"] == 533
    assert ask(cloud, "listVirtualMachines", state="Error")["count"] == 1

    domain = ask(cloud, "listUsers")["user"][0]["domainid"]
    ask(cloud, "updateResourceLimit", "admin", resourcetype="0", account="alice", domainid=domain, max="1")
    with pytest.raises(ApiError) as refused:
        deploy(cloud)
    assert refused.value.status == 535
    await cloud.close()


@pytest.mark.parametrize("allowed", [True, False])
async def test_users_see_destroyed_machines_where_the_operator_allows_it(allowed: bool) -> None:
    cloud = Cloud(job_time=0.01, settings={"allow.user.view.destroyed.vm": allowed})
    machine = deploy(cloud)
    ask(cloud, "destroyVirtualMachine", id=machine["id"])
    await cloud.jobs.settle()
    assert ask(cloud, "listCapabilities")["capability"]["allowuserviewdestroyedvm"] is allowed
    assert bool(ask(cloud, "listVirtualMachines", id=machine["id"])) is allowed
    await cloud.close()
