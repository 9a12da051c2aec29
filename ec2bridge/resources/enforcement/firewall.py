"""Groups' rules where CloudStack applies none: on the firewall of isolated networks.

In an isolated network nothing comes in to a machine's address but what the address's firewall lets in, and nothing
goes out but what the network's egress rules let out, whatever the machine's groups say. So the ingress rules of a
machine's groups are written to the firewall of its static-NAT address, and a network that the bridge makes is opened
for egress as AWS's default group is. Rules are marked with a reserved tag: others on the address are left alone.
Machines of one network reach each other without a firewall, so rules that name groups need nothing here; egress rules
of groups are kept, and apply only in zones with security groups.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.rules import Rule
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

Row = dict[str, Any]
Opening = tuple[str, int, int, frozenset[str]]
"""Protocol, first and last port (or ICMP type and code), and the ranges that may come in."""

MARK = resource_tags.RESERVED + "groups"
_CONFLICT = 537


async def settle(ctx: Context, *, groups: Iterable[str] = (), machines: Iterable[str] = ()) -> None:
    """Make the firewalls of static-NAT addresses say what the groups of their machines say.

    `groups` are uuids of groups whose rules changed, `machines` uuids of machines that changed groups or address.
    One native call where no machine is concerned.
    """
    membership = await members(ctx)
    touched = set(groups)
    concerned = {uuid for uuid, of in membership.items() if touched.intersection(of)}.union(machines)
    concerned &= membership.keys()
    if not concerned:
        return
    rows = await ctx.account.list("listPublicIpAddresses", isstaticnat=True)
    addresses = [row for row in rows if row.get("virtualmachineid") in concerned and not row.get("vpcid")]
    if not addresses:
        return
    known, rules = await asyncio.gather(security_groups.groups(ctx), ctx.account.list("listFirewallRules"))
    by_uuid = {group.uuid: group for group in known}
    for address in addresses:
        of = [by_uuid[uuid] for uuid in membership[address["virtualmachineid"]] if uuid in by_uuid]
        # In a thread: a thousand rules take long, and others are to be served meanwhile.
        wanted = await asyncio.to_thread(openings, [rule for group in of for rule in known.rules(group)])
        present = [row for row in rules if row["ipaddressid"] == address["id"]]
        await _settle(ctx, address["id"], present, wanted)


async def members(ctx: Context) -> dict[str, list[str]]:
    """Machine → groups, of the machines in zones that have no groups of their own."""
    tags = await ctx.account.list("listTags", resourcetype="UserVm", key=MARK)
    return {tag["resourceid"]: [u for u in (tag.get("value") or "").split(",") if u] for tag in tags}


def openings(rules: Iterable[Rule]) -> set[Opening]:
    """What the rules let in, as firewall rules that have no port in common: CloudStack refuses those that have."""
    spans: dict[str, list[tuple[int, int, str]]] = {}
    for rule in rules:
        if not rule.egress and rule.cidr and ":" not in rule.cidr:
            for protocol, first, last in _spans(rule):
                spans.setdefault(protocol, []).append((first, last, rule.cidr))
    found: set[Opening] = set()
    for protocol, entries in spans.items():
        found |= _icmp(entries) if protocol == "icmp" else _disjoint(protocol, entries)
    return found


def _spans(rule: Rule) -> list[tuple[str, int, int]]:
    if rule.protocol == "-1":
        return [("tcp", 1, 65535), ("udp", 1, 65535), ("icmp", -1, -1)]
    if rule.protocol == "icmp":
        native = rule.native()
        return [("icmp", native["icmptype"], native["icmpcode"])]
    if rule.protocol in ("tcp", "udp") and rule.from_port is not None and rule.to_port:
        return [(rule.protocol, max(rule.from_port, 1), rule.to_port)]
    return []  # the firewall knows no other protocols


def _disjoint(protocol: str, entries: list[tuple[int, int, str]]) -> set[Opening]:
    bounds = sorted({first for first, _, _ in entries} | {last + 1 for _, last, _ in entries})
    found: list[Opening] = []
    for start, end in itertools.pairwise(bounds):
        ranges = frozenset(cidr for first, last, cidr in entries if first <= start and end - 1 <= last)
        if found and ranges and found[-1][2] == start - 1 and found[-1][3] == ranges:
            found[-1] = (protocol, found[-1][1], end - 1, ranges)
        elif ranges:
            found.append((protocol, start, end - 1, ranges))
    return set(found)


def _icmp(entries: list[tuple[int, int, str]]) -> set[Opening]:
    ranges: dict[tuple[int, int], set[str]] = {}
    for kind, code, cidr in entries:
        ranges.setdefault((kind, code), set()).add(cidr)
    return {("icmp", kind, code, frozenset(cidrs)) for (kind, code), cidrs in ranges.items()}


def _opening(row: Row) -> Opening:
    """A firewall rule as CloudStack lists it."""
    first, last = ("icmptype", "icmpcode") if row["protocol"] == "icmp" else ("startport", "endport")
    ranges = frozenset(cidr for cidr in row.get("cidrlist", "").split(",") if cidr)
    return row["protocol"], int(row.get(first, -1)), int(row.get(last, -1)), ranges


async def _settle(ctx: Context, address: str, present: Iterable[Row], wanted: set[Opening]) -> None:
    held = {row["id"]: _opening(row) for row in present}
    ours = {row["id"] for row in present if MARK in resource_tags.native(row)}
    # Old rules go first: CloudStack refuses a new one that shares a port with them.
    gone = [ident for ident in ours if held[ident] not in wanted]
    await asyncio.gather(*(ctx.account.job("deleteFirewallRule", id=ident) for ident in gone))
    new = wanted - set(held.values())
    made = await asyncio.gather(*(_open(ctx, address, opening) for opening in new))
    idents = [ident for ident in made if ident]
    if idents:
        tags = [{"key": MARK, "value": "yes"}]
        await ctx.account.job("createTags", resourceids=idents, resourcetype="FirewallRule", tags=tags)


async def _open(ctx: Context, address: str, opening: Opening) -> str | None:
    protocol, first, last, ranges = opening
    names = ("icmptype", "icmpcode") if protocol == "icmp" else ("startport", "endport")
    ports: Mapping[str, int] = dict(zip(names, (first, last), strict=True))
    try:
        row = await ctx.account.job(
            "createFirewallRule", ipaddressid=address, protocol=protocol, cidrlist=sorted(ranges), **ports
        )
    except CloudStackError as error:
        if error.errorcode != _CONFLICT:
            raise
        log.warning("address %s has a rule of its own that overlaps with a group's: %s", address, error)
        return None
    return str(row["id"])


async def open_egress(ctx: Context, network: Row) -> None:
    """Let the machines of a network that the bridge has made reach out, as AWS's default egress rule does."""
    if network.get("type") != "Isolated" or network.get("vpcid") or network.get("egressdefaultpolicy"):
        return
    await ctx.account.job(
        "createEgressFirewallRule", networkid=network["id"], protocol="all", cidrlist=[network["cidr"]]
    )
