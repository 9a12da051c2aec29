"""What clients ask for in a random story: an action, how often it comes up beside others, and its request.

A request names what the client knows: of each kind of thing, by the prefix of its id, any that an answer has told,
also one that has gone since, or has no business with the other things in the request. A refusal is an answer, too.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.faults.things import ADVANCED, ANYWHERE, DOMAIN, GROUPED

Request = dict[str, Any]

DEVICES = ("/dev/sdf", "/dev/sdg", "/dev/sdh")
SUBNETS = ("10.50.1.0/24", "10.50.2.0/24", "10.50.3.0/24")
RANGES = (ANYWHERE, "10.0.0.0/8")


class NothingError(LookupError):
    """The client knows nothing of the kind."""


class Client:
    """What one account knows, and what it chooses of it."""

    def __init__(self, account: str, lot: random.Random, image: str) -> None:
        self.account, self.lot, self.image = account, lot, image
        self.known: dict[str, list[str]] = {}

    def learn(self, idents: Iterable[str]) -> None:
        """Know these ids from now on."""
        for ident in sorted(idents):
            known = self.known.setdefault(ident.rpartition("-")[0], [])
            if ident not in known:
                known.append(ident)

    def forget(self, idents: Iterable[str]) -> None:
        """Come back to these ids seldom: they are gone."""
        for ident in idents:
            known = self.known.get(ident.rpartition("-")[0], [])
            if ident in known and self.lot.random() < 0.9:
                known.remove(ident)

    def one(self, prefix: str) -> str:
        """The id of something of a kind; raises NothingError."""
        known = self.known.get(prefix)
        if not known:
            raise NothingError(prefix)
        return self.lot.choice(known)

    def of(self, *choices: Any) -> Any:
        """One of several things."""
        return self.lot.choice(choices)

    def may(self, share: float, **members: Any) -> Request:
        """Members that a part of all requests has."""
        return members if self.lot.random() < share else {}


def tagged(client: Client, *kinds: str) -> Request:
    """Tags, of which the store has one, in some of the requests."""
    tags = [{"Key": "Name", "Value": "made"}, {"Key": "Empty", "Value": ""}]
    return client.may(0.4, TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in kinds])


def launch(client: Client) -> Request:
    """A launch, into one zone or the other, or into a subnet."""
    request: Request = {"ImageId": client.image, "InstanceType": "t2.micro", "MinCount": 1}
    request["MaxCount"] = client.of(1, 1, 1, 2)
    place = client.of("plain", "public", "grouped", "subnet", "subnet", "interface")
    if place == "interface":
        nic = {"DeviceIndex": 0, "NetworkInterfaceId": client.one("eni")}
        request |= {"NetworkInterfaces": [nic], "MaxCount": 1}
    elif place == "subnet":
        nic = {"DeviceIndex": 0, "SubnetId": client.one("subnet")}
        nic |= client.may(0.5, AssociatePublicIpAddress=True) | client.may(0.3, Groups=[client.one("sg")])
        request["NetworkInterfaces"] = [nic]
    else:
        request["Placement"] = {"AvailabilityZone": GROUPED if place == "grouped" else ADVANCED}
        if place == "public":
            request["NetworkInterfaces"] = [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]
    ebs = {"VolumeSize": 4, "DeleteOnTermination": client.of(True, True, False)}
    request |= client.may(0.4, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": ebs}])
    return request | tagged(client, "instance", "volume")


def rule(client: Client) -> Request:
    """One rule of a group."""
    permission: Request = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": client.of(22, 23)}
    if client.of(True, False, False):
        permission["UserIdGroupPairs"] = [{"GroupId": client.one("sg")}]
    else:
        permission["IpRanges"] = [{"CidrIp": client.of(*RANGES), "Description": "why"}]
    return {"GroupId": client.one("sg"), "IpPermissions": [permission]}


def association(client: Client) -> Request:
    """An address for an instance or an interface."""
    to = client.of(("InstanceId", "i"), ("InstanceId", "i"), ("NetworkInterfaceId", "eni"))
    chosen = {"AllocationId": client.one("eipalloc"), to[0]: client.one(to[1])}
    return {**chosen, "AllowReassociation": client.of(True, False)}


def entry(client: Client) -> Request:
    """Which entry of an ACL is meant."""
    number, egress = client.of(100, 110), client.of(True, False)
    return {"NetworkAclId": client.one("acl"), "RuleNumber": number, "Egress": egress}


def tags(client: Client) -> Request:
    """Some things of any kind."""
    kinds = [client.of("i", "vol", "snap", "ami", "eipalloc", "vpc", "subnet", "sg", "eni") for _ in "12"]
    return {"Resources": sorted({client.one(kind) for kind in kinds})}


def imaged(client: Client) -> Request:
    """The name of an image, which may be taken."""
    return {"Name": client.of("mine", "yours")}


Ask = Callable[[Client], Request]

DEEDS: Mapping[str, tuple[float, Ask]] = {
    "RunInstances": (6, launch),
    "TerminateInstances": (2.5, lambda c: {"InstanceIds": sorted({c.one("i"), c.one("i")})}),
    "StopInstances": (1.5, lambda c: {"InstanceIds": [c.one("i")], **c.may(0.2, Force=True)}),
    "StartInstances": (1, lambda c: {"InstanceIds": [c.one("i")]}),
    "RebootInstances": (0.5, lambda c: {"InstanceIds": [c.one("i")]}),
    "ModifyInstanceAttribute": (1, lambda c: {"InstanceId": c.one("i"), "Groups": [c.one("sg")]}),
    "CreateVolume": (2, lambda c: {"AvailabilityZone": ADVANCED, "Size": 3, **tagged(c, "volume")}),
    "AttachVolume": (
        3,
        lambda c: {"InstanceId": c.one("i"), "VolumeId": c.one("vol"), "Device": c.of(*DEVICES)},
    ),
    "DetachVolume": (1.5, lambda c: {"VolumeId": c.one("vol")}),
    "DeleteVolume": (1, lambda c: {"VolumeId": c.one("vol")}),
    "ModifyVolume": (0.7, lambda c: {"VolumeId": c.one("vol"), "Size": c.of(5, 6, 9)}),
    "CreateSnapshot": (1.5, lambda c: {"VolumeId": c.one("vol"), **tagged(c, "snapshot")}),
    "CreateSnapshots": (0.7, lambda c: {"InstanceSpecification": {"InstanceId": c.one("i")}}),
    "DeleteSnapshot": (1, lambda c: {"SnapshotId": c.one("snap")}),
    "CreateImage": (1.5, lambda c: {"InstanceId": c.one("i"), **imaged(c), **c.may(0.3, NoReboot=True)}),
    "DeregisterImage": (0.7, lambda c: {"ImageId": c.one("ami")}),
    "AllocateAddress": (2, lambda c: {"Domain": "vpc", **tagged(c, "elastic-ip")}),
    "AssociateAddress": (3.5, association),
    "DisassociateAddress": (1.5, lambda c: {"AssociationId": c.one("eipassoc")}),
    "ReleaseAddress": (1.2, lambda c: {"AllocationId": c.one("eipalloc")}),
    "CreateVpc": (2, lambda c: {"CidrBlock": "10.50.0.0/16", **tagged(c, "vpc")}),
    "DeleteVpc": (1, lambda c: {"VpcId": c.one("vpc")}),
    "CreateSubnet": (
        3,
        lambda c: {"VpcId": c.one("vpc"), "CidrBlock": c.of(*SUBNETS), "AvailabilityZone": ADVANCED},
    ),
    "DeleteSubnet": (1, lambda c: {"SubnetId": c.one("subnet")}),
    "CreateInternetGateway": (1, lambda c: tagged(c, "internet-gateway")),
    "AttachInternetGateway": (1, lambda c: {"InternetGatewayId": c.one("igw"), "VpcId": c.one("vpc")}),
    "DetachInternetGateway": (0.7, lambda c: {"InternetGatewayId": c.one("igw"), "VpcId": c.one("vpc")}),
    "DeleteInternetGateway": (0.5, lambda c: {"InternetGatewayId": c.one("igw")}),
    "CreateRouteTable": (1, lambda c: {"VpcId": c.one("vpc"), **tagged(c, "route-table")}),
    "AssociateRouteTable": (0.8, lambda c: {"RouteTableId": c.one("rtb"), "SubnetId": c.one("subnet")}),
    "DeleteRouteTable": (0.4, lambda c: {"RouteTableId": c.one("rtb")}),
    "CreateNatGateway": (1.6, lambda c: {"SubnetId": c.one("subnet"), "AllocationId": c.one("eipalloc")}),
    "DeleteNatGateway": (0.8, lambda c: {"NatGatewayId": c.one("nat")}),
    "CreateNetworkAcl": (1, lambda c: {"VpcId": c.one("vpc"), **tagged(c, "network-acl")}),
    "CreateNetworkAclEntry": (
        1,
        lambda c: {**entry(c), "Protocol": "-1", "RuleAction": "allow", "CidrBlock": ANYWHERE},
    ),
    "DeleteNetworkAclEntry": (0.5, entry),
    "ReplaceNetworkAclAssociation": (
        0.6,
        lambda c: {"NetworkAclId": c.one("acl"), "AssociationId": c.one("aclassoc")},
    ),
    "DeleteNetworkAcl": (0.5, lambda c: {"NetworkAclId": c.one("acl")}),
    "CreateSecurityGroup": (
        2,
        lambda c: {"GroupName": c.of("web", "db"), "Description": "d", **c.may(0.6, VpcId=c.one("vpc"))},
    ),
    "AuthorizeSecurityGroupIngress": (1.5, rule),
    "AuthorizeSecurityGroupEgress": (1, rule),
    "RevokeSecurityGroupIngress": (0.7, rule),
    "RevokeSecurityGroupEgress": (0.7, rule),
    "DeleteSecurityGroup": (1, lambda c: {"GroupId": c.one("sg")}),
    "CreateNetworkInterface": (
        1.3,
        lambda c: {"SubnetId": c.one("subnet"), **tagged(c, "network-interface")},
    ),
    "AttachNetworkInterface": (
        1,
        lambda c: {"NetworkInterfaceId": c.one("eni"), "InstanceId": c.one("i"), "DeviceIndex": c.of(1, 2)},
    ),
    "DetachNetworkInterface": (0.7, lambda c: {"AttachmentId": c.one("eni-attach")}),
    "DeleteNetworkInterface": (0.6, lambda c: {"NetworkInterfaceId": c.one("eni")}),
    "CreateKeyPair": (0.8, lambda c: {"KeyName": c.of("laptop", "desk"), **tagged(c, "key-pair")}),
    "DeleteKeyPair": (0.4, lambda c: {"KeyName": c.of("laptop", "desk")}),
    "CreateTags": (1.5, lambda c: {**tags(c), "Tags": [{"Key": "Name", "Value": c.of("", "v")}]}),
    "DeleteTags": (0.6, lambda c: {**tags(c), "Tags": [{"Key": "Name"}]}),
    "CreateDhcpOptions": (0.4, lambda c: {"DhcpConfigurations": DOMAIN}),
    "AssociateDhcpOptions": (0.4, lambda c: {"DhcpOptionsId": c.one("dopt"), "VpcId": c.one("vpc")}),
    "CreateVpnGateway": (0.4, lambda c: {"Type": "ipsec.1"}),
    "AttachVpnGateway": (0.4, lambda c: {"VpnGatewayId": c.one("vgw"), "VpcId": c.one("vpc")}),
    # What came with other things is known by looking at it.
    "DescribeVolumes": (0.6, lambda c: {}),
    "DescribeNetworkInterfaces": (0.4, lambda c: {}),
    "DescribeNetworkAcls": (0.5, lambda c: {}),
}
