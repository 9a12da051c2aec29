"""A cloud with something of everything: what tests of all answers look at."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import Place
from tests.launching import ADVANCED, GROUPED, placed, started, tags


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def fill(place: Place) -> Any:
    """Make one of everything for alice, and return her client."""
    ec2 = place.client()
    ec2.create_key_pair(KeyName="key", TagSpecifications=[tags("key-pair", a="b")])
    vpc = ec2.create_vpc(CidrBlock="10.80.0.0/16", TagSpecifications=[tags("vpc", a="b")])["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.80.1.0/24", TagSpecifications=[tags("subnet", a="b")])
    tier = subnet["Subnet"]["SubnetId"]
    _ways(ec2, vpc, tier)
    group = _groups(ec2, vpc)
    machine = _machines(ec2, tier, group)
    _disks(ec2, machine)
    _addresses(ec2, tier, machine)
    _vpn(ec2, vpc)
    return ec2


def _ways(ec2: Any, vpc: str, tier: str) -> None:
    """Gateways, tables, lists."""
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=[tags("route-table", a="b")])["RouteTable"]
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table["RouteTableId"], SubnetId=tier)
    entries = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    ec2.create_network_acl_entry(
        NetworkAclId=entries,
        RuleNumber=100,
        Protocol="6",
        RuleAction="allow",
        Egress=False,
        CidrBlock="0.0.0.0/0",
        PortRange={"From": 22, "To": 22},
    )


def _groups(ec2: Any, vpc: str) -> str:
    """Groups with rules of every kind; the one in the VPC is returned."""
    plain = ec2.create_security_group(
        GroupName="plain", Description="d", TagSpecifications=[tags("security-group", a="b")]
    )["GroupId"]
    peer = {"GroupId": plain, "Description": "among us"}
    ranges = [{"CidrIp": "192.0.2.0/24", "Description": "us"}]
    six = [{"CidrIpv6": "2001:db8::/32", "Description": "us"}]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}
    ec2.authorize_security_group_ingress(
        GroupId=plain, IpPermissions=[{**rule, "Ipv6Ranges": six, "UserIdGroupPairs": [peer]}]
    )
    ec2.authorize_security_group_egress(
        GroupId=plain,
        IpPermissions=[
            {**rule, "Ipv6Ranges": six, "UserIdGroupPairs": [{"GroupId": plain, "Description": "x"}]}
        ],
    )
    made = ec2.create_security_group(GroupName="inside", Description="d", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[rule])
    return str(made)


def _machines(ec2: Any, tier: str, group: str) -> str:
    """Machines of several kinds; the one in the VPC is returned."""
    ec2.create_placement_group(GroupName="apart", Strategy="spread")
    entries = [{"Cidr": "192.0.2.0/24", "Description": "us"}]
    listed = {"PrefixListName": "us", "AddressFamily": "IPv4", "MaxEntries": 5, "Entries": entries}
    ident = ec2.create_managed_prefix_list(**listed)["PrefixList"]["PrefixListId"]
    rule = {"IpProtocol": "tcp", "FromPort": 8, "ToPort": 9, "PrefixListIds": [{"PrefixListId": ident}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule])
    ec2.create_launch_template(
        LaunchTemplateName="template", LaunchTemplateData={"InstanceType": "t2.micro", "KeyName": "key"}
    )
    [inside] = started(
        ec2,
        SubnetId=tier,
        SecurityGroupIds=[group],
        KeyName="key",
        TagSpecifications=[tags("instance", a="b")],
    )
    started(ec2, **placed(GROUPED))
    [grouped] = started(ec2, Placement={"AvailabilityZone": ADVANCED, "GroupName": "apart"})
    ec2.stop_instances(InstanceIds=[grouped["InstanceId"]])
    return str(inside["InstanceId"])


def _disks(ec2: Any, machine: str) -> None:
    """Volumes, snapshots and images."""
    [shown] = ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"]
    zone = shown["Placement"]["AvailabilityZone"]
    root = shown["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    volume = ec2.create_volume(
        AvailabilityZone=zone, Size=5, VolumeType="gp3", TagSpecifications=[tags("volume", a="b")]
    )["VolumeId"]
    eventually(lambda: _state(ec2, volume) == "available")
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    snapshot = ec2.create_snapshot(
        VolumeId=root, Description="whole", TagSpecifications=[tags("snapshot", a="b")]
    )["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 0.05})
    ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot)
    image = ec2.create_image(
        InstanceId=machine, Name="picture", Description="d", TagSpecifications=[tags("image", a="b")]
    )["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 0.05})
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt=datetime.now(UTC) + timedelta(days=300))
    registered = ec2.register_image(
        Name="of a snapshot",
        RootDeviceName="/dev/sda1",
        SriovNetSupport="simple",
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}}
        ],
    )["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[registered], WaiterConfig={"Delay": 0.05})


def _state(ec2: Any, volume: str) -> str:
    return str(ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"])


def _addresses(ec2: Any, tier: str, machine: str) -> None:
    """Interfaces, Elastic IPs, a NAT gateway."""
    free = ec2.create_network_interface(
        SubnetId=tier, Description="spare", TagSpecifications=[tags("network-interface", a="b")]
    )
    ec2.create_network_interface(SubnetId=tier)
    first, second = (
        ec2.allocate_address(Domain="vpc", TagSpecifications=[tags("elastic-ip", a="b")])["AllocationId"]
        for _ in range(2)
    )
    ec2.associate_address(AllocationId=first, InstanceId=machine)
    assert free["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_nat_gateway(SubnetId=tier, AllocationId=second)
    eventually(lambda: ec2.describe_nat_gateways()["NatGateways"][0]["State"] == "available")


def _vpn(ec2: Any, vpc: str) -> None:
    """Both ends of a VPN, and a connection of them."""
    far = ec2.create_customer_gateway(Type="ipsec.1", IpAddress="198.51.100.77", BgpAsn=65000)
    near = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=near, VpcId=vpc)
    ec2.create_vpn_connection(
        Type="ipsec.1",
        CustomerGatewayId=far["CustomerGateway"]["CustomerGatewayId"],
        VpnGatewayId=near,
        Options={"StaticRoutesOnly": True},
    )
