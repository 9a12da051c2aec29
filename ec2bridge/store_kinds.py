"""Every kind of record in the store: what it is, what makes it, what is lost with it, and what a Describe does without.

This is the one table of them. `docs/store.md` is made of it, and the suite holds that no test writes another kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Away(Enum):
    """What a Describe does that wants to list a kind while the store is away."""

    NOTHING = "goes on: with what this bridge read last, else without"
    LAST = "goes on with what this bridge read within ten minutes before; else `Unavailable`"
    REFUSED = "`Unavailable`"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record: texts are for operators."""

    what: str
    by: str
    """What makes such records."""
    lost: str
    """What becomes of things when the records are lost."""
    away: Away = Away.REFUSED
    passes: bool = False
    """Whether a record ends by itself, or with what is under way."""


_N, _L = Away.NOTHING, Away.LAST

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # --- what lies in the store alone
        "internet-gateway": Kind(
            "an internet gateway and the VPC that it is attached to",
            "CreateInternetGateway, AttachInternetGateway",
            "the gateway is gone; traffic goes on, since the VPC's router carries it",
        ),
        "route-table": Kind(
            "a route table and its routes",
            "CreateRouteTable, CreateRoute; a VPC's main table once it is changed",
            "the table is gone, and a main table shows its local route alone; traffic goes on",
        ),
        "subnet-route-table": Kind(
            "which route table a subnet is associated with",
            "AssociateRouteTable",
            "the subnet shows its VPC's main table",
        ),
        "main-route-table": Kind(
            "which route table is a VPC's main one",
            "ReplaceRouteTableAssociation",
            "the VPC shows the table that came with it",
        ),
        "vgw-propagation": Kind(
            "which VPN gateway propagates its routes to a route table",
            "EnableVgwRoutePropagation",
            "the routes are no longer shown in the table; the VPN goes on",
        ),
        "dhcp-options": Kind(
            "a set of DHCP options",
            "CreateDhcpOptions",
            "the set is gone; subnets keep its domain name",
        ),
        "vpc-dhcp-options": Kind(
            "which set of DHCP options a VPC has",
            "AssociateDhcpOptions; CreateVpc with the tag `dhcp-options-id`",
            "the VPC shows what it was made with; its subnets keep their domain name",
            _N,
        ),
        "launch-template": Kind(
            "a launch template with all its versions", "CreateLaunchTemplate", "the template is gone"
        ),
        "launch-template-name": Kind(
            "which template has a name", "CreateLaunchTemplate", "the template is gone"
        ),
        "prefix-list": Kind(
            "a managed prefix list with its versions", "CreateManagedPrefixList", "the list is gone"
        ),
        "prefix-list-rules": Kind(
            "a security group's rules that name prefix lists, and which of CloudStack's rules are there for them",
            "AuthorizeSecurityGroupIngress, AuthorizeSecurityGroupEgress, ModifySecurityGroupRules",
            "the group shows a rule for each range of the lists; traffic goes on",
            _L,
        ),
        "spot-instances-request": Kind(
            "a spot request", "RequestSpotInstances", "the request is gone; its instances and leases are not"
        ),
        "fleet": Kind(
            "what a fleet was asked for, and what it launched; for two days when no instance of it is left",
            "CreateFleet",
            "the fleet is gone; its instances are not",
        ),
        "network-interface": Kind(
            "a network interface that was made before its instance",
            "CreateNetworkInterface",
            "one on no instance is gone, and its address is free; one on an instance shows under another id",
            _L,
        ),
        "empty-snapshot": Kind(
            "a snapshot of a volume that was never attached",
            "CreateSnapshot",
            "the snapshot is gone; there was nothing in it",
        ),
        "customer-gateway": Kind(
            "a customer gateway before a connection uses it, and its words that CloudStack has no field for",
            "CreateCustomerGateway",
            "one without a connection is gone",
        ),
        "vpn-gateway": Kind(
            "a VPN gateway and its VPC",
            "CreateVpnGateway",
            "one on no VPC is gone; one on a VPC shows under another id",
        ),
        "vpn-connection": Kind(
            "a VPN connection's ends, routes and tunnel options",
            "CreateVpnConnection",
            "the connection shows under other ids, without its options; the tunnel stays up",
        ),
        "key-pair-names": Kind(
            "a second name of a key that CloudStack holds once",
            "ImportKeyPair",
            "the name is gone; instances keep the key",
        ),
        "key-pairs": Kind(
            "a key pair's type, fingerprint and time as EC2 tells them",
            "CreateKeyPair, ImportKeyPair",
            "the key pair shows CloudStack's fingerprint, and no time",
        ),
        "tags": Kind(
            "tags of what CloudStack cannot tag, or as CloudStack cannot hold them",
            "CreateTags, TagSpecifications",
            "these tags are gone; those that CloudStack holds are not",
            _N,
        ),
        "nat-gateway": Kind(
            "a NAT gateway and the job that brings it up",
            "CreateNatGateway",
            "made anew from the mark on its address; one under way or that failed is forgotten",
        ),
        "default-subnet-made": Kind(
            "that a zone's default subnet was made once",
            "the first look for a default subnet, or launch",
            "one that was deleted is made again",
        ),
        "account": Kind(
            "which CloudStack account has 12 digits",
            "an account's first request",
            "written anew at the account's next request; until then nothing can be shared with it",
            _N,
        ),
        "cloud": Kind(
            "which cloud the store is of: its zones",
            "the first start",
            "written anew at the next start",
            _N,
        ),
        # --- copies, and what goes by itself
        "launch": Kind(
            "a copy of what a launch noted in the instance's details",
            "RunInstances",
            "nothing, unless the details are lost too",
            _N,
        ),
        "stop": Kind(
            "when EC2 was asked to stop an instance, and why a start or a stop failed",
            "StopInstances, StartInstances",
            "an instance shows no reason and time of its stop, nor why a start or a stop failed",
            _N,
        ),
        "machine": Kind(
            "a launch or termination under way, and for an hour an instance that is terminated",
            "RunInstances, TerminateInstances",
            "what was under way stays as it is: volumes not yet attached, addresses not yet released",
            _N,
            passes=True,
        ),
        "journal": Kind(
            "an action of several native calls under way",
            "actions that make several native calls",
            "what was under way stays half done",
            _N,
            passes=True,
        ),
        "deletion": Kind(
            "that a subnet, VPC, network ACL or group is being deleted, or was within the hour",
            "DeleteSubnet, DeleteVpc, DeleteNetworkAcl, DeleteSecurityGroup, DeletePlacementGroup",
            "what is made in it at the same moment may be made in a place that is gone",
            passes=True,
        ),
        "leaving": Kind(
            "a deleted subnet or VPC that CloudStack still holds",
            "DeleteSubnet, DeleteVpc",
            "it shows again, and has to be deleted again",
            _N,
            passes=True,
        ),
        "volume-change": Kind(
            "a volume's last modification, for a day",
            "ModifyVolume",
            "the modification is not shown; CloudStack's job goes on",
            passes=True,
        ),
        "volume": Kind(
            "the job that makes a volume of a snapshot, for a day",
            "CreateVolume",
            "a volume that could not be made vanishes instead of being shown as `error`",
            _N,
            passes=True,
        ),
        "image": Kind(
            "the job that makes an image, for a day",
            "CreateImage, RegisterImage, CopyImage",
            "an image that fails vanishes without its reason",
            _L,
            passes=True,
        ),
        "image-gone": Kind(
            "an image that was deregistered, for an hour",
            "DeregisterImage",
            "nothing that lasts",
            _N,
            passes=True,
        ),
        "nat-gateway-being-made": Kind(
            "a lock: one at a time makes a VPC's NAT gateway", "CreateNatGateway", "nothing", passes=True
        ),
        "volumes-changed": Kind(
            "a mark that bridges give each other when volumes change",
            "each change of a volume",
            "nothing",
            _N,
        ),
        "ids": Kind(
            "uuids of an account's objects where there are many, for a month, by the first digits of their ids"
            " (`ids:` and the kind of object)",
            "listings of more than 500 objects",
            "the first use of an id takes a listing of all after a restart",
            _N,
            passes=True,
        ),
        "token": Kind(
            "the answer to a request with a client token, for a day (`token:` and the action)",
            "actions that take a ClientToken",
            "a request that is sent again has its effect again",
            passes=True,
        ),
    }
)


def kind_of(name: str) -> Kind | None:
    """Return the kind by the name under which records are stored."""
    return KINDS.get(name.partition(":")[0])


def page() -> str:
    """Return the tables of docs/store.md."""
    lines: list[str] = []
    for passes, title in ((False, "What lasts"), (True, "What passes by itself")):
        columns = (
            "kind",
            "what it is",
            "made by",
            "lost with the store",
            "a Describe while the store is away",
        )
        lines += [f"### {title}", "", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
        lines += [
            f"| `{name}` | {kind.what} | {kind.by} | {kind.lost} | {kind.away.value} |"
            for name, kind in sorted(KINDS.items())
            if kind.passes is passes
        ]
        lines.append("")
    return "\n".join(lines)
