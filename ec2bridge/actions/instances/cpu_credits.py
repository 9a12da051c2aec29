"""The credit options of instances, described and modified."""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.instance_types import type_of, type_table
from ec2bridge.resources.instances import cpu_credits
from ec2bridge.resources.instances.changes import changeable
from ec2bridge.resources.machines.lookup import listed_with_records
from ec2bridge.resources.tags import resource_tags

# The codes that AWS has for an instance whose option could not be changed.
_FAILURES = frozenset(
    {"InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "IncorrectInstanceState"}
    | {"InstanceCreditSpecification.NotSupported"}
)


@describe(
    "DescribeInstanceCreditSpecifications",
    items="InstanceCreditSpecifications",
    ids={"InstanceIds": Ids("InstanceId", "instance")},
    filters={"instance-id": "InstanceId"},
    native=("listVirtualMachines",),
)
async def describe_instance_credit_specifications(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the credit options of instances; without ids those that are unlimited, as AWS does."""
    rows, _ = await listed_with_records(ctx, request.get("InstanceIds"))
    table = await type_table(ctx)
    items = []
    for row in rows:
        credits = cpu_credits.chosen(ctx.mappings.instance_types, row, type_of(table, row))
        if request.get("InstanceIds") or credits == cpu_credits.UNLIMITED:
            items.append({"InstanceId": ec2_id("i", row["id"]), "CpuCredits": credits})
    return items


@action(
    "ModifyInstanceCreditSpecification",
    honours=("InstanceCreditSpecifications", "ClientToken"),
    native=("listVirtualMachines", "createTags"),
)
async def modify_instance_credit_specification(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep the credit options chosen for instances; those that cannot be changed are named with the reason."""
    asked = [
        (entry.get("InstanceId") or "", cpu_credits.option(entry.get("CpuCredits")))
        for entry in request.get("InstanceCreditSpecifications") or ()
    ]
    if not asked:
        sentence = "The request must contain the parameter InstanceCreditSpecification"
        raise Ec2Error("MissingParameter", sentence)
    done: list[Item] = []
    failed: list[Item] = []
    for ident, credits in asked:
        try:
            found = await changeable(ctx, ident)
            await resource_tags.mark(ctx, "instance", found.row, {cpu_credits.MARK: credits})
        except Ec2Error as error:
            if error.code not in _FAILURES:
                raise
            failed.append({"InstanceId": ident, "Error": {"Code": error.code, "Message": error.message}})
        else:
            done.append({"InstanceId": ident})
    return {
        "SuccessfulInstanceCreditSpecifications": done,
        "UnsuccessfulInstanceCreditSpecifications": failed,
    }
