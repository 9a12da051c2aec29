"""Site-to-site VPN: what there is of it, in CloudStack and in the store.

EC2's customer gateway is an address, its VPN gateway an object that is there before and after it is a VPC's, and its
connection has key, policies and routes. CloudStack's VPN gateway is its VPC's, and key, policies and routes are its
customer gateway's. So EC2's customer gateways and VPN gateways are records, with CloudStack's own beside them; a
connection is a customer gateway of CloudStack's, whose name tells the two ends, and CloudStack's connection while the
VPN gateway is attached and there are routes.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, own_uuid
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

CUSTOMER, GATEWAY, CONNECTION = "customer-gateway", "vpn-gateway", "vpn-connection"
TYPE = "ipsec.1"
DEFAULT_ASN, AMAZON_ASN = 65000, 64512
NOWHERE = "192.0.2.255/32"
"""What a connection without routes leads to: CloudStack's customer gateway must have a range, and this is nobody's."""
_NAME = re.compile(r"ec2 (?P<customer>cgw-[0-9a-f]+) (?P<gateway>vgw-[0-9a-f]+)")


@dataclass(slots=True)
class Thing:
    """A customer gateway or a VPN gateway: its record, or what stands for one in CloudStack."""

    kind: str
    key: str
    record: Row = field(default_factory=dict)
    row: Row = field(default_factory=dict)
    """CloudStack's: a customer gateway without EC2's doing; the VPN gateway while it is attached."""

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id(KINDS[self.kind].prefix, self.key)

    @property
    def state(self) -> str:
        """EC2's word for whether it is still there."""
        return "deleted" if self.record.get("gone") else "available"

    @property
    def vpc(self) -> str | None:
        """The uuid of the VPC that a VPN gateway is attached to."""
        return self.row.get("vpcid")


@dataclass(slots=True)
class Connection:
    """A VPN connection: the customer gateway that holds its key and routes, and CloudStack's connection if it is up."""

    key: str
    customer: str
    gateway: str
    row: Row
    link: Row | None = None
    record: Row = field(default_factory=dict)
    own: bool = True
    """Whether EC2 made it: CloudStack's customer gateway is its alone."""

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id("vpn", self.key)

    @property
    def routes(self) -> list[str]:
        """The ranges behind the customer's gateway."""
        ranges = str(self.row.get("cidrlist") or "").split(",")
        return [text.strip() for text in ranges if text.strip() not in ("", NOWHERE)]


def name(customer: str, gateway: str) -> str:
    """Return the name by which CloudStack's customer gateway is known to be a connection between two ends."""
    return f"ec2 {customer} {gateway}"


async def customers(ctx: Context) -> list[Thing]:
    """Return the customer gateways: the caller's records, then those that were made in CloudStack."""
    entries, rows = await asyncio.gather(
        ctx.store.list(ctx.owner_id, CUSTOMER), ctx.account.list("listVpnCustomerGateways")
    )
    found = [Thing(CUSTOMER, entry.key, record=entry.value) for entry in entries]
    return found + [Thing(CUSTOMER, row["id"], row=row) for row in rows if not _NAME.fullmatch(row["name"])]


async def gateways(ctx: Context) -> list[Thing]:
    """Return the VPN gateways: the caller's records, each with its VPC's, then those that were made in CloudStack."""
    entries, rows = await asyncio.gather(
        ctx.store.list(ctx.owner_id, GATEWAY), ctx.account.list("listVpnGateways")
    )
    by_vpc = {row["vpcid"]: row for row in rows}
    found = [
        Thing(GATEWAY, entry.key, record=entry.value, row=by_vpc.pop(entry.value["vpc"], {}))
        for entry in entries
    ]
    return found + [Thing(GATEWAY, row["id"], row=row) for row in by_vpc.values()]


async def connections(ctx: Context) -> list[Connection]:
    """Return the connections; CloudStack's own are between its own ends."""
    entries, rows, links = await asyncio.gather(
        ctx.store.list(ctx.owner_id, CONNECTION),
        ctx.account.list("listVpnCustomerGateways"),
        ctx.account.list("listVpnConnections"),
    )
    records = {entry.key: entry.value for entry in entries}
    customer_rows = {row["id"]: row for row in rows}
    found = []
    for row in rows:
        if named := _NAME.fullmatch(row["name"]):
            link = next((link for link in links if link["s2scustomergatewayid"] == row["id"]), None)
            record = records.get(row["id"], {})
            found.append(Connection(row["id"], named["customer"], named["gateway"], row, link, record))
    ours = {connection.key for connection in found}
    known = {gateway.row.get("id"): gateway.id for gateway in await gateways(ctx)} if links else {}
    for link in links:
        if link["s2scustomergatewayid"] not in ours:
            row = customer_rows.get(
                link["s2scustomergatewayid"], {**link, "id": link["s2scustomergatewayid"]}
            )
            ends = (ec2_id("cgw", link["s2scustomergatewayid"]), known.get(link["s2svpngatewayid"]))
            gateway = ends[1] or ec2_id("vgw", link["s2svpngatewayid"])
            found.append(Connection(link["id"], ends[0], gateway, row, link, own=False))
    return found


async def connections_of(ctx: Context, gateway: Thing) -> list[Connection]:
    """Return the connections that end at a gateway."""
    return [connection for connection in await connections(ctx) if connection.gateway == gateway.id]


async def tidy(ctx: Context) -> None:
    """Forget what was asked for connections that CloudStack's own interface took away."""
    # The records first: each is younger than its row.
    entries = [
        entry for entry in await ctx.store.list(ctx.owner_id, CONNECTION) if not entry.value.get("gone")
    ]
    if entries:
        keys = {row["id"] for row in await ctx.account.list("listVpnCustomerGateways")}
        for entry in entries:
            if entry.key not in keys:
                await ctx.store.delete(ctx.owner_id, CONNECTION, entry.key)
                await resource_tags.forget(ctx, CONNECTION, entry.key)


async def past(ctx: Context) -> list[tuple[str, Row]]:
    """Return key and record of the connections that were deleted a short while ago."""
    entries = await ctx.store.list(ctx.owner_id, CONNECTION)
    return [(entry.key, entry.value) for entry in entries if entry.value.get("gone")]


def named(found: Iterable[Any], kind: str, ident: str | None) -> Any:
    """Return the one that an id or a key names and that is still there; raises the kind's NotFound."""
    if not ident:
        member = {CUSTOMER: "customerGatewayId", GATEWAY: "vpnGatewayId", CONNECTION: "vpnConnectionId"}[kind]
        raise Ec2Error("MissingParameter", f"The request must contain the parameter {member}")
    for entry in found:
        if ident in (entry.id, entry.key) and not entry.record.get("gone"):
            return entry
    if not KINDS[kind].is_id(ident):
        raise KINDS[kind].refused(ident)
    raise KINDS[kind].missing(ident)


async def touch(ctx: Context, kind: str, key: str) -> None:
    """Give a gateway's record another version, or raise NotFound where it is deleted.

    Who deletes it has read it before it looked for connections, and deletes what is as it was read.
    """
    done = False
    while not done:
        entry = await ctx.store.entry(ctx.owner_id, kind, key)
        if entry is None or entry.value.get("gone"):
            raise KINDS[kind].missing(ec2_id(KINDS[kind].prefix, key))
        done = await ctx.store.replace(ctx.owner_id, kind, key, entry.value, entry.version)


async def new(ctx: Context, kind: str, record: Row) -> Thing:
    """Write the record of a new gateway."""
    made = Thing(kind, own_uuid(), record=record)
    await ctx.store.put(ctx.owner_id, kind, made.key, record)
    return made


def check_type(request: Row) -> None:
    """Refuse a type of VPN that AWS does not have."""
    if not request.get("Type"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter type")
    if request["Type"] != TYPE:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({request['Type']}) for parameter type is invalid. Expected: {TYPE}",
        )


async def settle(ctx: Context, gateway: Thing, connection: Connection) -> None:
    """Have CloudStack's connection be there if the VPN gateway is attached and there are routes, and only then."""
    wanted = bool(gateway.row and connection.routes)
    if wanted and connection.link is None:
        connection.link = await ctx.account.job(
            "createVpnConnection",
            s2svpngatewayid=gateway.row["id"],
            s2scustomergatewayid=connection.row["id"],
            # AWS waits for the customer's side, unless it is told to begin.
            passive=connection.record.get("tunnel", {}).get("StartupAction") != "start",
        )
    elif not wanted and connection.link is not None:
        await ctx.account.job("deleteVpnConnection", id=connection.link["id"])
        connection.link = None


async def connection(ctx: Context, ident: str | None) -> Connection:
    """Return the connection of an id, or raise InvalidVpnConnectionID.NotFound."""
    found: Connection = named(await connections(ctx), CONNECTION, ident)
    return found


async def near_end(ctx: Context, of: Connection) -> Thing:
    """Return the VPN gateway of a connection; one that is gone is attached to nothing."""
    found = (gateway for gateway in await gateways(ctx) if gateway.id == of.gateway)
    return next(found, Thing(GATEWAY, of.gateway))


async def update(ctx: Context, row: dict[str, Any]) -> None:
    """Change CloudStack's customer gateway, which wants everything said again, and connects anew."""
    members = (
        "id",
        "name",
        "gateway",
        "cidrlist",
        "ipsecpsk",
        "ikepolicy",
        "esppolicy",
        "ikelifetime",
        "esplifetime",
        "dpd",
        "forceencap",
        "splitconnections",
        "ikeversion",
    )
    await ctx.account.job("updateVpnCustomerGateway", **{m: row[m] for m in members if m in row})
