"""Addresses taken from an interface when a call of CloudStack's goes wrong: all of them, or none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, SILENCE, behind, kill_during
from tests.launching import started

pytestmark = KILLS

REFUSAL = {"errorcode": 530, "errortext": "Something went wrong."}


class Scene:
    """A machine's interface with two further addresses."""

    def __init__(self, ec2: Any) -> None:
        vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
        [machine] = started(ec2, SubnetId=subnet)
        self.ident = machine["NetworkInterfaces"][0]["NetworkInterfaceId"]
        ec2.assign_private_ip_addresses(NetworkInterfaceId=self.ident, SecondaryPrivateIpAddressCount=2)
        self.further = self.held(ec2)

    def held(self, ec2: Any) -> list[str]:
        [shown] = ec2.describe_network_interfaces(NetworkInterfaceIds=[self.ident])["NetworkInterfaces"]
        return sorted(one["PrivateIpAddress"] for one in shown["PrivateIpAddresses"] if not one["Primary"])

    def unassign(self, ec2: Any) -> None:
        ec2.unassign_private_ip_addresses(NetworkInterfaceId=self.ident, PrivateIpAddresses=self.further)


@pytest.mark.parametrize("mode", [LOST_ANSWER, REFUSAL])
@pytest.mark.parametrize("first", [True, False])
def test_of_two_addresses_both_are_taken_or_none(
    make_place: Callable[..., Place], mode: Any, first: bool
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    scene = Scene(ec2)
    way.next("removeIpFromNic", *([mode] if first else [None, mode]))
    if mode == REFUSAL:
        with pytest.raises(ClientError):
            scene.unassign(ec2)
        assert scene.held(ec2) == scene.further
        scene.unassign(ec2)
    else:
        scene.unassign(ec2)
    assert scene.held(ec2) == []


def test_sent_again_it_goes_on_where_a_bridge_died(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    scene = Scene(front.client())
    way.next("removeIpFromNic", None, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: scene.unassign(front.client()))
    monkeypatch.setattr(journal, "LEASE", 3.0)
    heir, _ = behind(make_place, cloud, store=store)
    scene.unassign(heir.client())
    assert scene.held(heir.client()) == []
