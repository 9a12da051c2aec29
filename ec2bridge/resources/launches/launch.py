"""A launch, from the request to machines that CloudStack has accepted.

One EC2 call launches several machines or none, and is answered as soon as CloudStack has accepted them; what is left
to do for each (its address, its volumes) goes on in the background, and the machine is `pending` until it is done.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import elastic_ips
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.instances.cache import instances
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.launches import completion, launch_templates
from ec2bridge.resources.launches.deploy import deploy_all, equipped, let_go, scope, take_back
from ec2bridge.resources.launches.leases import lease
from ec2bridge.resources.launches.network import secondary_addresses
from ec2bridge.resources.launches.plan import Launch, image_rows, plan
from ec2bridge.resources.launches.private_addresses import Addresses
from ec2bridge.resources.machines.lookup import group_uuids
from ec2bridge.resources.machines.records import LAUNCHING, Record, carry_on, trimmed
from ec2bridge.resources.machines.states import KEY_NAMES, LAUNCH_KIND
from ec2bridge.resources.places import deletion
from ec2bridge.store import Change

Row = dict[str, Any]

PLAN = "RunInstances"


Along = Callable[[dict[str, Any]], list[Change]]
"""What is to be in the store as soon as a launch is, given the instances that it answers."""


async def launch_marked(
    ctx: Context, request: dict[str, Any], marks: dict[str, str], along: Along = lambda answer: []
) -> dict[str, Any]:
    """Launch what the request and its launch template ask for; `marks` are tags of AWS's own on the machines."""
    request, origin = await launch_templates.applied(ctx, request)
    launch = await plan(ctx, request)
    launch.params |= await lease(ctx, request)
    launch.tags["instance"] |= {**origin, **marks}
    given = {
        "stem": launch.stem,
        "vpcs": tiers.vpcs_of(launch.nics.rows),
        "acquires": scope(launch) if launch.nics.public else None,
    }
    answer: dict[str, Any] = {}
    await journal.perform(ctx, PLAN, given, request.get("ClientToken"), live=(launch, answer, along))
    return answer


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [Step("machines", _find, _launch, _take_back)]


async def _find(work: Work) -> Made | None:
    """A launch that is sent again finds its machines by their names, one by one."""
    return {} if work.is_undone else None


async def _launch(work: Work) -> Made:
    """Have CloudStack accept the machines, and write down for each what is left to do."""
    ctx = work.ctx
    launch, answer, along = work.live
    if work.again:
        await let_go(ctx, work.lease.key, work.given, work.began)
    async with tiers.joining(ctx, launch.nics.rows, launch.groups):
        image = ec2_id("ami", launch.params["templateid"])
        async with (
            deletion.within(ctx, *launch.places),
            deletion.while_there(partial(image_rows, ctx, image)),
        ):
            accepted = await deploy_all(ctx, launch, Addresses(work, launch.nics, launch.taken))
        rows = await equipped(ctx, launch, accepted)
        await deletion.check_all(ctx, launch.places)
        await _hand_over(work, launch, accepted, rows)
    answer.update(await _reservation(ctx, rows))
    work.along += along(answer)
    return {}


async def _take_back(work: Work, made: Made) -> None:
    await take_back(work.ctx, work.lease.key, work.given, work.began)


async def _hand_over(work: Work, launch: Launch, accepted: list[Row], rows: list[Row]) -> None:
    """Have written down what is left to do for each machine when the launch is, and done in the background."""
    ctx = work.ctx
    by_id = {row["id"]: row for row in rows}
    for entry in accepted:
        row = by_id[entry["id"]]
        data = {
            "phase": LAUNCHING,
            "row": trimmed(row),
            "job": entry["jobid"],
            "address": entry.get("address"),
            "made": [],
            "todo": {
                "address": "address" in entry,
                "address_job": entry.get("address_job"),
                "network": launch.nics.rows[0]["id"] if launch.nics.rows else None,
                "vpcs": tiers.vpcs_of(launch.nics.rows),
                "volumes": launch.disks.extra,
                "keep_root": launch.disks.keep_root,
                "root_type": launch.disks.root_type,
                "tags": launch.tags,
                "nics": [nic["id"] for nic in row.get("nic", ())],
                "addresses": _secondary(launch, row),
                "elastic": await _waiting(ctx, launch, row),
            },
        }
        record = Record(ctx, entry["id"], data)
        await _keep_interfaces(ctx, launch, row)
        work.along += [record.begun(), Change(LAUNCH_KIND, entry["id"], _own_details(row))]
        work.then.append(partial(carry_on, record, completion.settle))


def _nics(launch: Launch, row: Row) -> Iterator[tuple[int, Row, Row]]:
    """Yield device index, request and NIC of each interface of a machine; it has one in a network."""
    by_network = {nic["networkid"]: nic for nic in row.get("nic", ())}
    for wanted, network in zip(launch.nics.wanted, launch.nics.rows, strict=False):
        if network["id"] in by_network:
            yield wanted.get("DeviceIndex", 0), wanted, by_network[network["id"]]


def _secondary(launch: Launch, row: Row) -> list[Row]:
    """Return the further addresses that are to be added to the NICs of a machine."""
    return [
        {"nic": nic["id"], "address": address, "number": number}
        for _, wanted, nic in _nics(launch, row)
        for number, address in enumerate(secondary_addresses(wanted))
    ]


async def _waiting(ctx: Context, launch: Launch, row: Row) -> list[dict[str, str]]:
    """Return what enableStaticNat is told for each Elastic IP that waits for one of the machine's interfaces."""
    found = []
    for _, wanted, nic in _nics(launch, row):
        if "Record" not in wanted:
            continue
        record = wanted["Record"]
        for address, private in (await elastic_ips.waiting_for(ctx, record)).items():
            mapped = {"ipaddressid": address, "virtualmachineid": row["id"], "networkid": nic["networkid"]}
            found.append(mapped if private == record["address"] else {**mapped, "vmguestip": private})
    return found


async def _keep_interfaces(ctx: Context, launch: Launch, row: Row) -> None:
    """Write down which NIC an interface has become, and what a NIC has no place for."""
    for number, (place, wanted, nic) in enumerate(_nics(launch, row)):
        stays = wanted.get("DeleteOnTermination") is False
        if "Record" in wanted:
            record = {
                **wanted["Record"],
                "keep": True if wanted.get("DeleteOnTermination") is None else stays,
            }
            await network_interfaces.put(ctx, network_interfaces.attached(record, nic, row["id"], place))
        elif stays or wanted.get("Description") or place != number:
            record = network_interfaces.of_nic(nic, row["id"], place)
            kept = {"keep": stays, "description": wanted.get("Description") or ""}
            await network_interfaces.put(ctx, {**record, **kept, "groups": await _group_ids(ctx, row)})


async def _group_ids(ctx: Context, row: Row) -> list[str]:
    uuids = set(group_uuids(row))
    known = await security_groups.groups(ctx)
    return [group.id for group in known if uuids & {group.uuid, (group.row or {}).get("id")}]


def _own_details(row: Row) -> Row:
    """Return the details that a change made outside EC2 might erase, and that cannot be told otherwise."""
    details = row.get("details") or {}
    return {
        name: value for name, value in details.items() if name.startswith("ec2bridge.") or name == KEY_NAMES
    }


async def _reservation(ctx: Context, rows: list[Row]) -> dict[str, Any]:
    """Return the launch as EC2 answers it: every machine pending, without its volumes yet."""
    under_way = {row["id"]: {"phase": LAUNCHING} for row in rows}
    facts = await gather_facts(ctx, rows, under_way)
    items = await instances(ctx, facts, rows)
    return {
        "ReservationId": items[0]["_Reservation"],
        "OwnerId": items[0]["_Owner"],
        "Groups": [],
        "Instances": [item["_Public"] for item in items],
    }
