"""Where a launch goes: zone, networks, addresses.

A launch on AWS names a subnet, or a zone, or nothing, and always finds a default subnet. CloudStack wants to be told
the zone and, except in basic zones, the networks; an account may have none yet, and then one is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import known
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.addresses import further, named
from ec2bridge.resources.places.networks import default_network, has_static_nat, subnet_id
from ec2bridge.resources.places.ranges import blocks
from ec2bridge.resources.places.zones import Zone, asked_zone, resolve_zone, zones
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs.default_subnets import make_network

Row = dict[str, Any]

_INSTANCE_LEVEL = {
    "SubnetId": "subnet ID",
    "SecurityGroupIds": "security groups",
    "SecurityGroups": "security groups",
    "PrivateIpAddress": "private address",
}


@dataclass(slots=True)
class Nics:
    """The zone and the NICs of a launch; `rows` are their networks, the default one first."""

    zone: Zone
    rows: list[Row]
    addresses: list[str | None]
    groups: list[str] | None
    """Groups given with the network interface instead of the machine."""
    public: bool
    wanted: list[dict[str, Any]]
    """The interfaces as the request has them, in device order; with a `Record` where it names one that exists."""

    @property
    def address(self) -> str | None:
        """The private address asked for, if any."""
        return next((address for address in self.addresses if address), None)

    def params(self, chosen: Mapping[str, str] | None = None) -> Row:
        """The parameters of deployVirtualMachine, with what addresses the bridge has `chosen` by network.

        A basic zone refuses to be told networks.
        """
        if self.zone.basic:
            return {"ipaddress": self.address}
        ids = [row["id"] for row in self.rows]
        macs = [(nic.get("Record") or {}).get("mac") for nic in self.wanted]
        pairs = zip(ids, self.addresses, strict=True)
        addresses = [address or (chosen or {}).get(uuid) for uuid, address in pairs]
        if len(ids) == 1 and not macs[0]:
            return {"networkids": ids, "ipaddress": addresses[0]}
        if not any(addresses) and not any(macs):
            return {"networkids": ids}
        # `macaddress` beside `ipaddress` would be ignored; in this list both count.
        places = zip(ids, addresses, macs, strict=True)
        return {"iptonetworklist": [known(networkid=uuid, ip=ip, mac=mac) for uuid, ip, mac in places]}

    @property
    def named(self) -> list[tuple[Row, str]]:
        """The networks in which the client names the address, with it."""
        pairs = zip(self.rows, self.addresses, strict=False)
        return [(row, address) for row, address in pairs if address]

    @property
    def chosen_here(self) -> dict[str, Row]:
        """The networks whose addresses the bridge chooses, by uuid: no client names one, nor has CloudStack ranges."""
        named = {row["id"] for row, _ in self.named}
        return {
            row["id"]: row
            for row in self.rows
            if row.get("type") == "Isolated"
            and row["id"] not in named
            and blocks(row)
            and not row.get("specifyipranges")
        }

    @property
    def exist(self) -> bool:
        """Whether the launch takes an interface that exists, which is but one machine's."""
        return any("Record" in nic for nic in self.wanted)


_OF_A_NEW_ONE = (
    *("SubnetId", "Groups", "PrivateIpAddress", "PrivateIpAddresses", "SecondaryPrivateIpAddressCount"),
    "Description",
)
"""What cannot be said of an interface that exists."""


async def nics(ctx: Context, request: dict[str, Any], image: list[Row], found: list[Row]) -> Nics:
    """Decide zone and networks, of those that there are, from SubnetId, NetworkInterfaces, Placement, or defaults."""
    wanted = [await _existing(ctx, nic) for nic in _wanted(request)]
    rows = [_subnet(found, nic["SubnetId"]) for nic in wanted if nic.get("SubnetId")]
    zone = await _zone(ctx, request, rows, image, found)
    if not rows and not zone.basic:
        rows = [await default_network(ctx, zone, found) or await make_network(ctx, zone)]
    if len(wanted) > 1 and len(rows) != len(wanted):
        raise Ec2Error("MissingParameter", "Each of several network interfaces needs a SubnetId.")
    if zone.basic and not rows:
        rows = [row for row in found if row["zoneid"] == zone.uuid][:1]
    addresses = [_address(nic, row) for nic, row in zip(wanted, rows, strict=False)]
    public = _wants_address(wanted[0], rows[0])
    return Nics(zone, rows, addresses, wanted[0].get("Groups"), public, wanted)


async def _existing(ctx: Context, nic: dict[str, Any]) -> dict[str, Any]:
    """Return what an interface that exists asks for: its subnet, its addresses, its groups."""
    ident = nic.get("NetworkInterfaceId")
    if not ident:
        return nic
    for member in _OF_A_NEW_ONE:
        if nic.get(member):
            raise Ec2Error(
                "InvalidParameterCombination",
                f"A network interface ID and a {member} may not be specified on the same network interface",
            )
    if nic.get("DeleteOnTermination"):
        raise Ec2Error(
            "InvalidParameterCombination",
            "A network interface may not specify a network interface ID and delete on termination as true",
        )
    record = await network_interfaces.required(ctx, ident)
    secondary = [{"Primary": False, "PrivateIpAddress": address} for address in record["secondary"]]
    return {
        **nic,
        "SubnetId": ec2_id("subnet", record["subnet"]),
        "PrivateIpAddress": record["address"],
        "PrivateIpAddresses": secondary,
        "Groups": record["groups"],
        "Record": record,
    }


def _wanted(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the NICs asked for in device order; a launch without any has one."""
    specified = sorted(request.get("NetworkInterfaces") or [], key=lambda nic: nic.get("DeviceIndex", 0))
    if not specified:
        return [{"SubnetId": request.get("SubnetId"), "PrivateIpAddress": request.get("PrivateIpAddress")}]
    for name, words in _INSTANCE_LEVEL.items():
        if request.get(name):
            raise Ec2Error(
                "InvalidParameterCombination",
                f"Network interfaces and an instance-level {words} may not be specified on the same request",
            )
    indices = [nic.get("DeviceIndex", 0) for nic in specified]
    if indices[0] != 0 or len(set(indices)) < len(indices):
        raise Ec2Error(
            "InvalidParameterValue",
            f"The device indices {indices} are invalid: each must be another one, and the first must be 0.",
        )
    return specified


def _subnet(found: list[Row], ident: str) -> Row:
    for row in found:
        if ident in (subnet_id(row), row["id"]):
            return row
    if not KINDS["subnet"].is_id(ident):
        raise KINDS["subnet"].refused(ident)
    raise KINDS["subnet"].missing(ident)


async def _zone(
    ctx: Context, request: dict[str, Any], rows: list[Row], image: list[Row], found: list[Row]
) -> Zone:
    placement = request.get("Placement") or {}
    asked = await asked_zone(ctx, placement)
    if rows:
        zone = await resolve_zone(ctx, rows[0]["zoneid"])
        if any(row["zoneid"] != zone.uuid for row in rows) or (asked and asked.uuid != zone.uuid):
            wrong = asked.name if asked else subnet_id(rows[-1])
            raise Ec2Error(
                "InvalidParameterValue",
                f"Value ({wrong}) is invalid: subnet {subnet_id(rows[0])} is in availability"
                f" zone {zone.name}.",
            )
        return zone
    return asked or await _default_zone(ctx, image, found)


async def _default_zone(ctx: Context, image: list[Row], found: list[Row]) -> Zone:
    """Return the first zone that has the image and a network; else the first that has the image."""
    holding = {row["zoneid"] for row in image if row.get("zoneid")}
    usable = [
        zone
        for zone in await zones(ctx)
        if zone.row.get("allocationstate", "Enabled") == "Enabled" and (not holding or zone.uuid in holding)
    ]
    if not usable:
        raise Ec2Error(
            "Unsupported", "The image is in no Availability Zone in which instances can be launched."
        )
    for zone in usable:
        if zone.basic or await default_network(ctx, zone, found):
            return zone
    return usable[0]


def _address(nic: dict[str, Any], row: Row) -> str | None:
    """Return the private address asked for on a NIC, checked against its subnet."""
    primary, secondary = named(nic, row)
    further(nic, row, secondary)
    return primary


def secondary_addresses(nic: dict[str, Any]) -> list[str | None]:
    """Return the further addresses that an interface is to have: those named, or so many that CloudStack chooses."""
    entries = nic.get("PrivateIpAddresses") or ()
    told = [entry.get("PrivateIpAddress") for entry in entries if not entry.get("Primary")]
    return told or [None] * (nic.get("SecondaryPrivateIpAddressCount") or 0)


def _wants_address(nic: dict[str, Any], network: Row) -> bool:
    """Whether the launch is to acquire a public address; the subnet decides where the request does not."""
    wanted = nic.get("AssociatePublicIpAddress")
    if wanted is None:
        # AWS: the subnet's attribute is for interfaces that the launch makes.
        return "Record" not in nic and resource_tags.hidden(network).get("mapPublicIpOnLaunch") == "true"
    return bool(wanted) and _needs_address(network)


def _needs_address(network: Row) -> bool:
    """Whether AssociatePublicIpAddress means acquiring one; a machine on a public network has one by itself."""
    if has_static_nat(network):
        return True
    if any(not block.is_private for block in blocks(network)):
        return False
    raise Ec2Error(
        "UnsupportedOperation",
        f"The parameter AssociatePublicIpAddress is not supported in {subnet_id(network)}: the network"
        f" '{network.get('name')}' gives its machines their addresses and has no public ones to map to them.",
    )
