"""Affinity groups. Deleting one that machines are in is allowed: they leave it."""

from __future__ import annotations

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.errors import invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

TYPES = ("host anti-affinity", "host affinity", "non-strict host anti-affinity", "non-strict host affinity")
# The order in which the real server names them when it refuses one.
VALID = "non-strict host affinity,host affinity,host anti-affinity,ExplicitDedication,non-strict host anti-affinity"


def _shown(cloud: Cloud, group: Row) -> Row:
    machines = [
        row["id"] for row in cloud.tables["machines"] if group["id"] in row.get("_affinitygroups", ())
    ]
    row = public(group)
    return {**row, "virtualmachineIds": machines} if machines else row


@command("createAffinityGroup")
def create_group(call: Call) -> Answer:
    name, kind, owner = call.need("name"), call.need("type"), call.owner()
    if kind not in TYPES:
        text = (
            f"Unable to create affinity group, invalid affinity group type: {kind}. Valid values are {VALID}"
        )
        raise invalid(text)
    if call.cloud.tables["affinitygroups"].first(name=name, **owner):
        raise invalid(f"Unable to create affinity group, a group with name {name} already exists.")
    described = {"description": call.params["description"]} if "description" in call.params else {}
    group = call.cloud.tables["affinitygroups"].add({"name": name, **described, **owner, "type": kind})
    return call.submit(
        lambda: {"affinitygroup": public(group)},
        kind="AffinityGroup",
        queue=group["id"],
        answer={"id": group["id"]},
        weight=0.05,
    )


@command("listAffinityGroups", id="affinitygroups")
def list_groups(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["affinitygroups"])
    machine = call.entity("virtualmachineid")
    if machine is not None:
        rows = [row for row in rows if row["id"] in machine.get("_affinitygroups", ())]
    found = call.matching(rows, "name", "type")
    return call.page("affinitygroup", found, lambda row: _shown(call.cloud, row))


@command("listAffinityGroupTypes")
def list_types(call: Call) -> Answer:
    return call.page("affinityGroupType", [{"type": kind} for kind in TYPES])


@command("deleteAffinityGroup", id="affinitygroups")
def delete_group(call: Call) -> Answer:
    group, name, owner = call.entity("id"), call.params.get("name"), call.owner()
    if group is None and name is not None:
        group = call.cloud.tables["affinitygroups"].first(name=name, **owner)
    if group is None:
        return call.submit(lambda: _refuse(name), weight=0.05)
    found = group

    def work() -> Row:
        for machine in call.cloud.tables["machines"]:
            if found["id"] in machine.get("_affinitygroups", ()):
                kept = [other for other in machine["_affinitygroups"] if other != found["id"]]
                call.cloud.tables["machines"].update(machine, _affinitygroups=kept)
        call.cloud.tables["affinitygroups"].erase(found)
        return {"success": True}

    return call.submit(work, kind="AffinityGroup", queue=found["id"], weight=0.05)


def _refuse(name: str | None) -> Row:
    raise invalid(f"Unable to find affinity group {name}")
