"""IAM instance profiles on instances: told, put on, replaced, taken off.

CloudStack has no roles for machines; what is kept here gives a machine no right and no credentials. One is put on only
where the operator has said that profiles are ignored (`resources/instances/instance_profiles.py`); what is kept is
told, and can be taken off, whatever the settings say now.
"""

from datetime import UTC, datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.unknown import surely
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.instances import instance_profiles
from ec2bridge.resources.instances.changes import changeable
from ec2bridge.resources.machines.lookup import Machine, list_rows, listed_with_records, moving, state_of
from ec2bridge.resources.tags import resource_tags

KIND = "iam-instance-profile-association"
ASSOCIATE, REPLACE = "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"
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
    place = f"{request.get('InstanceId')}/{arn}"
    # One that was sent before, by a bearer that died over it, may have it on already.
    begun = await journal.claim(ctx, ASSOCIATE, place)
    found = await changeable(ctx, request.get("InstanceId") or "")
    if not begun and instance_profiles.told(found.row):
        raise Ec2Error("IncorrectState", f"There is an existing association for instance {found.id}")
    given = {"machine": found.uuid, "new": _mark(arn)}
    made = await journal.perform(ctx, ASSOCIATE, given, place=place)
    return _associating(found, made[NEW.name]["new"])


@journal.plan(ASSOCIATE)
def _steps_of_association(given: Given) -> list[Step]:
    return [NEW]


@action(
    "ReplaceIamInstanceProfileAssociation",
    honours=("AssociationId", "IamInstanceProfile"),
    native=("listVirtualMachines", "createTags", "deleteTags"),
)
async def replace_iam_instance_profile_association(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep another profile with a machine; the association has a new id, as on AWS."""
    arn, ident = _wanted(ctx, request), request.get("AssociationId") or ""
    place = f"{ident}/{arn}"
    if await journal.claim(ctx, REPLACE, place):
        # Sent before, by a bearer that died over it: the association may be gone already.
        given = {}
    else:
        found, _ = await _associated(ctx, ident)
        old = resource_tags.native(found.row)[_KEY]
        given = {"machine": found.uuid, "old": old, "new": _mark(arn)}
    made = (await journal.perform(ctx, REPLACE, given, place=place))[NEW.name]
    return _associating(await changeable(ctx, made["machine"]), made["new"])


@journal.plan(REPLACE)
def _steps(given: Given) -> list[Step]:
    return [
        Step("old off", _old_is_off, _old_off, _old_on),
        NEW,
    ]


async def _kept(work: Work) -> dict[str, str]:
    """What CloudStack holds of the machine's profile now."""
    machine = work.given["machine"]
    held = await resource_tags.held_natively(work.ctx, "instance", [machine])
    return {key: value for key, value in held[machine].items() if key == _KEY}


async def _old_is_off(work: Work) -> Made | None:
    return None if (await _kept(work)).get(_KEY) == work.given["old"] else {}


async def _old_off(work: Work) -> Made:
    await _drop(work.ctx, work.given["machine"], work.given["old"])
    return {}


async def _old_on(work: Work, made: Made) -> None:
    if not await _kept(work):
        await _keep(work.ctx, work.given["machine"], work.given["old"])


async def _new_is_on(work: Work) -> Made | None:
    return _made(work) if (await _kept(work)).get(_KEY) == work.given["new"] else None


async def _new_on(work: Work) -> Made:
    await _keep(work.ctx, work.given["machine"], work.given["new"])
    return _made(work)


def _made(work: Work) -> Made:
    return {name: work.given[name] for name in ("machine", "new")}


async def _new_off(work: Work, made: Made) -> None:
    await _drop(work.ctx, work.given["machine"], work.given["new"])


NEW = Step("new on", _new_is_on, _new_on, _new_off)
"""What associating and replacing end with."""


@action(
    "DisassociateIamInstanceProfile",
    honours=("AssociationId",),
    native=("listVirtualMachines", "deleteTags"),
)
async def disassociate_iam_instance_profile(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a machine's profile."""
    found, item = await _associated(ctx, request.get("AssociationId") or "")
    await _drop(ctx, found.uuid, resource_tags.native(found.row)[_KEY])
    return {"IamInstanceProfileAssociation": {**item, "State": "disassociating"}}


def _wanted(ctx: Context, request: dict[str, Any]) -> str:
    arn = instance_profiles.asked(ctx, request.get("IamInstanceProfile"))
    if not arn:
        raise Ec2Error("MissingParameter", "The request must contain the parameter IamInstanceProfile")
    return arn


async def _drop(ctx: Context, machine: str, mark: str) -> None:
    """Forget a machine's profile; the value goes along, so that a call that comes late takes no later one."""

    async def look() -> bool | None:
        held = await resource_tags.held_natively(ctx, "instance", [machine])
        return held[machine].get(_KEY) != mark or None

    async def drop() -> bool:
        await resource_tags.remove(ctx, "instance", {machine: {_KEY: mark}}, {_KEY: mark})
        return True

    try:
        await surely(drop, look)
    except CloudStackError:
        # The same request, sent before, may have been on its way still.
        if not await look():
            raise


def _mark(arn: str) -> str:
    return f"{arn} {datetime.now(UTC).isoformat()}"


async def _keep(ctx: Context, machine: str, mark: str) -> None:
    """Keep a profile with a machine that has none any more."""
    await resource_tags.assign(ctx, "instance", {machine: {}}, {_KEY: mark})


def _associating(found: Machine, mark: str) -> dict[str, Any]:
    row = {**found.row, "tags": [{"key": _KEY, "value": mark}]}
    return {"IamInstanceProfileAssociation": instance_profiles.association(row, found.id, "associating")}


async def _associated(ctx: Context, ident: str) -> tuple[Machine, Item]:
    """Return the machine of an association, and the association."""
    for row in await list_rows(ctx):
        item = instance_profiles.association(row, ec2_id("i", row["id"]))
        if item and item["AssociationId"] == ident:
            return await changeable(ctx, item["InstanceId"]), item
    raise KINDS[KIND].missing(ident)
