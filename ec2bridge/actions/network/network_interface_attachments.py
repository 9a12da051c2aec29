"""Network interfaces attached to machines and detached from them.

CloudStack adds a NIC to a machine and removes it; which device it becomes is CloudStack's choice, a machine has one NIC
in a network, and its groups are those of all its NICs. An Elastic IP stays with its interface: static NAT maps it while
there is a machine.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.addresses import elastic_ips
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.instances.translation import instance
from ec2bridge.resources.interfaces import attachment, network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.machines.lookup import Machine, group_uuids, list_rows, machine
from ec2bridge.resources.places.networks import resolve_subnet

Row = dict[str, Any]
Item = dict[str, Any]


@action(
    "AttachNetworkInterface",
    honours=("NetworkInterfaceId", "InstanceId", "DeviceIndex"),
    defaults={"NetworkCardIndex": (0,)},
    native=(
        "addNicToVirtualMachine",
        "addIpToNic",
        "listVirtualMachines",
        "listNetworks",
        "listPublicIpAddresses",
    ),
)
async def attach_network_interface(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Add an interface to a machine that runs or is stopped."""
    ident, machine_id = request.get("NetworkInterfaceId") or "", request.get("InstanceId") or ""
    found, asked = await machine(ctx, machine_id), request.get("DeviceIndex")
    record, begun = await network_interfaces.named(ctx, ident), False
    if record is not None and record["machine"] == found.uuid and record["index"] == asked:
        # Perhaps by this very request, whose bearer died over it.
        claimed = await attachment.claim(ctx, record, found.uuid)
        begun = claimed is True
        if claimed is None:
            found = await machine(ctx, machine_id)
    if record is None or not begun:
        record = await network_interfaces.required(ctx, ident)
    network = await resolve_subnet(ctx, record["subnet"])
    index = (
        record["index"] if begun else await _check(ctx, record, found, network, request.get("DeviceIndex"))
    )
    public = await elastic_ips.waiting_for(ctx, record)
    record = await attachment.attach(ctx, record, found.uuid, network, index, group_uuids(found.row), public)
    return {"AttachmentId": ec2_id("eni-attach", record["attachment"]), "NetworkCardIndex": 0}


async def _check(ctx: Context, record: Record, found: Machine, network: Row, index: int | None) -> int:
    """Refuse what CloudStack would refuse, or do otherwise than EC2; returns the device index."""
    ident = ec2_id("eni", record["id"])
    if found.state not in ("running", "stopped"):
        raise Ec2Error("IncorrectState", f"Instance '{found.id}' is not 'running' or 'stopped'.")
    if found.row["zoneid"] != network["zoneid"]:
        raise Ec2Error(
            "InvalidParameterCombination",
            "You may not attach a network interface to an instance if they are not in the same availability zone",
        )
    shown = instance(await gather_facts(ctx, [found.row], {}), found.row)
    used = {item["Attachment"]["DeviceIndex"] for item in shown["NetworkInterfaces"]}
    if index is None:
        raise Ec2Error("MissingParameter", "The request must contain the parameter deviceIndex")
    if index in used:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Instance '{found.id}' already has an interface attached at device index '{index}'.",
        )
    if any(nic["networkid"] == network["id"] for nic in found.row.get("nic") or ()):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The interface '{ident}' cannot be attached to '{found.id}': CloudStack's machines have one interface in"
            " a subnet, and this one has it.",
        )
    groups = {group["GroupId"] for group in shown["SecurityGroups"]}
    if groups != set(record["groups"]):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The interface '{ident}' cannot be attached to '{found.id}': CloudStack applies the groups of an instance"
            f" to all its interfaces, and these are in other groups ({', '.join(sorted(groups))}). Give the interface"
            " these by ModifyNetworkInterfaceAttribute before, or change those of the instance by"
            " ModifyInstanceAttribute.",
        )
    return index


@action(
    "DetachNetworkInterface",
    honours=("AttachmentId",),
    ignores={"Force": "CloudStack has one way to detach"},
    native=("removeNicFromVirtualMachine", "listVirtualMachines", "listPublicIpAddresses"),
)
async def detach_network_interface(ctx: Context, request: dict[str, Any]) -> None:
    """Take an interface from its machine; it is there to be attached to another."""
    ident = request.get("AttachmentId") or ""
    if await attachment.is_being_detached(ctx, ident):
        await attachment.finish(ctx, ident)
        return
    known = await network_interfaces.records(ctx)
    row, nic, index, record = await _attachment(ctx, known, ident)
    if index == 0:
        raise Ec2Error(
            "OperationNotPermitted",
            "The network interface at device index 0 and networkCard index 0 cannot be detached.",
        )
    held = record or {
        **network_interfaces.of_nic(nic, row["id"], index),
        "groups": await _groups_of(ctx, row),
    }
    public = await elastic_ips.mapped_to(ctx, row, nic, held)
    await attachment.detach(ctx, ident, row["id"], nic, held, public)


async def _attachment(
    ctx: Context, known: dict[str, Record], ident: str
) -> tuple[Row, Row, int, Record | None]:
    """Return machine, NIC, device index and record of an attachment's id, or raise its NotFound."""
    held = network_interfaces.by_nic(known)
    rows = await list_rows(ctx)
    facts = await gather_facts(ctx, rows, {})
    for row in rows:
        for item in instance(facts, row)["NetworkInterfaces"]:
            if item["Attachment"]["AttachmentId"] == ident:
                nic = network_interfaces.nics_of(row, held)[item["NetworkInterfaceId"]]
                return row, nic, item["Attachment"]["DeviceIndex"], held.get(nic["id"])
    kind = KINDS["network-interface-attachment"]
    raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)


async def _groups_of(ctx: Context, row: Row) -> list[str]:
    shown = instance(await gather_facts(ctx, [row], {}), row)
    return [group["GroupId"] for group in shown["SecurityGroups"]]
