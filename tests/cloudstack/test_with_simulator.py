"""The client in front of the embedded CloudStack, over HTTP, as in front of a real one."""

from collections.abc import AsyncIterator

import pytest

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.directory import Directories
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackError, to_ec2
from ec2bridge.ids import ec2_id
from ec2bridge.mapping import load_mappings
from ec2bridge.simulator.server import Simulator

TABLE = load_mappings().errors


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(job_time=0.02, strict=True) as simulator:
        yield simulator


@pytest.fixture
async def cloudstack(simulator: Simulator) -> AsyncIterator[CloudStack]:
    cloudstack = CloudStack(simulator.url)
    await cloudstack.start()
    yield cloudstack
    await cloudstack.close()


def account(simulator: Simulator, cloudstack: CloudStack, name: str) -> Account:
    keys = simulator.accounts[name]
    return Account(cloudstack, Credentials(keys.api_key, keys.api_key, keys.secret_key))


@pytest.fixture
def alice(simulator: Simulator, cloudstack: CloudStack) -> Account:
    return account(simulator, cloudstack, "alice")


async def deploy(alice: Account, zone_type: str = "sim-sg", **params: object) -> str:
    zone = next(row for row in await alice.list("listZones") if row["name"] == zone_type)
    template = next(
        row
        for row in await alice.list("listTemplates", templatefilter="executable")
        if row["zoneid"] == zone["id"]
    )
    offering = next(row for row in await alice.list("listServiceOfferings") if not row["iscustomized"])
    networks = await alice.list("listNetworks", zoneid=zone["id"])
    answer = await alice.submit(
        "deployVirtualMachine",
        zoneid=zone["id"],
        templateid=template["id"],
        serviceofferingid=offering["id"],
        networkids=[networks[0]["id"]],
        **params,
    )
    await alice.wait(answer["jobid"])
    return str(answer["id"])


async def test_a_machine_is_deployed_tagged_found_and_destroyed(
    cloudstack: CloudStack, alice: Account
) -> None:
    directory = Directories(cloudstack).of(alice)
    uuid = await deploy(alice, name="web-1", userdata="aGVsbG8=")
    tag = {"key": "Purpose", "value": "a b+c~d*e/é&=%"}
    assert await alice.job("createTags", resourceids=[uuid], resourcetype="UserVm", tags=[tag]) == {
        "success": True
    }
    (row,) = await alice.list("listVirtualMachines", id=uuid)
    assert (row["name"], row["state"]) == ("web-1", "Running")
    assert [(found["key"], found["value"]) for found in row["tags"]] == [(tag["key"], tag["value"])]
    assert await directory.resolve("instance", ec2_id("i", uuid)) == uuid
    stopped = await alice.job("stopVirtualMachine", id=uuid)
    assert (stopped["id"], stopped["state"]) == (uuid, "Stopped")
    await alice.job("destroyVirtualMachine", id=uuid)


async def test_errors_come_out_as_ec2s(alice: Account) -> None:
    uuid = await deploy(alice)
    with pytest.raises(CloudStackError) as running:
        await alice.job("startVirtualMachine", id=uuid)
    with pytest.raises(CloudStackError) as forbidden:
        await alice.list("listHosts")
    with pytest.raises(CloudStackError) as unknown:
        await alice.call("noSuchCommand")
    errors = [await to_ec2(caught.value, alice, TABLE) for caught in (running, forbidden, unknown)]
    assert [error.code for error in errors] == [
        "IncorrectInstanceState",
        "UnauthorizedOperation",
        "UnsupportedOperation",
    ]
    assert errors[0].message == f"The instance '{ec2_id('i', uuid)}' is already running."


async def test_a_wrong_secret_is_an_auth_failure(cloudstack: CloudStack, alice: Account) -> None:
    mallory = Account(cloudstack, Credentials("x", alice.credentials.api_key, "a wrong secret"))
    with pytest.raises(CloudStackError) as caught:
        await mallory.list("listZones")
    forgotten: list[str] = []
    error = await to_ec2(caught.value, mallory, TABLE, on_bad_key=forgotten.append)
    assert error.code == "AuthFailure"
    assert forgotten == ["x"]


async def test_pages_are_learnt_and_joined(cloudstack: CloudStack, alice: Account) -> None:
    for number in range(5):
        await alice.call("createSecurityGroup", name=f"group-{number}")
    cloudstack.pages.size = 100_000
    whole = await alice.list("listSecurityGroups")
    assert cloudstack.pages.size == 500
    cloudstack.pages.size = 2
    assert sorted(row["id"] for row in await alice.list("listSecurityGroups")) == sorted(
        row["id"] for row in whole
    )
    assert len(whole) >= 5


async def test_the_callers_commands_and_the_clouds_settings_are_known(alice: Account) -> None:
    apis = await alice.apis()
    assert "projectid" in apis["listVirtualMachines"]
    assert "listHosts" not in apis
    assert await alice.takes("listVirtualMachines", "projectid")
    assert not await alice.may_call("listHosts")
    assert (await alice.capabilities())["cloudstackversion"].startswith("4.")
