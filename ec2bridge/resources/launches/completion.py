"""What happens to a machine after CloudStack has accepted its launch.

AWS shows an instance as `pending` until its volumes and addresses are in place, and as `terminated`, with a reason,
when that fails. CloudStack works it off in jobs: deploy, then map the address, then create and attach each volume.
The machine's record holds what is left to do, so that another process can go on with it.
"""

from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.cloudstack.jobs import POLL
from ec2bridge.ec2 import recovery
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import firewall, tiers
from ec2bridge.resources.machines import devices
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.machines.devices import DEVICE_MARK
from ec2bridge.resources.machines.records import Record
from ec2bridge.resources.machines.states import KEEP_MARK, LAUNCH_MARK
from ec2bridge.resources.machines.stops import reason
from ec2bridge.resources.tags import resource_tags, tagging
from ec2bridge.resources.termination.process import end, end_failed
from ec2bridge.resources.volumes.types import SNAPSHOT_MARK, TYPE_MARK
from ec2bridge.store import Entry

Row = dict[str, Any]

BAD_KEY, NO_SUCH_JOB = 401, 431


async def settle(record: Record) -> None:
    """See a launch through: deploy's job, address, volumes, tags of what came with the machine."""
    ctx, data = record.ctx, record.data
    try:
        if data["job"]:
            await _ended(ctx, data["job"])
        # Its address is known by now, to the tiers whose groups let its groups in.
        await tiers.settle_later(ctx, *data["todo"].get("vpcs", ()))
        await _add_addresses(record)
        await _map_address(record)
        await _map_elastic(record)
        await _add_volumes(record)
        await _tag_parts(record)
    except CloudStackUnavailable:
        raise
    except (CloudStackError, Ec2Error) as error:
        if isinstance(error, CloudStackError) and (error.passes or error.errorcode == BAD_KEY):
            # Nothing is wrong with the machine: who lists it next with keys that are good goes on with it.
            raise
        await end_failed(record, reason(error))
        return
    await record.close()


async def _ended(ctx: Context, job: str) -> None:
    """Wait for a job; CloudStack forgets those that ended a day ago, and how they did shows in what they made."""
    try:
        await ctx.account.wait(job)
    except CloudStackError as error:
        if error.command != POLL or error.errorcode != NO_SUCH_JOB:
            raise


async def _add_addresses(record: Record) -> None:
    """Give the NICs the further addresses that the launch asks for, but for those that they have already."""
    ctx, wanted = record.ctx, record.data["todo"].get("addresses") or []
    if not wanted:
        return
    [row] = await ctx.account.list("listVirtualMachines", id=record.uuid, details=["nics"])
    held = {nic["id"]: [entry["ipaddress"] for entry in nic.get("secondaryip") or ()] for nic in row["nic"]}
    for entry in wanted:
        there = held.get(entry["nic"], [])
        done = entry["address"] in there if entry["address"] else entry["number"] < len(there)
        if not done:
            await ctx.account.job("addIpToNic", nicid=entry["nic"], ipaddress=entry["address"])
    await record.save(todo={**record.data["todo"], "addresses": []})


async def _map_address(record: Record) -> None:
    """Map the public address that the launch acquired to the machine."""
    ctx, data = record.ctx, record.data
    todo = data["todo"]
    if not todo.get("address"):
        return
    if todo["address_job"]:
        await _ended(ctx, todo["address_job"])
    try:
        await ctx.account.call(
            "enableStaticNat",
            ipaddressid=data["address"],
            virtualmachineid=record.uuid,
            networkid=todo["network"],
        )
    except CloudStackError:
        if not await _is_mapped(ctx, record, data["address"]):
            raise
    await resource_tags.attach(
        ctx, "allocation", data["address"], {resource_tags.RESERVED + LAUNCH_MARK: record.uuid}
    )
    await firewall.settle(ctx, machines=[record.uuid])
    await record.save(todo={**todo, "address": False})


async def _map_elastic(record: Record) -> None:
    """Map the Elastic IPs that have waited for the machine's interfaces."""
    ctx, todo = record.ctx, record.data["todo"]
    for mapped in todo.get("elastic") or ():
        try:
            await ctx.account.call("enableStaticNat", **mapped)
        except CloudStackError:
            if not await _is_mapped(ctx, record, mapped["ipaddressid"]):
                raise
    if todo.get("elastic"):
        await firewall.settle(ctx, machines=[record.uuid])
        await record.save(todo={**todo, "elastic": []})


async def _is_mapped(ctx: Context, record: Record, address: str) -> bool:
    """Whether whoever bore the record before had already mapped an address."""
    rows = await ctx.account.list("listPublicIpAddresses", id=address)
    return any(row.get("virtualmachineid") == record.uuid for row in rows)


async def _add_volumes(record: Record) -> None:
    """Create and attach the volumes beside the root disk, one after the other as their device names go."""
    ctx, data = record.ctx, record.data
    while data["todo"]["volumes"]:
        first, *rest = data["todo"]["volumes"]
        if "made" not in first:
            first = {**first, **await _made(record, first)}
            await record.save(
                made=[*data["made"], first["made"]], todo={**data["todo"], "volumes": [first, *rest]}
            )
        if first["job"]:
            await _ended(ctx, first["job"])
        marks = {
            KEEP_MARK: first["goes"] and "true",
            TYPE_MARK: first["type"],
            DEVICE_MARK: first["device"],
            SNAPSHOT_MARK: first.get("source"),
        }
        tags = {resource_tags.RESERVED + name: value for name, value in marks.items() if value}
        wanted = {**data["todo"]["tags"]["volume"], **tags}
        if wanted:
            held = await tagging.held_natively(ctx, "volume", [first["made"]])
            await tagging.assign(ctx, "volume", held, wanted)
        await _attach(ctx, record.uuid, first)
        await record.save(todo={**data["todo"], "volumes": rest})


async def _made(record: Record, volume: Row) -> Row:
    """Make a volume of the launch under a name of its own, by which one is found whose answer was lost."""
    ctx, data = record.ctx, record.data
    name = f"{data['row'].get('name', 'ec2')}-{len(data['made'])}-{volume['number'] or 'data'}"
    if record.again:
        for row in await ctx.account.list("listVolumes", name=name):
            if row["name"] == name:
                return {"made": row["id"], "job": row.get("jobid")}
    answer = await ctx.account.submit(
        "createVolume", name=name, zoneid=data["row"]["zoneid"], **volume["params"]
    )
    return {"made": answer["id"], "job": answer["jobid"]}


async def _attach(ctx: Context, uuid: str, volume: Row) -> None:
    row = await _volume(ctx, volume)
    if row.get("virtualmachineid") == uuid:
        return
    number = volume["number"]
    name = volume["device"] or devices.number_name(number)
    try:
        await devices.attach(ctx, row, uuid, name, number)
    except CloudStackError:
        # An attachment whose answer was lost may have been still on its way when it was looked for.
        if (await _volume(ctx, volume)).get("virtualmachineid") != uuid:
            raise


async def _volume(ctx: Context, volume: Row) -> Row:
    rows = await ctx.account.list("listVolumes", id=volume["made"])
    return rows[0] if rows else {"id": volume["made"]}


async def _tag_parts(record: Record) -> None:
    """Tag what CloudStack made together with the machine: its root volume and its NICs."""
    ctx, todo = record.ctx, record.data["todo"]
    root = dict(todo["tags"]["volume"])
    if todo["keep_root"]:
        root[resource_tags.RESERVED + KEEP_MARK] = "false"
    if todo.get("root_type"):
        root[resource_tags.RESERVED + TYPE_MARK] = todo["root_type"]
    if root:
        rows = await ctx.account.list("listVolumes", virtualmachineid=record.uuid, type="ROOT")
        await tagging.assign(ctx, "volume", {row["id"]: resource_tags.native(row) for row in rows}, root)
    if todo["tags"]["network-interface"] and todo["nics"]:
        await tagging.assign(
            ctx, "network-interface", {nic: {} for nic in todo["nics"]}, todo["tags"]["network-interface"]
        )


async def resume(ctx: Context, entry: Entry) -> None:
    """Go on with a machine's launch or termination whose bearer died."""
    if not machine_records.is_orphan(ctx.site, entry.key, entry.value):
        return
    if record := await Record.taken(ctx, entry):
        work = settle if record.data["phase"] == machine_records.LAUNCHING else end
        machine_records.carry_on(record, work)


async def take_up(ctx: Context, known: machine_records.Records) -> None:
    """Go on at once with what a listing finds without a bearer."""
    for uuid, data in known.unfinished.items():
        if machine_records.is_orphan(ctx.site, uuid, data):
            entry = await ctx.store.entry(ctx.owner_id, machine_records.KIND, uuid)
            if entry is not None:
                await resume(ctx, entry)


recovery.register(machine_records.KIND, machine_records.due, resume)
