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
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.unknown import removed, surely
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.rules import Rule
from ec2bridge.resources.groups.security_groups import Groups
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

Row = dict[str, Any]
Opening = tuple[str, int, int, frozenset[str]]
"""Protocol, first and last port (or ICMP type and code), and the ranges that may come in."""

PLAN = "SettleFirewall"
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
    for address in addresses:
        wanted = await _wanted(known, membership[address["virtualmachineid"]])
        present = [row for row in rules if row["ipaddressid"] == address["id"]]
        if change := _change(present, wanted, ()):
            given = {
                "address": address["id"],
                "present": [row["id"] for row in present],
                "new": [_told(opening) for opening in change.new],
            }
            await journal.perform(ctx, PLAN, given, live=change, apart=uuid.uuid4().hex)


async def _wanted(known: Groups, of: Iterable[str]) -> set[Opening]:
    by_uuid = {group.uuid: group for group in known}
    groups = [by_uuid[ident] for ident in of if ident in by_uuid]
    # In a thread: a thousand rules take long, and others are to be served meanwhile.
    return await asyncio.to_thread(openings, [rule for group in groups for rule in known.effective(group)])


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


@dataclass(frozen=True, slots=True)
class _Change:
    """What an address's firewall lacks of what it should let in: rules to go, to be marked as ours, to be made."""

    gone: list[str]
    unmarked: list[str]
    new: set[Opening]


def _change(present: Iterable[Row], wanted: set[Opening], strays: Collection[str]) -> _Change | None:
    """Return what is to be done; `strays` are rules that a change before made, and did not come to mark."""
    held = {row["id"]: _opening(row) for row in present}
    marked = {row["id"] for row in present if MARK in resource_tags.native(row)}
    gone = [ident for ident in {*marked, *strays} if held[ident] not in wanted]
    unmarked = [ident for ident in strays if held[ident] in wanted]
    change = _Change(gone, unmarked, wanted - set(held.values()))
    return change if gone or unmarked or change.new else None


@journal.plan(PLAN, forward=True, lasting=True)
def _steps(given: Given) -> list[Step]:
    return [Step("rules", journal.unseen, _settled, journal.nothing)]


async def _settled(work: Work) -> Made:
    change = work.live or await _looked(work)
    if change is not None:
        await _apply(work.ctx, work.given["address"], change)
    return {}


async def _looked(work: Work) -> _Change | None:
    """Look at an address anew: whose machine, groups and rules may be others by now."""
    ctx, address = work.ctx, work.given["address"]
    rows = await ctx.account.list("listPublicIpAddresses", isstaticnat=True)
    rows = [row for row in rows if row["id"] == address]
    if not rows:
        # CloudStack clears the firewall of an address that is given back, or loses its machine.
        return None
    machine = next((row.get("virtualmachineid") for row in rows), None)
    membership, known, rules = await asyncio.gather(
        members(ctx),
        security_groups.groups(ctx),
        ctx.account.list("listFirewallRules", ipaddressid=address),
    )
    made = {_read(told) for told in work.given["new"]}
    strays = [
        row["id"]
        for row in rules
        if row["id"] not in work.given["present"]
        and MARK not in resource_tags.native(row)
        and _opening(row) in made
    ]
    return _change(rules, await _wanted(known, membership.get(machine or "", ())), strays)


async def _apply(ctx: Context, address: str, change: _Change) -> None:
    # Old rules go first: CloudStack refuses a new one that shares a port with them.
    await asyncio.gather(*(_close(ctx, ident) for ident in change.gone))
    done = await asyncio.gather(
        *(_open(ctx, address, opening) for opening in change.new), return_exceptions=True
    )
    made = [ident for ident in done if isinstance(ident, str)]
    try:
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        idents = [*made, *change.unmarked]
        if idents:
            await _mark(ctx, idents)
    except CloudStackError:
        # Unmarked, they would stay for ever: nobody could tell them from the user's own.
        await asyncio.gather(*(_close(ctx, ident) for ident in made), return_exceptions=True)
        raise


async def _mark(ctx: Context, idents: list[str]) -> None:
    params = {"resourceids": idents, "resourcetype": "FirewallRule"}

    async def look() -> bool | None:
        tags = await ctx.account.list("listTags", resourcetype="FirewallRule", key=MARK)
        return {tag["resourceid"] for tag in tags}.issuperset(idents) or None

    await surely(lambda: ctx.account.job("createTags", **params, tags=[{"key": MARK, "value": "yes"}]), look)


async def _close(ctx: Context, ident: str) -> None:
    await removed(ctx.account.job("deleteFirewallRule", id=ident))


def _told(opening: Opening) -> list[Any]:
    protocol, first, last, ranges = opening
    return [protocol, first, last, sorted(ranges)]


def _read(told: list[Any]) -> Opening:
    protocol, first, last, ranges = told
    return protocol, first, last, frozenset(ranges)


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


async def open_egress(ctx: Context, network: Row, *, again: bool = False) -> None:
    """Let the machines of a network that the bridge has made reach out, as AWS's default egress rule does.

    `again` says that somebody may have done it before, unseen.
    """
    if network.get("type") != "Isolated" or network.get("vpcid") or network.get("egressdefaultpolicy"):
        return
    rule = {"networkid": network["id"], "protocol": "all"}

    async def look() -> bool | None:
        rows = await ctx.account.list("listEgressFirewallRules", networkid=network["id"])
        return any(row["protocol"] == rule["protocol"] for row in rows) or None

    if again and await look():
        return
    await surely(
        lambda: ctx.account.job("createEgressFirewallRule", **rule, cidrlist=[network["cidr"]]), look
    )
