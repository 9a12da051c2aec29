"""Network interfaces attached to machines and detached from them.

CloudStack adds a NIC to a machine and removes it; which device it becomes is CloudStack's choice, a machine has one NIC
in a network, and its groups are those of all its NICs.
"""

from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.instances.translation import instance
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.machines.lookup import Machine, group_uuids, list_rows, machine
from ec2bridge.resources.places.networks import resolve_subnet

Row = dict[str, Any]
Item = dict[str, Any]

_MASKED = 530
"""What CloudStack answers where it does not tell users why: here, that the address is taken."""


@action(
    "AttachNetworkInterface",
    honours=("NetworkInterfaceId", "InstanceId", "DeviceIndex"),
    defaults={"NetworkCardIndex": (0,)},
    native=("addNicToVirtualMachine", "addIpToNic", "listVirtualMachines", "listNetworks"),
)
async def attach_network_interface(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Add an interface to a machine that runs or is stopped."""
    record = await network_interfaces.required(ctx, request.get("NetworkInterfaceId") or "")
    found = await machine(ctx, request.get("InstanceId") or "")
    network = await resolve_subnet(ctx, record["subnet"])
    index = await _check(ctx, record, found, network, request.get("DeviceIndex"))
    await _claim(ctx, record, found.uuid, index)
    try:
        async with tiers.joining(ctx, [network], group_uuids(found.row)):
            record = await _add(ctx, record, found, network, index)
    except BaseException:
        await network_interfaces.release(ctx, record)
        raise
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
            f" to all its interfaces, and these are in other groups ({', '.join(sorted(groups))}).",
        )
    return index


async def _claim(ctx: Context, record: Record, machine_uuid: str, index: int) -> None:
    """Have the interface be this request's alone; whoever was faster has it."""
    entry = await ctx.store.entry(ctx.owner_id, network_interfaces.KIND, record["id"])
    claimed = {**record, **network_interfaces.claim(machine_uuid, index)}
    place = (ctx.owner_id, network_interfaces.KIND, record["id"])
    if entry is None or entry.value["machine"] or not await ctx.store.replace(*place, claimed, entry.version):
        raise network_interfaces.in_use(ec2_id("eni", record["id"]))


async def _add(ctx: Context, record: Record, found: Machine, network: Row, index: int) -> Record:
    wanted = {"ipaddress": record["address"], "macaddress": record["mac"]}
    try:
        row = await ctx.account.job(
            "addNicToVirtualMachine", virtualmachineid=found.uuid, networkid=network["id"], **wanted
        )
    except CloudStackError as error:
        if error.errorcode == _MASKED and record["address"]:
            raise Ec2Error("InvalidIPAddress.InUse", f"Address {record['address']} is in use.") from error
        raise
    nic = next(nic for nic in row["nic"] if nic["networkid"] == network["id"])
    attached = network_interfaces.attached({**record, "keep": True}, nic, found.uuid, index)
    await network_interfaces.put(ctx, attached)
    for address in record["secondary"]:
        await ctx.account.job("addIpToNic", nicid=nic["id"], ipaddress=address)
    return attached


@action(
    "DetachNetworkInterface",
    honours=("AttachmentId",),
    ignores={"Force": "CloudStack has one way to detach"},
    native=("removeNicFromVirtualMachine", "listVirtualMachines"),
)
async def detach_network_interface(ctx: Context, request: dict[str, Any]) -> None:
    """Take an interface from its machine; it is there to be attached to another."""
    ident = request.get("AttachmentId") or ""
    known = await network_interfaces.records(ctx)
    row, nic, index, record = await _attachment(ctx, known, ident)
    if index == 0:
        raise Ec2Error(
            "OperationNotPermitted",
            "The network interface at device index 0 and networkCard index 0 cannot be detached.",
        )
    await ctx.account.job("removeNicFromVirtualMachine", virtualmachineid=row["id"], nicid=nic["id"])
    held = record or {
        **network_interfaces.of_nic(nic, row["id"], index),
        "groups": await _groups_of(ctx, row),
    }
    secondary = [entry["ipaddress"] for entry in nic.get("secondaryip") or ()]
    await network_interfaces.release(ctx, held, secondary=secondary)
    await tiers.settle(ctx, *tiers.vpcs_of([nic]))


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
