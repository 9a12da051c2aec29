"""IAM instance profiles on instances: told, put on, replaced, taken off.

CloudStack has no roles for machines; what is kept here gives a machine no right and no credentials. One is put on only
where the operator has said that profiles are ignored (`resources/instances/instance_profiles.py`); what is kept is
told, and can be taken off, whatever the settings say now.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.unknown import surely
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.instances import instance_profiles
from ec2bridge.resources.instances.changes import changeable
from ec2bridge.resources.machines.lookup import Machine, list_rows, listed_with_records, moving, state_of
from ec2bridge.resources.tags import resource_tags

KIND = "iam-instance-profile-association"
_KEY = resource_tags.RESERVED + instance_profiles.MARK


@describe(
    "DescribeIamInstanceProfileAssociations",
    items="IamInstanceProfileAssociations",
    ids={"AssociationIds": Ids("AssociationId", KIND)},
    filters={"instance-id": "InstanceId", "state": "State"},
    native=("listVirtualMachines",),
)
async def describe_iam_instance_profile_associations(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the profiles that are kept with the caller's machines."""
    if any(not entry.get("Values") for entry in request.get("Filters") or ()):
        # Everywhere else a filter without values matches nothing.
        raise Ec2Error(
            "InvalidParameterValue",
            "Invalid value 'null/empty' for 'filter'. A filter needs a name and at least one value.",
        )
    rows, records = await listed_with_records(ctx)
    under_way = moving(ctx)
    shown = [
        instance_profiles.association(row, ec2_id("i", row["id"]))
        for row in rows
        if state_of(row, records.get(row["id"]), under_way.get(row["id"])) != "terminated"
    ]
    return [item for item in shown if item]


@action(
    "AssociateIamInstanceProfile",
    honours=("InstanceId", "IamInstanceProfile"),
    native=("listVirtualMachines", "createTags"),
)
async def associate_iam_instance_profile(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep a profile with a machine that has none."""
    arn = _wanted(ctx, request)
    found = await changeable(ctx, request.get("InstanceId") or "")
    if instance_profiles.told(found.row):
        raise Ec2Error("IncorrectState", f"There is an existing association for instance {found.id}")
    return await _put(ctx, found, arn)


@action(
    "ReplaceIamInstanceProfileAssociation",
    honours=("AssociationId", "IamInstanceProfile"),
    native=("listVirtualMachines", "createTags", "deleteTags"),
)
async def replace_iam_instance_profile_association(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep another profile with a machine; the association has a new id, as on AWS."""
    arn = _wanted(ctx, request)
    found, _ = await _associated(ctx, request.get("AssociationId") or "")
    await _take_off(ctx, found)
    try:
        return await _put(ctx, found, arn)
    except CloudStackError:
        with suppress(CloudStackError):
            await resource_tags.assign(
                ctx, "instance", {found.uuid: {}}, {_KEY: resource_tags.native(found.row)[_KEY]}
            )
        raise


@action(
    "DisassociateIamInstanceProfile",
    honours=("AssociationId",),
    native=("listVirtualMachines", "deleteTags"),
)
async def disassociate_iam_instance_profile(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a machine's profile."""
    found, item = await _associated(ctx, request.get("AssociationId") or "")
    await _take_off(ctx, found)
    return {"IamInstanceProfileAssociation": {**item, "State": "disassociating"}}


def _wanted(ctx: Context, request: dict[str, Any]) -> str:
    arn = instance_profiles.asked(ctx, request.get("IamInstanceProfile"))
    if not arn:
        raise Ec2Error("MissingParameter", "The request must contain the parameter IamInstanceProfile")
    return arn


async def _take_off(ctx: Context, found: Machine) -> None:
    """Forget a machine's profile; the value goes along, so that a call that comes late takes no later one."""
    present = resource_tags.native(found.row)

    async def look() -> bool | None:
        rows = await list_rows(ctx, [found.uuid])
        return all(resource_tags.native(row).get(_KEY) != present[_KEY] for row in rows) or None

    async def drop() -> bool:
        await resource_tags.remove(ctx, "instance", {found.uuid: present}, {_KEY: present[_KEY]})
        return True

    try:
        await surely(drop, look)
    except CloudStackError:
        # The same request, sent before, may have been on its way still.
        if not await look():
            raise


async def _put(ctx: Context, found: Machine, arn: str) -> dict[str, Any]:
    """Keep a profile with a machine that has none any more."""
    mark = f"{arn} {datetime.now(UTC).isoformat()}"
    await resource_tags.assign(ctx, "instance", {found.uuid: {}}, {_KEY: mark})
    row = {**found.row, "tags": [{"key": _KEY, "value": mark}]}
    return {"IamInstanceProfileAssociation": instance_profiles.association(row, found.id, "associating")}


async def _associated(ctx: Context, ident: str) -> tuple[Machine, Item]:
    """Return the machine of an association, and the association."""
    for row in await list_rows(ctx):
        item = instance_profiles.association(row, ec2_id("i", row["id"]))
        if item and item["AssociationId"] == ident:
            return await changeable(ctx, item["InstanceId"]), item
    raise KINDS[KIND].missing(ident)
