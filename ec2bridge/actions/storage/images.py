"""Images: CloudStack's templates.

CloudStack lists templates by a `templatefilter` where EC2 has owners and launch permissions, gives one row a zone
where EC2 has one image, and knows the operator's own templates as featured where EC2 has amazon's.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.describe import GONE, Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.filters import wanted as wanted_values
from ec2bridge.ec2.values import gib, iso, known
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images.lookup import (
    ENA,
    MACHINE,
    PROTECTED,
    SRIOV,
    UNPROTECTED,
    deprecated_at,
    root_of,
)
from ec2bridge.resources.images.permissions import ALL, executable_by
from ec2bridge.resources.images.records import buried, settled
from ec2bridge.resources.instance_types import (
    architecture,
    hypervisor,
    is_windows,
    platform,
    virtualization,
)
from ec2bridge.resources.machines.devices import ROOT_DEVICE
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

# What EC2 calls amazon's, a CloudStack operator features.
FEATURED = ("amazon", "aws-marketplace")
ISO = "iso"
"""A value of the filter image-type that AWS does not have: CloudStack's ISOs."""
ALIASES = ("self", *FEATURED, "aws-backup-vault")
_ACCOUNT = re.compile(r"\d{12}|\d{4}-\d{4}-\d{4}")
_EBS = "BlockDeviceMappings.Ebs"


def aliases(item: Item) -> Iterable[str]:
    """Return the owner aliases under which an image is found."""
    return FEATURED if item["_Featured"] else ()


@describe(
    "DescribeImages",
    items="Images",
    may_be_gone=True,
    ids={"ImageIds": Ids("ImageId", "image")},
    filters={
        **TAGS,
        "architecture": "Architecture",
        "block-device-mapping.delete-on-termination": f"{_EBS}.DeleteOnTermination",
        "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
        "block-device-mapping.snapshot-id": f"{_EBS}.SnapshotId",
        "block-device-mapping.volume-size": f"{_EBS}.VolumeSize",
        "block-device-mapping.volume-type": f"{_EBS}.VolumeType",
        "block-device-mapping.encrypted": f"{_EBS}.Encrypted",
        "boot-mode": None,
        "creation-date": "CreationDate",
        "description": "Description",
        "ena-support": "EnaSupport",
        "free-tier-eligible": None,
        "hypervisor": "Hypervisor",
        "image-allowed": None,
        "image-id": "ImageId",
        "image-watermark.source-image-creation-time": None,
        "image-watermark.source-image-id": None,
        "image-watermark.source-image-region": None,
        "image-watermark.watermark-creation-time": None,
        "image-watermark.watermark-key": None,
        "image-type": "ImageType",
        "instance-type-specification.supported-instance-type": None,
        "instance-type-specification.unsupported-instance-type": None,
        "is-public": "Public",
        "kernel-id": None,
        "manifest-location": "ImageLocation",
        "name": "Name",
        "owner-alias": aliases,
        "owner-id": "OwnerId",
        "platform": "Platform",
        "product-code": None,
        "product-code.type": None,
        "public-ssm-parameter-name": None,
        "ramdisk-id": None,
        "root-device-name": "RootDeviceName",
        "root-device-type": "RootDeviceType",
        "scan-result.critical-fix-available-since": None,
        "scan-result.finding-scan-date": None,
        "scan-result.high-fix-available-since": None,
        "scan-result.highest-finding-severity-label": None,
        "scan-result.informational-fix-available-since": None,
        "scan-result.low-fix-available-since": None,
        "scan-result.medium-fix-available-since": None,
        "source-image-id": "SourceImageId",
        "source-image-region": "SourceImageRegion",
        "source-instance-id": "SourceInstanceId",
        "state": "State",
        "state-reason-code": "StateReason.Code",
        "state-reason-message": "StateReason.Message",
        "sriov-net-support": "SriovNetSupport",
        "virtualization-type": "VirtualizationType",
    },
    honours=("Owners", "ExecutableUsers", "IncludeDeprecated"),
    ignores={"IncludeDisabled": "no image is disabled here"},
    native=("listTemplates",),
)
async def describe_images(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the images that the caller may launch or owns, narrowed to owners and launch permissions."""
    owners, users = request.get("Owners") or [], request.get("ExecutableUsers") or []
    for named, aliases in ((owners, ALIASES), (users, ("self", ALL))):
        for user in named:
            if user not in aliases and not _ACCOUNT.fullmatch(user):
                raise Ec2Error("InvalidUserID.Malformed", f'Invalid user id: "{user}"')
    rows = await _rows(ctx, request, owners)
    if users:
        rows = await executable_by(ctx, rows, users)
    tags = await resource_tags.merged(ctx, "image", rows)
    found = [image_item(ctx, row, tags[row["id"]]) for row in rows]
    wanted = _owned_by(ctx, owners)
    outdated = request.get("IncludeDeprecated") or bool(request.get("ImageIds"))
    shown = [item for item in found if wanted(item) and (outdated or not is_outdated(ctx, item))]
    return shown + (await _deregistered(ctx, shown) if request.get("ImageIds") else [])


async def _deregistered(ctx: Context, shown: list[Item]) -> list[Item]:
    """Return images that went a short while ago: as the API reference says, asking for one answers an empty set."""
    there = {item["ImageId"] for item in shown}
    return [{"ImageId": ident, GONE: True} for ident in await buried(ctx) if ident not in there]


async def _rows(ctx: Context, request: dict[str, Any], owners: list[str]) -> list[Row]:
    """Return the templates that owners may mean, with those in the making; ISOs when the filter asks for them."""
    kinds = dict(wanted_values(request)).get("image-type", [])
    if ISO in kinds:
        isos = await ctx.account.list("listIsos", isofilter="executable")
        rows = list({row["id"]: {**row, "_iso": True} for row in isos}.values())
        return rows if kinds == [ISO] else rows + await template_rows(ctx, filters_for(owners))
    rows = await template_rows(ctx, filters_for(owners))
    return rows if owners and set(owners) <= set(FEATURED) else await settled(ctx, rows)


def is_outdated(ctx: Context, item: Item) -> bool:
    """Whether an image is another's and deprecated: AWS lists those only to who asks for them."""
    when = item.get("DeprecationTime")
    if when is None or item["OwnerId"] == ctx.owner_id:
        return False
    return datetime.fromisoformat(when) <= datetime.now(UTC)


def filters_for(owners: list[str]) -> tuple[str, ...]:
    """Return the template filters whose listings together hold every image of those owners.

    `executable` lacks the caller's unfinished templates and those that others share with the caller alone.
    """
    if owners and set(owners) <= {"self"}:
        return ("self",)
    if owners and set(owners) <= set(FEATURED):
        return ("featured",)
    return ("executable", "self", "sharedexecutable")


async def template_rows(ctx: Context, filters: Iterable[str]) -> list[Row]:
    """Return one row a template, made of those of its zones: it is available when one zone has it."""
    listings = await asyncio.gather(
        *(ctx.account.list("listTemplates", templatefilter=name) for name in filters)
    )
    whole: dict[str, Row] = {}
    for row in (row for rows in listings for row in rows):
        kept = whole.get(row["id"], {})
        # The listings tell different things of one template; where they differ, the zone that has it is right.
        whole[row["id"]] = (
            {**row, **kept} if kept.get("isready") and not row.get("isready") else {**kept, **row}
        )
    return list(whole.values())


def _owned_by(ctx: Context, owners: list[str]) -> Callable[[Item], bool]:
    accounts = {ctx.owner_id if owner == "self" else owner.replace("-", "") for owner in owners}
    featured = not accounts.isdisjoint(name.replace("-", "") for name in FEATURED)
    return lambda item: not owners or item["OwnerId"] in accounts or (featured and item["_Featured"])


def image_item(ctx: Context, row: Row, tags: list[dict[str, str]]) -> Item:
    """Return one image."""
    owner = owner_of(row)
    alias = FEATURED[0] if row.get("isfeatured") and owner != ctx.owner_id else None
    word, reason = state(row)
    windows = is_windows(row)
    details, operation = platform(windows=windows)
    marks, iso_image = resource_tags.hidden(row), row.get("_iso")
    return known(
        ImageId=ec2_id("ami", row["id"]),
        Name=row["name"],
        # CloudStack gives a template without a description its name for one.
        Description=row.get("displaytext") if row.get("displaytext") != row["name"] else None,
        # jclouds cannot read an image without a location; AWS makes it of owner and name, too, and says "amazon".
        ImageLocation=f"{alias or owner}/{row['name']}",
        ImageOwnerAlias=alias,
        OwnerId=owner,
        State=word,
        StateReason=reason,
        Public=bool(row.get("ispublic")),
        CreationDate=iso(row.get("created")),
        Architecture=architecture(row),
        ImageType=ISO if iso_image else "machine",
        Platform="windows" if windows else None,
        PlatformDetails=details,
        UsageOperation=operation,
        Hypervisor=hypervisor(row),
        VirtualizationType=virtualization(row),
        RootDeviceName=None if iso_image else ROOT_DEVICE,
        RootDeviceType=None if iso_image else "ebs",
        BlockDeviceMappings=[] if iso_image else block_devices(row, ctx.mappings.volume_types.other),
        EnaSupport=bool(marks.get(ENA)),
        SriovNetSupport=marks.get(SRIOV),
        DeprecationTime=deprecated_at(row),
        DeregistrationProtection=marks.get(PROTECTED, UNPROTECTED),
        SourceInstanceId=marks.get(MACHINE),
        SourceImageId=ec2_id("ami", row["sourcetemplateid"]) if row.get("sourcetemplateid") else None,
        SourceImageRegion=ctx.settings.region if row.get("sourcetemplateid") else None,
        Tags=tags,
        _Featured=bool(row.get("isfeatured")),
    )


def state(row: Row) -> tuple[str, dict[str, str] | None]:
    """Return EC2's state of a template and, where it failed, the reason that CloudStack gives."""
    if row.get("isready"):
        return "available", None
    status = str(row.get("status") or "")
    if re.search(r"error|fail|abandon|unable|invalid|timeout", status, re.IGNORECASE):
        return "failed", {"Code": "Client.ImportFailed", "Message": status}
    return "pending", None


def block_devices(row: Row, kind: str) -> list[dict[str, Any]]:
    """Return the one block device of an image, its root volume.

    `kind` is the volume type of the roots of machines, whose offerings no table names.
    """
    root = root_of(row)
    disk = known(
        DeleteOnTermination=True,
        Encrypted=False,
        # CloudStack tells a template's size once it is ready, and not of one that was made of a snapshot.
        VolumeSize=gib(row["size"]) if row.get("size") else root and root.size,
        SnapshotId=ec2_id("snap", root.snapshot) if root else None,
        VolumeType=(root and root.kind) or kind,
    )
    return [{"DeviceName": ROOT_DEVICE, "Ebs": disk}]
