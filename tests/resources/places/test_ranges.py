"""Networks with several ranges, with none, and with ranges that CloudStack does not tell users."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.launching import BASIC, launch, placed, started

PODS = (("172.18.15", "pod-1"), ("172.18.40", "pod-2"))


def in_pods(place: Place) -> dict[str, Any]:
    """Have the basic zone's range given pod by pod, as a real 4.20.3 tells it: with the network, not at all."""
    tables = place.sim.cloud.tables
    network: dict[str, Any] = tables["networks"].first(name="guestNetworkForBasicZone")
    for field in ("cidr", "gateway", "netmask"):
        del network[field]
    for start, pod in PODS:
        tables["vlanranges"].add(
            {
                "zoneid": network["zoneid"],
                "networkid": network["id"],
                "podname": pod,
                "gateway": f"{start}.1",
                "netmask": "255.255.255.0",
                "cidr": f"{start}.0/24",
                "startip": f"{start}.10",
                "endip": f"{start}.254",
                "vlan": "vlan://untagged",
                "forvirtualnetwork": False,
            }
        )
    return network


def subnet(ec2: Any) -> dict[str, Any]:
    filters = [{"Name": "availability-zone", "Values": [BASIC]}]
    [found] = ec2.describe_subnets(Filters=filters)["Subnets"]
    return dict(found)


def test_a_basic_zones_subnet_has_a_range_before_any_is_known(place: Place, ec2: Any) -> None:
    in_pods(place)
    shown = subnet(ec2)
    assert shown["CidrBlock"] == ec2.describe_vpcs(VpcIds=[shown["VpcId"]])["Vpcs"][0]["CidrBlock"]
    assert shown["DefaultForAz"] is True
    assert shown["AvailableIpAddressCount"] > 0


def test_a_basic_zones_subnet_has_the_range_of_the_callers_machines(place: Place, ec2: Any) -> None:
    in_pods(place)
    [machine] = started(ec2, **placed(BASIC))
    shown = subnet(ec2)
    assert shown["CidrBlock"] == "172.18.15.0/24"
    assert shown["AvailableIpAddressCount"] == 256 - 3 - 1
    assert machine["PrivateIpAddress"].startswith("172.18.15.")
    with pytest.raises(ClientError, match="does not fall within"):
        launch(ec2, PrivateIpAddress="10.0.0.7", **placed(BASIC))


def test_a_basic_zones_subnet_has_the_pods_ranges_where_the_look_up_account_may_list_them(
    place: Place, ec2: Any
) -> None:
    in_pods(place)
    role = place.sim.cloud.tables["roles"].first(name="Key Look-up")
    role["_rules"] = [*role["_rules"], "listVlanIpRanges"]
    place.sim.cloud.forget_rules(role)
    shown = subnet(ec2)
    assert shown["CidrBlock"] == "172.18.15.0/24"
    assert shown["AvailableIpAddressCount"] == 2 * (256 - 3)
    [machine] = started(ec2, PrivateIpAddress="172.18.40.9", **placed(BASIC))
    assert machine["PrivateIpAddress"] == "172.18.40.9"
    with pytest.raises(ClientError, match="reserved address range"):
        launch(ec2, PrivateIpAddress="172.18.40.1", **placed(BASIC))


def test_the_ranges_are_asked_for_once(place: Place, ec2: Any) -> None:
    in_pods(place)
    started(ec2, **placed(BASIC))
    subnet(ec2)
    assert place.commands(lambda: subnet(ec2)).count("listVirtualMachines") == 1


def test_nothing_more_is_asked_where_cloudstack_tells_the_range(place: Place, ec2: Any) -> None:
    native = place.commands(lambda: ec2.describe_subnets())
    assert "listVlanIpRanges" not in native
    assert native.count("listVirtualMachines") == 1


def test_a_shared_network_of_several_ranges(make_place: Callable[..., Place]) -> None:
    place = make_place()
    ec2 = place.client()
    network = in_pods(place)
    network.update(
        cidr="172.18.15.0/24,172.18.40.0/24",
        gateway="172.18.15.1,172.18.40.1",
        netmask="255.255.255.0",
        ip6cidr="2001:db8:15::/64,2001:db8:40::/64",
    )
    shown = subnet(ec2)
    assert shown["CidrBlock"] == "172.18.15.0/24"
    assert shown["AvailableIpAddressCount"] == 2 * (256 - 3)
    six = shown["Ipv6CidrBlockAssociationSet"]
    assert [block["Ipv6CidrBlock"] for block in six] == ["2001:db8:15::/64", "2001:db8:40::/64"]
    assert len({block["AssociationId"] for block in six}) == 2
    [machine] = started(ec2, PrivateIpAddress="172.18.40.9", **placed(BASIC))
    assert machine["PrivateIpAddress"] == "172.18.40.9"
    for taken in ("172.18.15.1", "172.18.40.1"):
        with pytest.raises(ClientError, match="reserved address range"):
            launch(ec2, PrivateIpAddress=taken, **placed(BASIC))
