"""Attributes of network interfaces, one at a time.

Groups and the source check are a machine's in CloudStack, not its interfaces': they are read from the machine, and
changed through its primary interface.
"""

from typing import Any

from ec2bridge.actions._context import Context
from ec2bridge.actions._describe import Item
from ec2bridge.actions._registry import Request, action
from ec2bridge.actions.instance_changes import change
from ec2bridge.actions.network_interfaces import describe_network_interfaces
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS

_MEMBERS = {
    "attachment": "Attachment",
    "description": "Description",
    "groupSet": "Groups",
    "sourceDestCheck": "SourceDestCheck",
}


async def _interface(ctx: Context, request: Request) -> Item:
    ident = request.get("NetworkInterfaceId") or ""
    for item in await describe_network_interfaces(ctx, {}):
        if ident in (item["NetworkInterfaceId"], item["_Uuid"]):
            return item
    kind = KINDS["network-interface"]
    raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)


@action(
    "DescribeNetworkInterfaceAttribute",
    honours=("NetworkInterfaceId", "Attribute"),
    native=("listVirtualMachines",),
)
async def describe_network_interface_attribute(ctx: Context, request: Request) -> dict[str, Any]:
    """Return one attribute of an interface."""
    name = request.get("Attribute") or ""
    if name not in _MEMBERS:
        raise Ec2Error("InvalidParameterValue", f"Value ({name}) for parameter attribute is invalid.")
    item = await _interface(ctx, request)
    value = item.get(_MEMBERS[name])
    shown = value if name in ("attachment", "groupSet") else {"Value": value}
    return {"NetworkInterfaceId": item["NetworkInterfaceId"], _MEMBERS[name]: shown}


@action(
    "ModifyNetworkInterfaceAttribute",
    honours=("NetworkInterfaceId", "Groups", "SourceDestCheck"),
    defaults={"Description.Value": ("",), "Attachment.DeleteOnTermination": (True,)},
    ignores={"Attachment.AttachmentId": "an interface has one attachment"},
    native=("listVirtualMachines", "updateVirtualMachine"),
)
async def modify_network_interface_attribute(ctx: Context, request: Request) -> None:
    """Change the groups or the source check of the machine behind a primary interface."""
    named = [member for member in ("Groups", "SourceDestCheck") if request.get(member)]
    if len(named) > 1:
        sentence = "Fields for multiple attribute types specified: groupSet, sourceDestCheck"
        raise Ec2Error("InvalidParameterCombination", sentence)
    item = await _interface(ctx, request)
    if named:
        value = request[named[0]]
        await _write(ctx, item, named[0], value["Value"] if isinstance(value, dict) else value)


@action(
    "ResetNetworkInterfaceAttribute",
    honours=("NetworkInterfaceId", "SourceDestCheck"),
    native=("listVirtualMachines", "deleteTags"),
)
async def reset_network_interface_attribute(ctx: Context, request: Request) -> None:
    """Turn the source check of the machine behind a primary interface on again; whatever value is sent, AWS says."""
    item = await _interface(ctx, request)
    if request.get("SourceDestCheck"):
        await _write(ctx, item, "SourceDestCheck", True)


async def _write(ctx: Context, item: Item, member: str, value: Any) -> None:
    if item["Attachment"]["DeviceIndex"] != 0:
        sentence = (
            f"The parameter {member} can be changed on an instance's primary interface only on this cloud."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    await change(ctx, item["Attachment"]["InstanceId"], member, value)
