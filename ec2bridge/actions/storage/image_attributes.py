"""Attributes of an image: its description and who may launch it.

EC2 shares an image with accounts by their digits, CloudStack a template with accounts of its domain by their names; an
account that the bridge has never seen cannot be named. "All" is CloudStack's public template.
"""

from typing import Any

from ec2bridge.ec2 import account_ids
from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images.lookup import PROTECTED, SHARED_WITH_OWNER, UNPROTECTED, resolve_image
from ec2bridge.resources.images.permissions import ALL, holders
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

LAUNCH, DESCRIPTION = "launchPermission", "description"

BLOCK_DEVICES = "blockDeviceMapping"

# What EC2 knows of an image and CloudStack does not: left out of the answer, or there with no value.
_LEFT_OUT = ("kernel", "ramdisk")
_EMPTY = {
    "sriovNetSupport": "SriovNetSupport",
    "bootMode": "BootMode",
    "tpmSupport": "TpmSupport",
    "uefiData": "UefiData",
    "lastLaunchedTime": "LastLaunchedTime",
    "imdsSupport": "ImdsSupport",
}
_KNOWN = frozenset(
    (*_LEFT_OUT, *_EMPTY, DESCRIPTION, LAUNCH, BLOCK_DEVICES, "productCodes", "deregistrationProtection")
)


@action(
    "DescribeImageAttribute",
    honours=("ImageId", "Attribute"),
    native=("listTemplates", "listTemplatePermissions"),
)
async def describe_image_attribute(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one attribute of an image."""
    name = request.get("Attribute") or ""
    if name not in _KNOWN:
        raise invalid_request()
    row = await _own_image(ctx, request)
    answer = {"ImageId": ec2_id("ami", row["id"])}
    if name == BLOCK_DEVICES:
        # AWS: "deprecated. Using this attribute returns the Client.AuthFailure error."
        raise Ec2Error("AuthFailure", "Unauthorized attempt to access restricted resource")
    if name in _LEFT_OUT:
        return answer
    if name in _EMPTY:
        return {**answer, _EMPTY[name]: {}}
    if name == DESCRIPTION:
        given = row.get("displaytext") if row.get("displaytext") != row["name"] else None
        return {**answer, "Description": {"Value": given} if given else {}}
    if name == LAUNCH:
        return {**answer, "LaunchPermissions": await _permissions(ctx, row)}
    if name == "productCodes":
        return {**answer, "ProductCodes": []}
    return {
        **answer,
        "DeregistrationProtection": {"Value": resource_tags.hidden(row).get(PROTECTED, UNPROTECTED)},
    }


async def _own_image(ctx: Context, request: dict[str, Any]) -> Row:
    """Return the row of an image of the caller's; of others' images nobody is told more than a description."""
    row = await resolve_image(ctx, request.get("ImageId"))
    if owner_of(row) != ctx.owner_id:
        raise Ec2Error("AuthFailure", f"Not authorized for image:{ec2_id('ami', row['id'])}")
    return row


def invalid_request() -> Ec2Error:
    """The error for an attribute that images do not have."""
    return Ec2Error("InvalidRequest", "The request received was invalid")


async def _permissions(ctx: Context, row: Row) -> list[dict[str, str]]:
    """Return who may launch an image by a permission; its owner if that was given one, too, as on AWS."""
    everybody = [{"Group": ALL}] if row.get("ispublic") else []
    return everybody + [{"UserId": digits} for digits in await holders(ctx, row)]


@action(
    "ModifyImageAttribute",
    honours=(
        "ImageId",
        "Attribute",
        "OperationType",
        "UserIds",
        "UserGroups",
        "Value",
        "Description",
        "LaunchPermission.Add.UserId",
        "LaunchPermission.Add.Group",
        "LaunchPermission.Remove.UserId",
        "LaunchPermission.Remove.Group",
    ),
    native=("updateTemplate", "updateTemplatePermissions", "listTemplates"),
)
async def modify_image_attribute(ctx: Context, request: dict[str, Any]) -> None:
    """Change an image's description, or who may launch it."""
    if request.get("Attribute") == BLOCK_DEVICES:
        raise Ec2Error("InvalidParameter", f"The attribute {BLOCK_DEVICES} cannot be modified.")
    text = (request.get("Description") or {}).get("Value")
    if text is None and request.get("Attribute") == DESCRIPTION:
        text = request.get("Value")
        if text is None:
            raise Ec2Error("MissingParameter", "The request must contain the parameter value")
    added, removed = _changes(request)
    if (text is not None) + bool(added or removed) != 1:
        several = text is not None
        raise Ec2Error(
            "InvalidParameterCombination",
            "Only one attribute can be changed at a time." if several else "No attributes specified.",
        )
    row = await resolve_image(ctx, request.get("ImageId"))
    if text is not None:
        await ctx.account.call("updateTemplate", id=row["id"], displaytext=text or row["name"])
        return
    owner = owner_of(row)
    gained, lost = await _names(ctx, row, added - {owner}), await _names(ctx, row, removed - {owner})
    for operation, names in (("add", gained), ("remove", lost)):
        if names:
            await ctx.account.call(
                "updateTemplatePermissions", id=row["id"], op=operation, accounts=sorted(names)
            )
    if owner in added or owner in removed:
        await resource_tags.mark(ctx, "image", row, {SHARED_WITH_OWNER: "true" if owner in added else None})
    if ALL in added or ALL in removed:
        await ctx.account.call("updateTemplatePermissions", id=row["id"], ispublic=ALL in added)


def _changes(request: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return who gains and who loses the permission, from either of the two ways to say it; "all" is everybody."""
    change = request.get("LaunchPermission") or {}
    entries = [*(change.get("Add") or ()), *(change.get("Remove") or ())]
    groups = {*(entry.get("Group") for entry in entries), *(request.get("UserGroups") or ())}
    for group in groups - {None, "", ALL}:
        raise Ec2Error(
            "InvalidAMIAttributeItemValue", f'Invalid attribute item value "{group}" for userGroup item type.'
        )
    added, removed = (
        {entry.get("UserId") or entry.get("Group") or "" for entry in change.get(member) or ()}
        for member in ("Add", "Remove")
    )
    named = {*(request.get("UserIds") or ()), *(request.get("UserGroups") or ())}
    if named:
        operation = request.get("OperationType")
        if operation not in ("add", "remove"):
            raise Ec2Error(
                "InvalidParameterValue", f"Value ({operation}) for parameter operationType is invalid."
            )
        (added if operation == "add" else removed).update(named)
    return added, removed


async def _names(ctx: Context, row: Row, users: set[str]) -> set[str]:
    """Return the names of accounts that digits stand for."""
    names = set()
    for user in users - {ALL}:
        known = await account_ids.find(ctx, user)
        if known is None:
            raise Ec2Error(
                "InvalidAMIAttributeItemValue",
                f'Invalid attribute item value "{user}" for userId: no account with these digits has used this'
                " endpoint yet.",
            )
        if known["domain"] != row["domainid"]:
            raise Ec2Error(
                "InvalidAMIAttributeItemValue",
                f'Invalid attribute item value "{user}" for userId: the account is in another domain than the image,'
                " and CloudStack shares images within a domain.",
            )
        names.add(known["account"])
    return names


@action(
    "ResetImageAttribute",
    honours=("ImageId", "Attribute"),
    native=("updateTemplatePermissions", "listTemplates"),
)
async def reset_image_attribute(ctx: Context, request: dict[str, Any]) -> None:
    """Make an image its owner's alone again."""
    if request.get("Attribute") != LAUNCH:
        raise invalid_request()
    row = await resolve_image(ctx, request.get("ImageId"))
    await ctx.account.call("updateTemplatePermissions", id=row["id"], op="reset")
    await resource_tags.mark(ctx, "image", row, {SHARED_WITH_OWNER: None})
