"""How the machines of launches are handed to CloudStack, and with which private addresses."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.exceptions import ClientError

from ec2bridge.ec2.batches import AT_ONCE
from ec2bridge.ids import ec2_id
from tests.conftest import Place
from tests.faulty import LOST_ANSWER, behind, eventually
from tests.launching import ADVANCED, code_of, described, ids, launch, placed, started, until
from tests.native import Native

INSIDE = {
    "errorcode": 530,
    "errortext": "Internal error executing command, please contact your system administrator",
}


class Gate:
    """A CloudStack that accepts no machine before so many are asked for; `asked` has what they were asked with."""

    def __init__(self, url: str, together: int) -> None:
        self.url = url
        self.barrier = asyncio.Barrier(together)
        self.asked: list[dict[str, str]] = []

    async def start(self) -> str:
        app = web.Application()
        app.router.add_post("/client/api", self.forward)
        self.server = TestServer(app)
        await self.server.start_server()
        return str(self.server.make_url("/client/api"))

    async def forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        params = {name: value for name, [value] in parse_qs(body.decode()).items()}
        if params["command"] == "deployVirtualMachine":
            self.asked.append(params)
            await asyncio.wait_for(self.barrier.wait(), 30)
        headers = {"Content-Type": request.headers["Content-Type"]}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, data=body, headers=headers) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), headers=answer.headers)


@pytest.fixture
def gated(make_place: Callable[..., Place]) -> Iterator[Callable[[int], tuple[Gate, list[Any]]]]:
    """A function that returns a gate, and clients of two bridges behind it that share a store."""
    closing: list[Callable[[], Any]] = []

    def make(together: int, **settings: Any) -> tuple[Gate, list[Any]]:
        cloud = make_place()
        gate = Gate(cloud.sim.url, together)
        service, alice = cloud.sim.accounts["keylookup"], cloud.sim.accounts["alice"]
        settings |= {
            "cloudstack_url": cloud.run(gate.start()),
            "service_api_key": service.api_key,
            "service_secret_key": service.secret_key,
        }
        closing.append(lambda: cloud.run(gate.server.close()))
        keys = {"aws_access_key_id": alice.api_key, "aws_secret_access_key": alice.secret_key}
        return gate, [make_place(settings).client(**keys) for _ in range(2)]

    yield make
    for close in closing:
        close()


def tier(ec2: Any, cidr: str) -> str:
    """Return a new subnet of a new VPC."""
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"])


def deploys(place: Place) -> list[dict[str, Any]]:
    """The parameters of all deployments so far."""
    return [dict(call.params) for call in place.native if call.command == "deployVirtualMachine"]


def failed(place: Place) -> list[dict[str, Any]]:
    return [row for row in place.sim.cloud.tables["machines"].where() if row["state"] == "Error"]


def test_two_bridges_launch_side_by_side_into_one_tier_and_no_address_is_given_twice(
    gated: Callable[..., Any], tmp_path: Path
) -> None:
    gate, clients = gated(2 * 4, store=str(tmp_path / "store.sqlite"))
    # Eleven addresses for eight machines: by lot alone two would often be the same.
    subnet = tier(clients[0], "10.77.1.0/28")

    with ThreadPoolExecutor(2) as pool:
        launches = list(pool.map(lambda ec2: launch(ec2, 4, SubnetId=subnet), clients))

    asked = [params["ipaddress"] for params in gate.asked]
    machines = until(clients[0], "running", *(ident for made in launches for ident in ids(made)))
    assert len(set(asked)) == len(asked) == 8
    assert {machine["PrivateIpAddress"] for machine in machines} == set(asked)
    block = ipaddress.ip_network("10.77.1.0/28")
    assert set(asked) <= {str(block[number]) for number in range(4, 15)}


def test_machines_of_an_isolated_network_are_deployed_as_many_at_once_as_elsewhere(
    gated: Callable[..., Any],
) -> None:
    gate, [ec2, _] = gated(AT_ONCE)
    made = launch(ec2, 2 * AT_ONCE, **placed(ADVANCED))
    machines = until(ec2, "running", *ids(made))
    addresses = [machine["PrivateIpAddress"] for machine in machines]
    assert sorted(addresses) == sorted(params["ipaddress"] for params in gate.asked)
    assert len(set(addresses)) == 2 * AT_ONCE


def test_an_address_that_is_taken_meanwhile_is_chosen_anew(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next("deployVirtualMachine", INSIDE)
    [machine] = started(ec2, **placed(ADVANCED))
    first, second = deploys(front)
    assert first["name"] == second["name"]
    assert first["ipaddress"] != second["ipaddress"] == machine["PrivateIpAddress"]


def test_where_the_free_address_cannot_be_seen_cloudstack_finds_it(make_place: Callable[..., Place]) -> None:
    """Machines that are destroyed and not expunged keep their addresses, and their owner sees neither."""
    place = make_place()
    ec2, native = place.client(), Native(place)
    network = native.isolated("small", gateway="10.9.0.1", netmask="255.255.255.240")
    for number in range(2, 14):
        row = native.machine(
            f"old-{number}", "sim-adv", networkids=network["id"], ipaddress=f"10.9.0.{number}", startvm=False
        )
        native.do("destroyVirtualMachine", id=row["id"])
    assert native.list("listVirtualMachines", networkid=network["id"]) == []
    [machine] = started(ec2, SubnetId=ec2_id("subnet", network["id"]))
    assert machine["PrivateIpAddress"] == "10.9.0.14"
    # What the refused attempts have left goes, and was never shown.
    assert [row["InstanceId"] for row in described(ec2)] == [machine["InstanceId"]]
    eventually(lambda: not failed(place))
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])


def test_an_address_that_was_in_use_lately_is_given_last(make_place: Callable[..., Place]) -> None:
    """Of a machine that is gone CloudStack may still hold the address: to try it costs a refusal."""
    place = make_place()
    ec2, native = place.client(), Native(place)
    network = native.isolated("small", gateway="10.9.0.1", netmask="255.255.255.240")
    subnet = ec2_id("subnet", network["id"])
    given = []
    for _ in range(11):
        [machine] = started(ec2, SubnetId=subnet)
        given.append(machine["PrivateIpAddress"])
        ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
        until(ec2, "terminated", machine["InstanceId"])
        place.run(place.sim.settle())
    block = ipaddress.ip_network("10.9.0.0/28")
    assert sorted(given) == sorted(str(block[number]) for number in range(4, 15))
    # AWS's reserved ones come next, and after these what has rested the longest.
    more = [started(ec2, SubnetId=subnet)[0]["PrivateIpAddress"] for _ in range(3)]
    assert {*more[:2]} == {"10.9.0.2", "10.9.0.3"}
    assert more[2] == given[0]


def test_a_launch_asks_for_the_networks_that_it_names_alone(place: Place) -> None:
    ec2 = place.client()
    network = Native(place).isolated("small", gateway="10.9.0.1", netmask="255.255.255.240")
    subnet = ec2_id("subnet", network["id"])
    started(ec2, SubnetId=subnet)
    before = len(place.native)
    launch(ec2, SubnetId=subnet)
    asked = [dict(call.params) for call in place.native[before:] if call.command == "listNetworks"]
    assert [params.get("id") for params in asked] == [network["id"]]


def test_what_a_launch_expects_of_a_place_may_be_gone(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    [machine] = started(ec2, **placed(ADVANCED))
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    place.run(place.sim.settle())
    [network] = [row for row in native.list("listNetworks") if row.get("type") == "Isolated"]
    native.do("deleteNetwork", id=network["id"])
    [other] = started(ec2, **placed(ADVANCED))
    assert other["SubnetId"] != machine["SubnetId"]


def test_a_refusal_for_another_reason_is_the_launchs(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    started(ec2, **placed(ADVANCED))
    way.next("deployVirtualMachine", INSIDE, INSIDE, INSIDE)
    before = len(deploys(front))
    with pytest.raises(ClientError) as caught:
        launch(ec2, **placed(ADVANCED))
    assert code_of(caught) == "InvalidIPAddress.InUse"
    asked = [params.get("ipaddress") for params in deploys(front)[before:]]
    assert len(asked) == 3
    assert asked[2] is None


def test_a_subnet_without_enough_free_addresses_refuses_a_launch_before_anything_is_deployed(
    place: Place,
) -> None:
    ec2 = place.client()
    subnet = tier(ec2, "10.77.1.0/28")
    with pytest.raises(ClientError) as caught:
        launch(ec2, 14, SubnetId=subnet)
    assert code_of(caught) == "InsufficientFreeAddressesInSubnet"
    assert deploys(place) == []


def test_a_machine_whose_answer_was_lost_is_told_from_those_whose_names_begin_alike(
    make_place: Callable[..., Place],
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    # CloudStack lists the eleventh, …-10, too, when it is asked for …-1.
    way.next("deployVirtualMachine", *[None] * 10, LOST_ANSWER)
    made = launch(ec2, 11, ClientToken="one", **placed(ADVANCED))
    assert len({*ids(made)}) == 11
    assert [machine["AmiLaunchIndex"] for machine in made] == list(range(11))


def test_a_new_interface_has_no_address_that_a_launch_is_about_to_give(
    gated: Callable[..., Any], tmp_path: Path
) -> None:
    gate, [ec2, other] = gated(AT_ONCE + 1, store=str(tmp_path / "store.sqlite"))
    subnet = tier(ec2, "10.77.1.0/28")
    # Of the eleven that AWS would give away these have six, and the launch the rest.
    for _ in range(11 - AT_ONCE):
        ec2.create_network_interface(SubnetId=subnet)
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(launch, ec2, AT_ONCE, SubnetId=subnet)
        eventually(lambda: len(gate.asked) == AT_ONCE)
        interface = other.create_network_interface(SubnetId=subnet)["NetworkInterface"]
        assert interface["PrivateIpAddress"] not in {params["ipaddress"] for params in gate.asked}
        launch(other, SubnetId=subnet)
        launching.result()
