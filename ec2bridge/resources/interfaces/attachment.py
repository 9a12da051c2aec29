"""Interfaces attached, detached and given more addresses or fewer, as the journal's steps.

A machine has one NIC in a network, so that whether an interface was attached can be seen by the network; whether an
address was added, by those that the NIC had before. The public addresses that an interface has are mapped by static
NAT while it is attached: CloudStack takes away no NIC that has one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.unknown import removed
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.enforcement import firewall, tiers
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.machines.lookup import list_rows
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

ATTACH, DETACH = "AttachNetworkInterface", "DetachNetworkInterface"
ASSIGN, UNASSIGN = "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"
_ASSOCIATION = "association"
"""The reserved tag of an address that tells of its association: see `elastic_ips`."""
_MASKED = 530
"""What CloudStack answers where it does not tell users why: here, that the address is taken."""


async def _nics(ctx: Context, machine: str) -> list[Row]:
    """Return a machine's NICs; none where it is gone."""
    return [nic for row in await list_rows(ctx) if row["id"] == machine for nic in row.get("nic") or ()]


async def _settle(work: Work) -> Made:
    """Have tiers let in what they should now; what CloudStack has against it is in the log, and tried again later."""
    await tiers.settle_later(work.ctx, *work.given["vpcs"])
    return {}


# --- attaching -------------------------------------------------------------------------------------------------------


def _place(interface: str, machine: str, index: int) -> str:
    """What stands for a request to attach: AttachNetworkInterface has no client token."""
    return json.dumps([interface, machine, index])


async def claim(ctx: Context, record: Record, machine: str) -> bool | None:
    """Whether this very request was sent before, as `journal.claim` says it."""
    return await journal.claim(ctx, ATTACH, _place(record["id"], machine, record["index"]))


async def attach(
    ctx: Context,
    record: Record,
    machine: str,
    network: Row,
    index: int,
    groups: Sequence[str],
    public: Mapping[str, str],
) -> Record:
    """Make an interface a NIC of a machine in its `network`, as device `index`; returns its record.

    `groups` are uuids of the machine's groups, for which a tier is made ready. `public` are the uuids of the public
    addresses that wait for the interface, with its private address that each is to be mapped to.
    """
    given = {
        "interface": record["id"],
        "machine": machine,
        "network": {name: network[name] for name in ("id", "vpcid") if network.get(name)},
        "vpcs": tiers.vpcs_of([network]),
        "index": index,
        "groups": list(groups),
        "public": [
            {
                "ipaddressid": address,
                "virtualmachineid": machine,
                "networkid": network["id"],
                **({} if private == record["address"] else {"vmguestip": private}),
            }
            for address, private in public.items()
        ],
    }
    made = await journal.perform(ctx, ATTACH, given, place=_place(record["id"], machine, index))
    return dict(made["nic"]["record"])


@journal.plan(ATTACH)
def _attaching(given: Given) -> list[Step]:
    return [
        Step("claim", _is_claimed, _claim, _release),
        Step("nic", _has_nic, _add, _remove),
        Step("addresses", journal.unseen, _add_secondary, journal.nothing),
        *(_mapping(number, mapped) for number, mapped in enumerate(given.get("public", ()))),
        Step("settled", journal.unseen, _settle, journal.nothing),
    ]


async def _record(work: Work) -> Record:
    known = await network_interfaces.records(work.ctx)
    if work.given["interface"] not in known:
        raise network_interfaces.missing(ec2_id("eni", work.given["interface"]))
    return known[work.given["interface"]]


async def _is_claimed(work: Work) -> Made | None:
    record = (await network_interfaces.records(work.ctx)).get(work.given["interface"])
    place = work.given["machine"], work.given["index"]
    return {} if record is not None and (record["machine"], record["index"]) == place else None


async def _claim(work: Work) -> Made:
    """Have the interface be this request's alone; whoever was faster has it."""
    ctx, ident = work.ctx, work.given["interface"]
    place = (ctx.owner_id, network_interfaces.KIND, ident)
    while (entry := await ctx.store.entry(*place)) is not None and not entry.value["machine"]:
        claimed = {**entry.value, **network_interfaces.claim(work.given["machine"], work.given["index"])}
        if await ctx.store.replace(*place, claimed, entry.version):
            return {}
    raise (network_interfaces.missing if entry is None else network_interfaces.in_use)(ec2_id("eni", ident))


async def _release(work: Work, made: Made) -> None:
    record = (await network_interfaces.records(work.ctx)).get(work.given["interface"])
    if record is not None and record["machine"] == work.given["machine"]:
        await network_interfaces.release(work.ctx, record)


async def _has_nic(work: Work) -> Made | None:
    for nic in await _nics(work.ctx, work.given["machine"]):
        if nic["networkid"] == work.given["network"]["id"]:
            return await _noted(work, nic)
    return None


async def _noted(work: Work, nic: Row) -> Made:
    record = {**await _record(work), "keep": True}
    attached = network_interfaces.attached(record, nic, work.given["machine"], work.given["index"])
    await network_interfaces.put(work.ctx, attached)
    return {"record": attached}


async def _add(work: Work) -> Made:
    ctx, given, record = work.ctx, work.given, await _record(work)
    async with tiers.joining(ctx, [given["network"]], given["groups"]):
        try:
            row = await ctx.account.job(
                "addNicToVirtualMachine",
                virtualmachineid=given["machine"],
                networkid=given["network"]["id"],
                ipaddress=record["address"],
                macaddress=record["mac"],
            )
        except CloudStackUnavailable:
            raise
        except CloudStackError as error:
            # What refuses may be the NIC itself, of a job that had outlasted the wait for it.
            if work.again and (found := await _has_nic(work)) is not None:
                return found
            if error.errorcode == _MASKED and record["address"]:
                raise Ec2Error("InvalidIPAddress.InUse", f"Address {record['address']} is in use.") from error
            raise
    return await _noted(work, next(nic for nic in row["nic"] if nic["networkid"] == given["network"]["id"]))


async def _remove(work: Work, made: Made) -> None:
    given = work.given
    if any(nic["id"] == made["record"]["nic"] for nic in await _nics(work.ctx, given["machine"])):
        await work.ctx.account.job(
            "removeNicFromVirtualMachine", virtualmachineid=given["machine"], nicid=made["record"]["nic"]
        )
    await _settle(work)


async def _add_secondary(work: Work) -> Made:
    record = work.made["nic"]["record"]
    held: dict[str, str] = {}
    if work.again and record["secondary"]:
        held = _secondary(await _nics(work.ctx, work.given["machine"]), record["nic"])
    for address in record["secondary"]:
        if address not in held:
            await work.ctx.account.job("addIpToNic", nicid=record["nic"], ipaddress=address)
    return {}


def _mapping(number: int, mapped: Mapping[str, str]) -> Step:
    """A public address that has waited for the interface; `mapped` is what enableStaticNat is told."""

    async def find(work: Work) -> Made | None:
        return {} if await _is_mapped(work.ctx, mapped) else None

    async def do(work: Work) -> Made:
        await work.ctx.account.call("enableStaticNat", **mapped)
        await firewall.settle(work.ctx, machines=[mapped["virtualmachineid"]])
        return {}

    async def undo(work: Work, made: Made) -> None:
        if await _is_mapped(work.ctx, mapped):
            await work.ctx.account.job("disableStaticNat", ipaddressid=mapped["ipaddressid"])

    return Step(f"mapped {number}", find, do, undo)


async def _is_mapped(ctx: Context, mapped: Mapping[str, str]) -> bool:
    rows = await ctx.account.list("listPublicIpAddresses", id=mapped["ipaddressid"])
    return any(row.get("virtualmachineid") == mapped["virtualmachineid"] for row in rows)


def _secondary(nics: Iterable[Row], ident: str) -> dict[str, str]:
    """Return the further addresses of a NIC, each with CloudStack's uuid of it."""
    return {
        entry["ipaddress"]: entry["id"]
        for nic in nics
        if nic["id"] == ident
        for entry in nic.get("secondaryip") or ()
    }


# --- detaching -------------------------------------------------------------------------------------------------------


async def is_being_detached(ctx: Context, attachment: str) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `finish` goes on with it then."""
    return await journal.claim(ctx, DETACH, attachment) is True


async def finish(ctx: Context, attachment: str) -> None:
    """Go on with a detachment that somebody else has begun."""
    await journal.perform(ctx, DETACH, {}, place=attachment)


async def detach(
    ctx: Context, attachment: str, machine: str, nic: Row, held: Record, public: Sequence[Row]
) -> None:
    """Take a NIC from its machine and have its interface, whose record is `held`, be available again.

    `public` tells of each public address that is mapped to the NIC its uuid (`id`), the `private` address, and with
    which tag's value (`mark`) it waits for the interface; one without goes back to the cloud.
    """
    given = {
        "machine": machine,
        "nic": nic["id"],
        "held": held,
        "secondary": [entry["ipaddress"] for entry in nic.get("secondaryip") or ()],
        "vpcs": tiers.vpcs_of([nic]),
        "public": [
            {
                "mark": address["mark"],
                "mapped": {
                    "ipaddressid": address["id"],
                    "virtualmachineid": machine,
                    "networkid": nic["networkid"],
                    **(
                        {}
                        if address["private"] == nic.get("ipaddress")
                        else {"vmguestip": address["private"]}
                    ),
                },
            }
            for address in public
        ],
    }
    await journal.perform(ctx, DETACH, given, place=attachment)


@journal.plan(DETACH, forward=True)
def _detaching(given: Given) -> list[Step]:
    return [
        Step("removed", _is_removed, _take_off, journal.nothing),
        Step("addresses", journal.unseen, _keep_public, journal.nothing),
        Step("released", journal.unseen, _have_available, journal.nothing),
        Step("settled", journal.unseen, _settle, journal.nothing),
    ]


async def _is_removed(work: Work) -> Made | None:
    nics = await _nics(work.ctx, work.given["machine"])
    return None if any(nic["id"] == work.given["nic"] for nic in nics) else {}


async def _take_off(work: Work) -> Made:
    given, public = work.given, [address["mapped"] for address in work.given.get("public", ())]
    try:
        for mapped in public:
            if await _is_mapped(work.ctx, mapped):
                await work.ctx.account.job("disableStaticNat", ipaddressid=mapped["ipaddressid"])
        await work.ctx.account.job(
            "removeNicFromVirtualMachine", virtualmachineid=given["machine"], nicid=given["nic"]
        )
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        # The interface stays where it is, and so do its addresses.
        for mapped in public:
            if not await _is_mapped(work.ctx, mapped):
                await work.ctx.account.call("enableStaticNat", **mapped)
        await firewall.settle(work.ctx, machines=[given["machine"]] if public else [])
        raise
    return {}


async def _keep_public(work: Work) -> Made:
    """Have the public addresses wait for the interface; AWS gives back one that came with its machine's launch."""
    ctx = work.ctx
    for address in work.given.get("public", ()):
        ident = address["mapped"]["ipaddressid"]
        if not await ctx.account.list("listPublicIpAddresses", id=ident):
            continue
        if not address["mark"]:
            await ctx.account.job("disassociateIpAddress", id=ident)
            await resource_tags.forget(ctx, "allocation", ident)
            continue
        # The caller's own tags: the address's row may have an earlier holder's.
        held = await resource_tags.held_natively(ctx, "allocation", [ident])
        marks = {resource_tags.RESERVED + _ASSOCIATION: address["mark"]}
        await resource_tags.assign(ctx, "allocation", held, marks)
    return {}


async def _have_available(work: Work) -> Made:
    await network_interfaces.release(work.ctx, work.given["held"], secondary=work.given["secondary"])
    return {}


# --- more addresses --------------------------------------------------------------------------------------------------


async def assign(ctx: Context, nic: Row, machine: str, asked: Sequence[str], count: int) -> list[str]:
    """Give a NIC the addresses `asked`, or `count` that CloudStack chooses; returns them."""
    given = {
        "machine": machine,
        "nic": nic["id"],
        "addresses": [*asked, *[None] * count],
        "before": [entry["ipaddress"] for entry in nic.get("secondaryip") or ()],
    }
    place = json.dumps([nic["id"], given["addresses"]])
    made = await journal.perform(ctx, ASSIGN, given, place=place)
    return [made[_name(number)]["address"] for number in range(len(given["addresses"]))]


def _name(number: int) -> str:
    return f"address {number}"


@journal.plan(ASSIGN)
def _assigning(given: Given) -> list[Step]:
    return [_assignment(number, address) for number, address in enumerate(given["addresses"])]


def _assignment(number: int, address: str | None) -> Step:
    async def find(work: Work) -> Made | None:
        others = {*work.given["before"], *(made["address"] for made in work.made.values())}
        held = await _held(work)
        found = sorted(held.keys() - others if address is None else held.keys() & {address})
        return {"address": found[0]} if found else None

    async def do(work: Work) -> Made:
        row = await work.ctx.account.job("addIpToNic", nicid=work.given["nic"], ipaddress=address)
        return {"address": str(row["ipaddress"])}

    async def undo(work: Work, made: Made) -> None:
        await _drop(work, made["address"])

    return Step(_name(number), find, do, undo)


async def _held(work: Work) -> dict[str, str]:
    """Return the further addresses that the NIC has now, each with CloudStack's uuid of it."""
    nics = await _nics(work.ctx, work.given["machine"])
    return _secondary(nics, work.given["nic"])


async def _drop(work: Work, address: str) -> None:
    held = await _held(work)
    if address in held:
        await removed(work.ctx.account.job("removeIpFromNic", id=held[address]))


# --- fewer addresses -------------------------------------------------------------------------------------------------


def _all_of(interface: str, addresses: Iterable[str]) -> str:
    """What stands for a request to unassign: UnassignPrivateIpAddresses has no client token."""
    return json.dumps([interface, sorted(set(addresses))])


async def is_being_unassigned(ctx: Context, interface: str, addresses: Iterable[str]) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `unassign` goes on with it then."""
    return await journal.claim(ctx, UNASSIGN, _all_of(interface, addresses)) is True


async def unassign(
    ctx: Context, interface: str, addresses: Sequence[str], nic: str = "", machine: str = ""
) -> None:
    """Take addresses from an interface, the NIC of a machine: all of them or none."""
    given = {"machine": machine, "nic": nic, "addresses": list(dict.fromkeys(addresses))}
    await journal.perform(ctx, UNASSIGN, given, place=_all_of(interface, addresses))


@journal.plan(UNASSIGN)
def _unassigning(given: Given) -> list[Step]:
    return [_removal(number, address) for number, address in enumerate(given["addresses"])]


def _removal(number: int, address: str) -> Step:
    async def find(work: Work) -> Made | None:
        return None if address in await _held(work) else {}

    async def do(work: Work) -> Made:
        await _drop(work, address)
        return {}

    async def undo(work: Work, made: Made) -> None:
        if address not in await _held(work):
            await work.ctx.account.job("addIpToNic", nicid=work.given["nic"], ipaddress=address)

    return Step(_name(number), find, do, undo)
