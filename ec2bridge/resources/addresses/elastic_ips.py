"""Public addresses as Elastic IP addresses: which there are, what they are mapped to, and how they move.

An Elastic IP belongs to the account and goes to any machine. A public address of CloudStack belongs to one isolated
network or one VPC from the moment it is acquired, and static NAT maps it to machines there alone. So an address that
is to serve a machine elsewhere is given back and acquired again there, by its number: CloudStack keeps an address's
row and uuid while it is free, so address, allocation id and tags stay the same. Two kinds are no Elastic IPs and not
shown as such: a network's own way out (source NAT) if it is no NAT gateway's, and one that a launch acquired for its
machine.

An Elastic IP stays with its interface, which may be on no machine: then nothing maps the address, and its tag tells
which interface it waits for.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.addresses import acquisition
from ec2bridge.resources.addresses.listing import arrived, known
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.machines import lookup as machine_lookup
from ec2bridge.resources.machines.states import LAUNCH_MARK
from ec2bridge.resources.places.networks import has_static_nat, networks
from ec2bridge.resources.places.zones import resolve_zone
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import source_nat

Row = dict[str, Any]
Item = dict[str, Any]

ASSOCIATION = "address-association"
"""The kind (of ids.KINDS) of what maps an address."""
BORDER_MARK = "network-border-group"
"""Reserved tag on an address that was allocated in a named zone; without it the border group is the region."""


_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_NAT = re.compile(rf"({_UUID}) ({_UUID}) ([0-9]{{1,11}}(?:\.[0-9]+)?) ({_UUID})")
NAT_MARK = "nat-gateway"
"""Reserved tag on an address that is a NAT gateway's, or is becoming one's: see `nat_gateways`."""
ASSOCIATION_MARK = "association"
"""Reserved tag on an address, written anew at each association: what its association's id is made of.

It names the interface and its private address, and something that is never the same twice.
"""
_ASSOCIATED = re.compile(rf"({_UUID})/([0-9.]{{7,15}})/[0-9a-f]+")
OWN_MARK = "own-source-nat"
"""Reserved tag, with the VPC's uuid, on the address that is its way out while it has no NAT gateway."""


async def held(ctx: Context) -> list[Row]:
    """Return every public address of the caller, with those that are no Elastic IPs, or on their way."""
    return await known(ctx)


async def at_rest(ctx: Context) -> list[Row]:
    """`held`, for who is to change one of them: those that are on their way have arrived."""
    await arrived(ctx)
    return await held(ctx)


def is_elastic(row: Row) -> bool:
    """Whether the client allocated it, or could have."""
    if nat_mark(row):
        return True
    return not (row.get("issourcenat") or row.get("issystem") or came_with_launch(row) or is_own_way_out(row))


def nat_mark(row: Row) -> re.Match[str] | None:
    """Return what tells of a NAT gateway: key, subnet, time and VPC; None if there is none in the address's VPC.

    Who owns the address can write anything there in CloudStack's own interface.
    """
    marked = _NAT.fullmatch(resource_tags.hidden(row).get(NAT_MARK, ""))
    return marked if marked and marked[4] == row.get("vpcid") else None


def is_own_way_out(row: Row) -> bool:
    """Whether it is the address that its VPC has by itself, and lets rest while it has a NAT gateway."""
    return bool(row.get("vpcid")) and resource_tags.hidden(row).get(OWN_MARK) == row["vpcid"]


def came_with_launch(row: Row) -> bool:
    """Whether a launch acquired it for the machine that it is mapped to."""
    mapped = row.get("virtualmachineid")
    return bool(mapped) and resource_tags.hidden(row).get(LAUNCH_MARK) == mapped


def allocation_id(row: Row) -> str:
    """Return the EC2 id of an address."""
    return ec2_id("eipalloc", row["id"])


def association_id(row: Row) -> str:
    """Return the id of an address's association: another one each time, so that an old id ends nothing new."""
    marks = resource_tags.hidden(row)
    told = next((marks[name] for name in (NAT_MARK, ASSOCIATION_MARK, LAUNCH_MARK) if name in marks), None)
    if told is None:
        # Associated before there was the tag, or in CloudStack: Terraform's states hold the address's digits.
        return ec2_id("eipassoc", row["id"])
    return ec2_id("eipassoc", "/".join([row["id"], told, *_mapped_to(row, told)]))


def new_mark(interface: str, address: str) -> str:
    """Return what tells of a new association with an interface's private address."""
    return f"{interface}/{address}/{uuid4().hex}"


def marked_for(row: Row) -> tuple[str, str] | None:
    """Return the interface's uuid and the private address that an address was associated with through EC2.

    Where static NAT maps the address, that alone tells with what it is associated now.
    """
    marked = _ASSOCIATED.fullmatch(resource_tags.hidden(row).get(ASSOCIATION_MARK, ""))
    return (marked[1], marked[2]) if marked else None


def waiting(rows: Iterable[Row], records: Mapping[str, Record]) -> dict[str, Record]:
    """Return uuid → the interface's record of those addresses that are associated with one that is on no machine."""
    found = {}
    for row in rows:
        interface, address = marked_for(row) or ("", "")
        record = records.get(interface)
        if record is None or record["nic"] or address not in (record["address"], *record["secondary"]):
            continue
        if is_elastic(row) and not row.get("isstaticnat") and not nat_mark(row):
            found[row["id"]] = record
    return found


async def who_waits(ctx: Context, rows: Iterable[Row]) -> dict[str, Record]:
    """`waiting`, of the interfaces that the store has; it is read only if an address may wait."""
    some = [row for row in rows if marked_for(row) and not row.get("isstaticnat")]
    return waiting(some, await network_interfaces.records(ctx)) if some else {}


async def waiting_for(ctx: Context, record: Record) -> dict[str, str]:
    """Return uuid → private address of the public addresses that wait for an interface."""
    rows = await held(ctx)
    found = waiting(rows, {record["id"]: record})
    return {row["id"]: place[1] for row in rows if row["id"] in found and (place := marked_for(row))}


async def mapped_to(ctx: Context, machine: Row, nic: Row, record: Record) -> list[Row]:
    """Return of each public address that is mapped to a machine's NIC what `attachment.detach` wants to know."""
    found = []
    for row in await held(ctx):
        mapped = row.get("virtualmachineid"), row.get("associatednetworkid")
        if row.get("isstaticnat") and mapped == (machine["id"], nic["networkid"]):
            place = record["id"], row["vmipaddress"]
            kept = resource_tags.hidden(row).get(ASSOCIATION_MARK) if marked_for(row) == place else None
            mark = (kept or new_mark(*place)) if is_elastic(row) else None
            found.append({"id": row["id"], "private": row["vmipaddress"], "mark": mark})
    return found


def _mapped_to(row: Row, told: str) -> list[str]:
    """What else may change without EC2: static NAT can be turned to another machine in CloudStack.

    Of one that belongs to an interface the machine may be any: it keeps its association when it is attached elsewhere.
    """
    if marked := _ASSOCIATED.fullmatch(told):
        return [str(row.get("vmipaddress")) if row.get("isstaticnat") else marked[2]]
    if not row.get("isstaticnat"):
        return []
    return [str(row.get(name)) for name in ("virtualmachineid", "vmipaddress")]


async def associations(ctx: Context, machines: Iterable[Row]) -> dict[str, str]:
    """Return uuid → association's id of the Elastic IPs that machines have; asked for only if they have an address."""
    holders = [holder for row in machines for holder in (row, *(row.get("nic") or ()))]
    if not any(holder.get("publicipid") for holder in holders):
        return {}
    return {row["id"]: association_id(row) for row in await held(ctx) if is_elastic(row)}


def find(rows: Iterable[Row], request: dict[str, Any]) -> Row:
    """Return the Elastic IP that AllocationId or PublicIp names, or raise as AWS does."""
    ident, address = request.get("AllocationId"), request.get("PublicIp")
    if ident and address:
        raise Ec2Error(
            "InvalidParameterCombination", "You may specify public IP or allocation id, but not both"
        )
    if not ident and not address:
        raise Ec2Error("MissingParameter", "Either public IP or allocation id must be specified")
    elastic = [row for row in rows if is_elastic(row)]
    if address:
        return by_address(elastic, address)
    return by_id(elastic, "allocation", str(ident))


def check_address(address: str) -> None:
    """Refuse what is no address at all."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        sentence = f"Value ({address}) for parameter publicIp is invalid. Invalid IPv4 address."
        raise Ec2Error("InvalidParameterValue", sentence) from None


def by_address(rows: Iterable[Row], address: str) -> Row:
    """Return the row of a public address, or raise InvalidAddress.NotFound."""
    found = next((row for row in rows if row["ipaddress"] == address), None)
    if found is None:
        raise Ec2Error("InvalidAddress.NotFound", f"Address '{address}' not found.")
    return found


def by_id(rows: Iterable[Row], kind: str, ident: str) -> Row:
    """Return the row that an allocation's or association's id (or a uuid) names, or raise the kind's errors."""
    known = KINDS[kind]
    if not is_uuid(ident) and not known.is_id(ident):
        raise known.refused(ident)
    id_of = association_id if kind == ASSOCIATION else allocation_id
    found = next((row for row in rows if ident in (row["id"], id_of(row))), None)
    if found is None:
        raise known.missing(ident)
    return found


def item(
    ctx: Context,
    row: Row,
    tags: list[dict[str, str]],
    nics: dict[str, Row],
    waits_for: Record | None = None,
) -> Item:
    """Translate one address; `nics` are those of machines that addresses are mapped to, by `nic_key`.

    `waits_for` is the interface on no machine that it is associated with.
    """
    shown: Item = {
        "PublicIp": row["ipaddress"],
        "AllocationId": allocation_id(row),
        "Domain": "vpc",
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": resource_tags.hidden(row).get(BORDER_MARK, ctx.settings.region),
        "Tags": tags,
    }
    if waits_for is not None:
        _, private = marked_for(row) or ("", "")
        return shown | {
            "AssociationId": association_id(row),
            "NetworkInterfaceId": ec2_id("eni", waits_for["id"]),
            "NetworkInterfaceOwnerId": owner_of(row),
            "PrivateIpAddress": private,
            "SubnetId": ec2_id("subnet", waits_for["subnet"]),
        }
    if not row.get("isstaticnat") or not row.get("virtualmachineid"):
        return shown
    shown |= {
        "AssociationId": association_id(row),
        "InstanceId": ec2_id("i", row["virtualmachineid"]),
        "NetworkInterfaceOwnerId": owner_of(row),
    }
    if row.get("vmipaddress"):
        shown["PrivateIpAddress"] = row["vmipaddress"]
    nic = nics.get(nic_key(row["virtualmachineid"], row.get("associatednetworkid")))
    if nic is not None:
        shown["NetworkInterfaceId"] = ec2_id("eni", nic["id"])
        shown["SubnetId"] = ec2_id("subnet", nic["networkid"])
    return shown


def nic_key(machine: str, network: str | None) -> str:
    """What names a NIC on an address's row: a machine has one NIC in a network."""
    return f"{machine}/{network}"


async def nics_of(ctx: Context, rows: Iterable[Row]) -> dict[str, Row]:
    """Return the NICs of the machines that addresses are mapped to, under their interfaces' ids; one listing."""
    wanted = {row["virtualmachineid"] for row in rows if row.get("virtualmachineid")}
    machines = await machine_lookup.list_rows(ctx, wanted)
    held = network_interfaces.by_nic(await network_interfaces.records(ctx))
    return {
        nic_key(m["id"], nic["networkid"]): {**nic, "id": held.get(nic["id"], nic)["id"]}
        for m in machines
        for nic in m.get("nic") or ()
    }


@dataclass(frozen=True, slots=True)
class Target:
    """What an address is to be mapped to: a private address of an interface, which is a machine's NIC or waits."""

    machine: Row | None
    nic: Row
    network: Row
    address: str
    interface: str
    """The uuid that the interface has in EC2."""

    def is_served_by(self, row: Row) -> bool:
        """Whether the public address is mapped to just this already, or waits for it."""
        if self.machine is None:
            return not row.get("isstaticnat") and marked_for(row) == (self.interface, self.address)
        return bool(
            row.get("isstaticnat")
            and row.get("virtualmachineid") == self.machine["id"]
            and row.get("vmipaddress") == self.address
        )


async def target(ctx: Context, request: dict[str, Any]) -> Target:
    """Return what InstanceId or NetworkInterfaceId, and PrivateIpAddress, name."""
    records = await network_interfaces.records(ctx)
    machine, nic = await _named(ctx, request, records)
    state = machine_lookup.state_of(machine) if machine else None
    if machine and state not in ("running", "stopped", "stopping"):
        raise Ec2Error(
            "IncorrectInstanceState" if state == "terminated" else "InvalidInstanceID",
            f"The {state} instance '{ec2_id('i', machine['id'])}' is not in a valid state for this operation.",
        )
    network = next((row for row in await networks(ctx) if row["id"] == nic["networkid"]), None)
    if network is None or not has_static_nat(network):
        raise Ec2Error(
            "UnsupportedOperation",
            f"No public address can be associated in {ec2_id('subnet', nic['networkid'])}: the network has no"
            " static NAT.",
        )
    interface = nic["id"] if machine is None else network_interfaces.by_nic(records).get(nic["id"], nic)["id"]
    return Target(machine, nic, network, _private(request, nic), interface)


async def _named(
    ctx: Context, request: dict[str, Any], records: Mapping[str, Record]
) -> tuple[Row | None, Row]:
    """Return a machine and its NIC; of an interface on no machine, what its NIC will be."""
    ident, interface = request.get("InstanceId"), request.get("NetworkInterfaceId")
    if not ident and not interface:
        raise Ec2Error("MissingParameter", "Either instance ID or network interface id must be specified")
    record = network_interfaces.find(records, interface) if interface else None
    if interface and not ident:
        if record is not None and not record["nic"]:
            return None, _unattached(record, interface)
        uuid = record["nic"] if record else await ctx.directory.resolve("network-interface", interface)
        for row in await machine_lookup.list_rows(ctx):
            for nic in row.get("nic") or ():
                if nic["id"] == uuid:
                    return row, nic
        raise KINDS["network-interface"].missing(interface)
    found = await machine_lookup.machine(ctx, str(ident))
    nics = found.row.get("nic") or []
    if found.state in ("pending", "terminated", "shutting-down") or not nics:
        raise Ec2Error(
            "IncorrectInstanceState" if found.state == "terminated" else "InvalidInstanceID",
            f"The {found.state} instance '{found.id}' is not in a valid state for this operation.",
        )
    if interface:
        # The instance decides, and the interface chooses among its own: with an address that moves to another instance,
        # Terraform sends the interface of the one before along.
        named = record["nic"] if record else interface
        for nic in nics:
            if named in (nic["id"], ec2_id("eni", nic["id"])):
                return found.row, nic
    if len(nics) > 1:
        raise Ec2Error(
            "InvalidInstanceID",
            f"There are multiple interfaces attached to instance '{found.id}'. Please specify an interface ID for"
            " the operation instead.",
        )
    return found.row, nics[0]


def _unattached(record: Record, interface: str) -> Row:
    if record["machine"]:
        # It is being attached at this moment.
        raise network_interfaces.in_use(interface)
    secondary = [{"ipaddress": address} for address in record["secondary"]]
    own = {"id": record["id"], "networkid": record["subnet"], "ipaddress": record["address"]}
    return {**own, "secondaryip": secondary}


def _private(request: dict[str, Any], nic: Row) -> str:
    wanted = request.get("PrivateIpAddress")
    own = [nic.get("ipaddress"), *(entry["ipaddress"] for entry in nic.get("secondaryip") or ())]
    if wanted and wanted not in own:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The private IP address {wanted} is not assigned to {ec2_id('eni', nic['id'])}.",
        )
    return str(wanted or nic.get("ipaddress"))


def scope(network: Row) -> dict[str, str]:
    """The parameter of associateIpAddress that has an address serve a network: a tier's addresses are the VPC's."""
    return {"vpcid": network["vpcid"]} if network.get("vpcid") else {"networkid": network["id"]}


def serves(row: Row, network: Row) -> bool:
    """Whether static NAT can map the address to machines of the network as it is."""
    if network.get("vpcid"):
        return bool(row.get("vpcid") == network["vpcid"])
    return bool(row.get("associatednetworkid") == network["id"])


async def check_move(ctx: Context, row: Row, network: Row) -> None:
    """Refuse what cannot be: addresses belong to their zone, and one that carries other rules stays with them."""
    await check_zone(ctx, row, network)
    if not serves(row, network) and not row.get("isstaticnat"):
        await check_rules(ctx, row)


async def check_zone(ctx: Context, row: Row, network: Row) -> None:
    """Refuse to use an address in another zone than its own."""
    if row["zoneid"] != network["zoneid"]:
        here, there = await resolve_zone(ctx, row["zoneid"]), await resolve_zone(ctx, network["zoneid"])
        raise Ec2Error(
            "InvalidParameterCombination",
            f"The address {row['ipaddress']} belongs to {here.name}, and the subnet is in {there.name}.",
        )


async def check_rules(ctx: Context, row: Row) -> None:
    """Refuse an address that carries rules of other services."""
    rules = await ctx.account.list("listPortForwardingRules", ipaddressid=row["id"])
    rules += await ctx.account.list("listLoadBalancerRules", publicipid=row["id"])
    if rules:
        raise Ec2Error(
            "Resource.AlreadyAssociated",
            f"The address {row['ipaddress']} has port forwarding or load balancing rules.",
        )


def associated(row: Row, target: Target) -> Row:
    """Return the row of an address as it is once it is mapped."""
    if target.machine is None:
        return row
    mapped = {"virtualmachineid": target.machine["id"], "vmipaddress": target.address}
    return {**row, "isstaticnat": True, **mapped}


async def move(ctx: Context, row: Row, network: Row) -> None:
    """Have an address serve another network of its zone: given back, and acquired there under the same number."""
    await source_nat.ensure(ctx, scope(network))
    await acquisition.move(ctx, row["id"], row["ipaddress"], scope(network))
