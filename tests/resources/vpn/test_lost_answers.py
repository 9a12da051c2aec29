"""VPN connections and their routes when a call of CloudStack's goes wrong: there as asked for, or as before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, SILENCE, behind, kill_during
from tests.launching import tags
from tests.native import Native

pytestmark = KILLS

REFUSAL = {"errorcode": 530, "errortext": "Something went wrong."}
BEHIND = "172.20.0.0/16"


class Scene:
    """A VPC with a VPN gateway, and the far end of a connection."""

    def __init__(self, ec2: Any) -> None:
        vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
        self.gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        ec2.attach_vpn_gateway(VpnGatewayId=self.gateway, VpcId=vpc)
        asked = {"Type": "ipsec.1", "IpAddress": "198.51.100.77", "BgpAsn": 65000}
        self.customer = ec2.create_customer_gateway(**asked)["CustomerGateway"]["CustomerGatewayId"]

    def connect(self, ec2: Any) -> str:
        made = ec2.create_vpn_connection(
            Type="ipsec.1",
            CustomerGatewayId=self.customer,
            VpnGatewayId=self.gateway,
            Options={"StaticRoutesOnly": True},
            TagSpecifications=[tags("vpn-connection", role="office")],
        )
        return str(made["VpnConnection"]["VpnConnectionId"])


def routes(ec2: Any) -> list[str]:
    [shown] = ec2.describe_vpn_connections()["VpnConnections"]
    return [route["DestinationCidrBlock"] for route in shown["Routes"]]


def links(front: Place) -> int:
    return len(Native(front).list("listVpnConnections"))


@pytest.mark.parametrize("mode", [LOST_ANSWER, REFUSAL])
@pytest.mark.parametrize("command", ["updateVpnCustomerGateway", "createVpnConnection"])
def test_a_route_leads_there_or_not(make_place: Callable[..., Place], command: str, mode: Any) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    asked = {"VpnConnectionId": Scene(ec2).connect(ec2), "DestinationCidrBlock": BEHIND}
    way.next(command, mode)
    if mode == REFUSAL:
        with pytest.raises(ClientError):
            ec2.create_vpn_connection_route(**asked)
        assert (routes(ec2), links(front)) == ([], 0)
    ec2.create_vpn_connection_route(**asked)
    assert (routes(ec2), links(front)) == ([BEHIND], 1)


@pytest.mark.parametrize("mode", [LOST_ANSWER, REFUSAL])
@pytest.mark.parametrize("command", ["deleteVpnConnection", "updateVpnCustomerGateway"])
def test_the_last_route_goes_or_leads_on(make_place: Callable[..., Place], command: str, mode: Any) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    asked = {"VpnConnectionId": Scene(ec2).connect(ec2), "DestinationCidrBlock": BEHIND}
    ec2.create_vpn_connection_route(**asked)
    way.next(command, mode)
    if mode == REFUSAL:
        with pytest.raises(ClientError):
            ec2.delete_vpn_connection_route(**asked)
        assert (routes(ec2), links(front)) == ([BEHIND], 1)
    ec2.delete_vpn_connection_route(**asked)
    assert (routes(ec2), links(front)) == ([], 0)


def test_sent_again_a_connection_has_the_tags_that_a_bridge_that_died_did_not_write(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    scene = Scene(front.client())
    way.next("createVpnCustomerGateway", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: scene.connect(front.client()))
    monkeypatch.setattr(journal, "LEASE", 3.0)
    heir, _ = behind(make_place, cloud, store=store)
    ec2 = heir.client()
    made = scene.connect(ec2)
    [shown] = ec2.describe_vpn_connections()["VpnConnections"]
    assert (shown["VpnConnectionId"], shown["Tags"]) == (made, [{"Key": "role", "Value": "office"}])
