"""What making VPCs and subnets shares: ranges, zones and offerings.

AWS's VPC spans a region; CloudStack's lies in one zone, and both it and its tiers are made from an offering.
"""

from collections.abc import Iterable
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.network_acls.lists import allows_all, made_default
from ec2bridge.resources.places.zones import Zone, resolve_zone, zones

Row = dict[str, Any]

ZONE_TAG = "availability-zone"
"""A tag of this key, given to CreateVpc, chooses the VPC's zone: AWS's CreateVpc has no parameter for one."""
VPC_SERVICES = frozenset({"Dhcp", "NetworkACL", "SourceNat", "StaticNat"})
_TIER_SERVICES = VPC_SERVICES | {"UserData"}


def has_vpcs(zone: Zone) -> bool:
    """Whether VPCs can be in a zone: CloudStack's VPC router serves advanced zones without security groups."""
    enabled = zone.row.get("allocationstate", "Enabled") == "Enabled"
    return enabled and not zone.basic and not zone.security_groups


async def vpc_zone(ctx: Context, tags: dict[str, str]) -> Zone:
    """Return the zone for a new VPC: the one that a tag names, else the first that can have VPCs."""
    usable = [zone for zone in await zones(ctx) if has_vpcs(zone)]
    if tags.get(ZONE_TAG):
        zone = await resolve_zone(ctx, tags[ZONE_TAG])
        if not has_vpcs(zone):
            where = f"; there can be in {', '.join(other.name for other in usable)}" if usable else ""
            raise Ec2Error("Unsupported", f"There are no VPCs in the Availability Zone {zone.name}{where}.")
        return zone
    if not usable:
        sentence = "No Availability Zone of this cloud can have VPCs: all are basic, have security groups or are off."
        raise Ec2Error("UnsupportedOperation", sentence)
    return usable[0]


async def vpc_offering(ctx: Context, zone: Zone) -> str:
    """Return the uuid of the offering for a new VPC: CloudStack's default, else the oldest that serves."""
    rows = await ctx.account.list("listVPCOfferings", state="Enabled", zoneid=zone.uuid)
    usable = [row for row in rows if serves(row, VPC_SERVICES)]
    if not usable:
        raise Ec2Error(
            "UnsupportedOperation",
            f"There is no VPC offering in {zone.name} for VPCs with NAT and ACLs: ask CloudStack's administrator for"
            " one.",
        )
    chosen = min(usable, key=lambda row: (not row.get("isdefault"), row.get("created", ""), row["id"]))
    return str(chosen["id"])


async def tier_offering(ctx: Context, vpc: Row) -> str:
    """Return the uuid of the offering for a tier of a VPC.

    Of those that serve, one without load balancing: before 4.20 or so CloudStack allows a VPC one tier with it.
    """
    rows = await ctx.account.list(
        "listNetworkOfferings", forvpc=True, state="Enabled", guestiptype="Isolated", zoneid=vpc["zoneid"]
    )
    usable = [row for row in rows if serves(row, _TIER_SERVICES) and _providers(row) <= _providers(vpc)]
    if not usable:
        sentence = (
            "There is no network offering for subnets of this VPC: ask CloudStack's administrator for one."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    chosen = min(usable, key=lambda row: ("Lb" in _services(row), row.get("created", ""), row["id"]))
    return str(chosen["id"])


def serves(row: Row, wanted: Iterable[str]) -> bool:
    """Whether an offering has these services, and leaves the VLAN to CloudStack."""
    return _services(row).issuperset(wanted) and not row.get("specifyvlan")


def _services(row: Row) -> set[str]:
    return {service["name"] for service in row.get("service") or ()}


def _providers(row: Row) -> set[str]:
    """Who serves; an offering of another provider's (NSX, Netris) does not fit into the VPC."""
    return {who["name"] for service in row.get("service") or () for who in service.get("provider") or ()}


async def default_list(ctx: Context, vpc: str) -> str:
    """Return the uuid of the list behind a VPC's default network ACL: its own, else the one that lets all pass."""
    rows = await ctx.account.list("listNetworkACLLists", vpcid=vpc)
    uuid = made_default(rows, vpc) or next((row["id"] for row in rows if allows_all(row)), None)
    if uuid is None:
        raise Ec2Error("UnsupportedOperation", "CloudStack's network ACL 'default_allow' is not to be seen.")
    return str(uuid)
