"""Secondary private addresses of network interfaces."""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.interfaces import addresses as interface_addresses
from ec2bridge.resources.interfaces import attachment, network_interfaces
from ec2bridge.resources.machines.lookup import list_rows
from ec2bridge.resources.places.networks import resolve_subnet

Row = dict[str, Any]


@action(
    "AssignPrivateIpAddresses",
    honours=("NetworkInterfaceId", "PrivateIpAddresses", "SecondaryPrivateIpAddressCount"),
    defaults={"AllowReassignment": (False,)},
    native=("addIpToNic", "listVirtualMachines", "listNetworks"),
)
async def assign_private_ip_addresses(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Give an interface more addresses: those named, or so many."""
    asked = request.get("PrivateIpAddresses") or []
    if not asked and not request.get("SecondaryPrivateIpAddressCount"):
        raise Ec2Error(
            "MissingParameter",
            "The request must contain the parameter privateIpAddresses or secondaryPrivateIpAddressCount",
        )
    record, nic, machine = await _interface(ctx, request)
    network = await resolve_subnet(ctx, nic["networkid"] if nic else record["subnet"])
    count = interface_addresses.further(request, network, asked)
    interface_addresses.checked(asked, network)
    if nic is None:
        added = await interface_addresses.with_secondary(ctx, record, network, asked, count)
    else:
        added = await attachment.assign(ctx, nic, machine, asked, count)
    return {
        "NetworkInterfaceId": request["NetworkInterfaceId"],
        "AssignedPrivateIpAddresses": [{"PrivateIpAddress": address} for address in added],
        "AssignedIpv4Prefixes": [],
    }


@action(
    "UnassignPrivateIpAddresses",
    honours=("NetworkInterfaceId", "PrivateIpAddresses"),
    native=("removeIpFromNic", "listVirtualMachines"),
)
async def unassign_private_ip_addresses(ctx: Context, request: dict[str, Any]) -> None:
    """Take secondary addresses from an interface."""
    asked = request.get("PrivateIpAddresses") or []
    if not asked:
        raise Ec2Error("MissingParameter", "The request must contain the parameter privateIpAddresses")
    ident = request.get("NetworkInterfaceId") or ""
    if await attachment.is_being_unassigned(ctx, ident, asked):
        await attachment.unassign(ctx, ident, asked)
        return
    record, nic, machine = await _interface(ctx, request)
    primary = nic.get("ipaddress") if nic else record["address"]
    held = (
        [entry["ipaddress"] for entry in nic.get("secondaryip") or ()] if nic else list(record["secondary"])
    )
    if primary in asked:
        raise Ec2Error("InvalidParameterValue", f"Primary address {primary} of {ident} cannot be unassigned.")
    others = [address for address in asked if address not in held]
    if others:
        raise Ec2Error("InvalidParameterValue", f"Some of [{', '.join(others)}] are not assigned to {ident}")
    if nic is None:
        rest = [address for address in record["secondary"] if address not in asked]
        await network_interfaces.put(ctx, {**record, "secondary": rest})
        return
    await attachment.unassign(ctx, ident, asked, nic["id"], machine)


async def _interface(
    ctx: Context, request: dict[str, Any]
) -> tuple[network_interfaces.Record, Row | None, str]:
    """Return an interface's record (empty for a NIC without one), its NIC and that one's machine, where it has one."""
    ident = request.get("NetworkInterfaceId") or ""
    record = network_interfaces.find(await network_interfaces.records(ctx), ident)
    if record is not None and not record["machine"]:
        return record, None, ""
    uuid = record["nic"] if record else None
    for row in await list_rows(ctx):
        for nic in row.get("nic") or ():
            if nic["id"] == uuid or (record is None and ident in (nic["id"], ec2_id("eni", nic["id"]))):
                return record or {}, nic, row["id"]
    raise network_interfaces.missing(ident)
