"""Private addresses for interfaces that are not attached, and more of them for those that are.

CloudStack gives addresses to NICs alone. So one for an interface without a NIC is chosen here, among those that neither
a machine nor another interface has. In a shared network nobody sees which addresses are given out at all: there it
stays open until CloudStack chooses.
"""

import asyncio
import ipaddress
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.places.ranges import blocks, gateways

Row = dict[str, Any]

SHARED = "Shared"
RESERVED = 4
"""The first addresses of a subnet, which AWS gives to nobody."""
MOST = 2**16
"""The addresses of the largest subnet on AWS: no more are in one whose range CloudStack does not tell."""
PROMISED = "addresses"
"""The member of a launch's journal record that has the addresses of its machines, by network."""


async def chosen(ctx: Context, network: Row, request: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Return the primary address and the secondary ones that a request for a new interface means."""
    primary, secondary = named(request, network)
    count = further(request, network, secondary)
    taken = await addresses_taken(ctx, network["id"])
    for address in filter(None, (primary, *secondary)):
        refuse_taken(address, taken)
        taken.add(address)
    if primary is None and network.get("type") != SHARED:
        [primary] = free(network, taken, 1)
        taken.add(primary)
    return primary, secondary or free(network, taken, count)


def named(request: Mapping[str, Any], network: Row) -> tuple[str | None, list[str]]:
    """Return the primary and the secondary addresses that a request names, checked against the subnet."""
    entries = request.get("PrivateIpAddresses") or ()
    marked = [entry.get("PrivateIpAddress") for entry in entries if entry.get("Primary")]
    primaries = set(filter(None, (request.get("PrivateIpAddress"), *marked)))
    if len(marked) > 1 or len(primaries) > 1:
        raise Ec2Error(
            "InvalidParameterCombination",
            f"Only one private address can be the primary one, not {' and '.join(sorted(primaries))}.",
        )
    secondary = [entry.get("PrivateIpAddress") or "" for entry in entries if not entry.get("Primary")]
    checked(secondary, network, primaries)
    for address in primaries:
        check_address(address, network)
    return next(iter(primaries), None), secondary


def checked(addresses: Sequence[str], network: Row, others: Iterable[str] = ()) -> None:
    """Refuse further addresses that are not the subnet's, or are named twice."""
    for place, address in enumerate(addresses):
        check_address(address, network)
        if address in addresses[:place] or address in others:
            sentence = (
                f"Value ({address}) for parameter privateIpAddresses is invalid. It is named more than once."
            )
            raise Ec2Error("InvalidParameterValue", sentence)


def further(request: Mapping[str, Any], network: Row, named_ones: Sequence[str]) -> int:
    """Return how many further addresses a request wants without naming them."""
    count = int(request.get("SecondaryPrivateIpAddressCount") or 0)
    if count < 0:
        sentence = (
            f"Value ({count}) for parameter secondaryPrivateIpAddressCount is invalid. It must be at least 1."
        )
        raise Ec2Error("InvalidParameterValue", sentence)
    if count and named_ones:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameters privateIpAddresses and secondaryPrivateIpAddressCount may not be used together.",
        )
    # Before a place is made for each: the number may be any.
    if count > (sum(block.num_addresses for block in blocks(network)) or MOST):
        raise _too_few()
    return count


async def addresses_taken(ctx: Context, network: str) -> set[str]:
    """Return the addresses of a network that machines or interfaces of the caller have, or are about to have."""
    # What is promised is asked for first: a launch that ends meanwhile has its machines in the listing.
    about_to = await promised(ctx)
    known, rows = await asyncio.gather(
        network_interfaces.records(ctx),
        ctx.account.list("listVirtualMachines", networkid=network, details=["nics"]),
    )
    nics = [nic for row in rows for nic in row.get("nic") or () if nic["networkid"] == network]
    found = {nic.get("ipaddress") for nic in nics} | {
        entry["ipaddress"] for nic in nics for entry in nic.get("secondaryip") or ()
    }
    for record in known.values():
        if record["subnet"] == network:
            found |= {record["address"], *record["secondary"]}
    return {address for address in found if address} | about_to.get(network, set())


async def promised(ctx: Context, but: str = "") -> dict[str, set[str]]:
    """Return network → the addresses of the machines of launches under way, without the launch with the key `but`."""
    found: dict[str, set[str]] = {}
    for entry in await ctx.store.list(ctx.owner_id, journal.KIND):
        if entry.key != but:
            for network, addresses in (entry.value.get(PROMISED) or {}).items():
                found.setdefault(network, set()).update(filter(None, addresses))
    return found


def free(network: Row, taken: Iterable[str], count: int) -> list[str]:
    """Return so many free addresses of a network, or raise InsufficientFreeAddressesInSubnet."""
    if not count:
        return []
    if network.get("type") == SHARED:
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter SecondaryPrivateIpAddressCount is not supported before the interface is attached: nobody"
            " can see which addresses of the shared network are free.",
        )
    barred = {*taken, *gateways(network)}
    usable = (address for block in blocks(network) for address in _usable(block))
    found = list(islice((address for address in usable if address not in barred), count))
    if len(found) == count:
        return found
    raise _too_few()


def _too_few() -> Ec2Error:
    return Ec2Error(
        "InsufficientFreeAddressesInSubnet",
        "The specified subnet does not have enough free addresses to satisfy the request.",
    )


def _usable(block: ipaddress.IPv4Network) -> Iterator[str]:
    """Yield the addresses of a range: AWS gives nobody the first; CloudStack does, and counts them as free."""
    for number in (*range(RESERVED, block.num_addresses - 1), *range(1, RESERVED)):
        yield str(block[number])


def any_free(network: Row, taken: Collection[str], count: int) -> list[str]:
    """Return up to so many free addresses of a network, by lot as CloudStack does: one given back rests a while."""
    barred = {*taken, *gateways(network)}
    found: list[str] = []
    for block in blocks(network):
        for numbers in (range(RESERVED, block.num_addresses - 1), range(1, RESERVED)):
            # As many as are barred may be drawn in vain.
            drawn = random.sample(numbers, min(len(numbers), len(barred) + count))
            some = (str(block[number]) for number in drawn)
            found += islice((address for address in some if address not in barred), count - len(found))
    return found


def refuse_taken(address: str, taken: Iterable[str]) -> None:
    """Refuse an address that a machine or another interface has."""
    if address in taken:
        raise Ec2Error("InvalidIPAddress.InUse", f"Address {address} is in use.")


async def with_secondary(
    ctx: Context, record: Record, network: Row, asked: Iterable[str], count: int
) -> list[str]:
    """Give an interface that is not attached more addresses, and return them."""
    taken = await addresses_taken(ctx, network["id"])
    added = list(asked)
    for address in added:
        refuse_taken(address, taken)
    added += free(network, {*taken, *added}, count)
    await network_interfaces.put(ctx, {**record, "secondary": [*record["secondary"], *added]})
    return added


def check_address(named: str, network: Row) -> str:
    """Refuse an address outside its subnet, and return it."""
    try:
        address = ipaddress.ip_address(named)
    except ValueError:
        raise Ec2Error(
            "InvalidParameterValue", f"Value ({named}) for parameter address is invalid."
        ) from None
    ranges = blocks(network)
    if ranges and not any(address in subnet for subnet in ranges):
        raise Ec2Error(
            "InvalidParameterValue", f"Address {named} does not fall within the subnet's address range"
        )
    # Of AWS's five, the three that no machine can have here either.
    ends = {end for subnet in ranges for end in (subnet.network_address, subnet.broadcast_address)}
    if address in ends or named in gateways(network):
        raise Ec2Error("InvalidParameterValue", f"Address {named} is in subnet's reserved address range")
    return str(named)
