"""NAT gateways when an answer is lost, or the bridge dies: there, or not at all and the address free."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, LOST_CALL, SILENCE, behind, eventually, kill_during
from tests.native import Native

pytestmark = KILLS

REFUSAL = {"errorcode": 530, "errortext": "Something went wrong."}


class Scene:
    """A subnet and an Elastic IP that is to be its NAT gateway's."""

    def __init__(self, ec2: Any) -> None:
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        self.subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
        self.address = ec2.allocate_address()["AllocationId"]

    def make(self, ec2: Any) -> str:
        asked = {"SubnetId": self.subnet, "AllocationId": self.address, "ClientToken": "one"}
        return str(ec2.create_nat_gateway(**asked)["NatGateway"]["NatGatewayId"])


def gateways(ec2: Any) -> list[tuple[str, str]]:
    """The ids and states of the gateways that are there."""
    found = ec2.describe_nat_gateways()["NatGateways"]
    return [(one["NatGatewayId"], one["State"]) for one in found if one["State"] not in ("deleted", "failed")]


def is_free(front: Place, ec2: Any, scene: Scene) -> bool:
    """Whether the Elastic IP serves nothing and bears no mark of a gateway's."""
    [shown] = ec2.describe_addresses(AllocationIds=[scene.address])["Addresses"]
    rows = Native(front).list("listPublicIpAddresses")
    marked = [tag["key"] for row in rows for tag in row["tags"] if "nat" in tag["key"]]
    return "AssociationId" not in shown and not marked


@pytest.mark.since("4.19")
@pytest.mark.parametrize("command", ["updateVPC", "createTags"])
@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL, REFUSAL])
def test_a_gateway_is_made_or_its_address_is_free(
    make_place: Callable[..., Place], command: str, mode: Any
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    scene = Scene(ec2)
    way.next(command, mode)
    # A tag whose call did not arrive is simply written once more.
    if mode == REFUSAL or (mode == LOST_CALL and command != "createTags"):
        with pytest.raises(ClientError):
            scene.make(ec2)
        assert gateways(ec2) == []
        assert is_free(front, ec2, scene)
    ident = scene.make(ec2)
    eventually(lambda: gateways(ec2) == [(ident, "available")])


@pytest.mark.since("4.19")
@pytest.mark.parametrize("command", ["updateVPC", "createTags"])
@pytest.mark.parametrize("again", [True, False])
def test_a_gateway_of_a_bridge_that_died(
    make_place: Callable[..., Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    again: bool,
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    scene = Scene(front.client())
    way.next(command, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: scene.make(front.client()))
    if not again:
        monkeypatch.setattr(journal, "LEASE", 1.0)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    ec2 = heir.client()
    if again:
        monkeypatch.setattr(journal, "LEASE", 3.0)
        ident = scene.make(ec2)
        eventually(lambda: gateways(ec2) == [(ident, "available")])
    else:
        eventually(lambda: not gateways(ec2) and is_free(heir, ec2, scene))


@pytest.mark.since("4.19")
@pytest.mark.parametrize("command", ["associateIpAddress", "updateVPC"])
def test_a_gateway_is_deleted_though_an_answer_is_lost(
    make_place: Callable[..., Place], command: str
) -> None:
    front, way = behind(make_place)
    ec2, native = front.client(), Native(front)
    scene = Scene(ec2)
    ident = scene.make(ec2)
    eventually(lambda: gateways(ec2) == [(ident, "available")])
    [own] = [row for row in native.list("listPublicIpAddresses") if "own-source-nat" in str(row["tags"])]
    if command == "associateIpAddress":
        # Then the VPC needs another address of its own.
        native.do("disassociateIpAddress", id=own["id"])
    way.next(command, LOST_ANSWER)
    ec2.delete_nat_gateway(NatGatewayId=ident)
    eventually(lambda: not gateways(ec2))
    of_vpc = [row for row in native.list("listPublicIpAddresses") if row.get("vpcid") == own["vpcid"]]
    assert len([row for row in of_vpc if row["issourcenat"]]) == 1
    shown = [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]]
    assert shown == [scene.address]
    assert len(of_vpc) == len({row["id"] for row in of_vpc}) <= 2
