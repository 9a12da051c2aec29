"""What the bridge remembers of images, and the rules that all who make or change one share.

EC2's image names the snapshot of its root volume, may be deprecated or protected, and stays to be looked at when its
making failed. CloudStack's template has a place for none of these: the first ones are reserved tags on it, a failed
making is a record in the store, because CloudStack removes the template.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

SNAPSHOT, DEPRECATED, PROTECTED, MACHINE = "snapshot", "deprecated-at", "protected", "source-instance"
"""Reserved tags on a template: its root's snapshot (uuid, GiB, type), when it is out of date, whether it may go."""

SHARED_WITH_OWNER = "launch-permission-of-owner"
"""Reserved tag on a template: its owner gave the owner a launch permission, which CloudStack passes over."""

ENA, SRIOV = "ena-support", "sriov-net-support"
"""Reserved tags on a template: what it was registered as; Terraform replaces an image that shows anything else."""
UNPROTECTED, GUARDED, COOLING = "disabled", "enabled-without-cooldown", "enabled-with-cooldown"
"""What EC2 says of an image's protection from deregistration."""

SORTS = ("self", "executable", "sharedexecutable")
"""Who may see a template, as CloudStack sorts them: a listing of one sort does not have those of another."""

_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
# Reserved tags as they are written here. The owner of an image that all may see can write anything there, and what
# cannot be read must not spoil the others' listings.
_ROOT = re.compile(r"(\S+) ([0-9]{1,9})(?: (\S+))?")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:00\.000Z")


@dataclass(frozen=True, slots=True)
class Root:
    """What an image's root volume was made of: a snapshot's uuid, its GiB, the volume type that was asked for."""

    snapshot: str
    size: int
    kind: str | None = None

    def mark(self) -> str:
        """The value of the reserved tag."""
        return " ".join(str(part) for part in (self.snapshot, self.size, self.kind) if part is not None)


def root_of(row: Row) -> Root | None:
    """Return what a template's root was made of; None where it was no snapshot."""
    marked = _ROOT.fullmatch(resource_tags.hidden(row).get(SNAPSHOT, ""))
    return Root(marked[1], int(marked[2]), marked[3]) if marked else None


def deprecated_at(row: Row) -> str | None:
    """Return when a template is out of date, as EC2 writes it; None where that is not said."""
    marked = resource_tags.hidden(row).get(DEPRECATED, "")
    with suppress(ValueError):
        if _MOMENT.fullmatch(marked) and datetime.fromisoformat(marked):
            return marked
    return None


def cooling_until(protection: str) -> float | None:
    """Return the seconds for which a protection that was taken back still holds; None for any other."""
    _, after, until = protection.partition(f"{UNPROTECTED} after ")
    return (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() if after else None


async def own_templates(ctx: Context) -> list[Row]:
    """Return the caller's own templates, a row a zone."""
    return list(await ctx.account.list("listTemplates", templatefilter="self"))


async def images_of_snapshot(ctx: Context, uuid: str) -> list[str]:
    """Return the ids of the caller's images that were made of a snapshot."""
    rows = await own_templates(ctx)
    made = [row for row in rows if (root := root_of(row)) and root.snapshot == uuid]
    return sorted({ec2_id("ami", row["id"]) for row in made})


async def check_name(ctx: Context, name: str | None) -> str:
    """Return the name for a new image, or raise as AWS does for one that is malformed or taken."""
    if not name:
        raise Ec2Error("MissingParameter", "The request must contain the parameter name")
    if not _NAME.fullmatch(name):
        raise Ec2Error(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.',"
            " '-', '/', '_', '[', ']', '@', ''' and spaces",
        )
    refuse_taken(name, await own_templates(ctx))
    return name


def refuse_taken(name: str, rows: Iterable[Row]) -> None:
    """Refuse a name that one of the caller's images has: CloudStack would take it, EC2 does not."""
    for row in rows:
        if row["name"] == name:
            raise Ec2Error(
                "InvalidAMIName.Duplicate",
                f"AMI name {name} is already in use by AMI {ec2_id('ami', row['id'])}",
            )


async def resolve_image(ctx: Context, image: str | None) -> Row:
    """Return the row of an image that the caller may see, or raise InvalidAMIID.NotFound."""
    if not image:
        raise Ec2Error("MissingParameter", "The request must contain the parameter imageId")
    uuid = await ctx.directory.resolve("image", image)
    rows = await image_rows(ctx, uuid)
    if not rows:
        raise KINDS["image"].missing(image)
    # Of its zones, one that has it tells the most.
    return next((row for row in rows if row.get("isready")), rows[0])


async def image_rows(ctx: Context, uuid: str) -> list[Row]:
    """Return a template's rows, one a zone."""
    for sort in SORTS:
        try:
            rows = list(await ctx.account.list("listTemplates", templatefilter=sort, id=uuid))
        except CloudStackError as error:
            if error.is_unknown_id:
                # CloudStack knows those that were deleted, and answers nothing, but not one that it could not make.
                return []
            raise
        if rows:
            return rows
    return []
