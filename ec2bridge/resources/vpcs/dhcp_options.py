"""DHCP options: what a VPC's machines are told of domain name and name servers.

On AWS a set is an object of its own, which VPCs share. In CloudStack each network has a domain name, and each VPC name
servers; there is nothing else that its router's DHCP could be told. So sets that clients make lie in the store, and so
does which VPC has which. A set's domain name goes to the VPC's tiers, where CloudStack changes it (`updateNetwork`).
Its name servers are the VPC's for life (`createVPC`; `updateVPC` takes none, and tiers refuse theirs), and the other
options have no place. A set that cannot become true of a VPC is refused there. VPCs without a set have the account's
default one, which says what CloudStack does by itself, or, where they were given a domain name or name servers of their
own, one that has the VPC's digits.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.ec2 import journal, releases
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.unknown import surely
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_own
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import networks, vpc_rows
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs.items import NO_OPTIONS, vpc_owner
from ec2bridge.store import Change

Row = dict[str, Any]
Options = Mapping[str, list[str]]

KIND, OF_VPC = "dhcp-options", "vpc-dhcp-options"
"""Store kinds: a set's options; VPC's native id → {the key of the set that was associated, or AWS's "default"}."""
DOMAIN, SERVERS = "domain-name", "domain-name-servers"
ROUTER = "AmazonProvidedDNS"
"""AWS's word for a VPC's own name server: CloudStack's router, which the machines are told of in any case."""
OPTIONS_TAG = "dhcp-options-id"
"""A tag of this key, given to CreateVpc, chooses the VPC's set: CloudStack takes name servers then and never again."""
_MOST_SERVERS = 2

# VpcManagerImpl.createVpc: "cs", the account's number in hex, the zone's or the cloud's suffix.
_GIVEN_BY_CLOUDSTACK = re.compile(r"cs[0-9a-f]+.*", re.IGNORECASE)
# NetUtils.verifyDomainName.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,190}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OptionsSet:
    """A set of DHCP options; `key` is the native id of the VPC, or the account, that implies it, or the store's key."""

    key: str
    options: Options
    owner: str
    implied: bool = False

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id("dopt", self.key)

    @property
    def domain(self) -> str | None:
        """The domain name, if the set has one; several stand side by side, as in one value on AWS."""
        return " ".join(self.options.get(DOMAIN, ())) or None

    @property
    def servers(self) -> list[str]:
        """The name servers beside CloudStack's router."""
        return [server for server in self.options.get(SERVERS, ()) if server != ROUTER]


def servers_of(vpc: Row) -> list[str]:
    """Return the name servers that a VPC was made with."""
    return [vpc[name] for name in ("dns1", "dns2") if vpc.get(name)]


def implied_key(ctx: Context, vpc: Row) -> str:
    """Return the key of the set that a VPC has by itself: the account's default one, or one with the VPC's digits."""
    plain = _GIVEN_BY_CLOUDSTACK.fullmatch(vpc.get("networkdomain") or "cs0")
    return ctx.owner_id if vpc.get("default") or (plain and not servers_of(vpc)) else str(vpc["id"])


# --- reading -------------------------------------------------------------------------------------------------


async def chosen(ctx: Context, vpcs: Iterable[Row]) -> dict[str, str]:
    """Return VPC's native id → key of its set, or AWS's word for none."""
    held = {entry.key: entry.value["set"] for entry in await ctx.store.list(ctx.owner_id, OF_VPC)}
    return {vpc["id"]: held.get(vpc["id"]) or implied_key(ctx, vpc) for vpc in vpcs}


async def made(ctx: Context) -> list[OptionsSet]:
    """Return the sets that clients made."""
    entries = await ctx.store.list(ctx.owner_id, KIND)
    return [OptionsSet(entry.key, entry.value, ctx.owner_id) for entry in entries]


async def sets(ctx: Context) -> list[OptionsSet]:
    """Return all sets, the default one first."""
    vpcs, rows, own = await asyncio.gather(vpc_rows(ctx), networks(ctx), made(ctx))
    followers = [vpc for vpc in vpcs if implied_key(ctx, vpc) == ctx.owner_id]
    outside = [row for row in rows if not row.get("vpcid")]
    # The caller's own networks before those that several accounts share.
    outside.sort(key=lambda row: not (row.get("account") or row.get("projectid")))
    domains = dict.fromkeys(
        row["networkdomain"] for row in (*followers, *outside) if row.get("networkdomain")
    )
    options = {**({DOMAIN: list(domains)} if domains else {}), SERVERS: [ROUTER]}
    return [
        OptionsSet(ctx.owner_id, options, ctx.owner_id, implied=True),
        *(_own(ctx, vpc) for vpc in vpcs if implied_key(ctx, vpc) == vpc["id"] != ctx.owner_id),
        *own,
    ]


def _own(ctx: Context, vpc: Row) -> OptionsSet:
    domain = {DOMAIN: [vpc["networkdomain"]]} if vpc.get("networkdomain") else {}
    options = {**domain, SERVERS: servers_of(vpc) or [ROUTER]}
    return OptionsSet(vpc["id"], options, vpc_owner(ctx, vpc), implied=True)


async def named(ctx: Context, ident: str) -> OptionsSet:
    """Return the set of an id that a client made, or that a VPC implies; raises InvalidDhcpOptionID.NotFound."""
    kind = KINDS[KIND]
    if not ident:
        raise Ec2Error("MissingParameter", "The request must contain the parameter dhcpOptionsId")
    for each in await sets(ctx):
        if ident in (each.id, each.key):
            return each
    raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)


# --- whether a set can be true of a VPC ------------------------------------------------------------------------


def check_options(wanted: OptionsSet) -> None:
    """Refuse a set with what no network of CloudStack's tells its machines."""
    for name in wanted.options:
        if name not in (DOMAIN, SERVERS):
            raise Ec2Error(
                "UnsupportedOperation",
                f"The option {name} of {wanted.id} cannot be associated: CloudStack's DHCP tells machines a domain"
                " name and name servers only. Leave it out of the set, and set it in the machines' user data.",
            )
    if wanted.domain is not None and not _DOMAIN.fullmatch(wanted.domain):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The domain-name '{wanted.domain}' of {wanted.id} cannot be associated: CloudStack takes one name of up to"
            " 190 characters, of letters, digits, hyphens and dots.",
        )


def check(ctx: Context, vpc: Row, wanted: OptionsSet) -> None:
    """Refuse a set that cannot become true of a VPC."""
    vpc_id = ec2_id("vpc", vpc["id"])
    if wanted.implied:
        raise Ec2Error(
            "UnsupportedOperation",
            f"{wanted.id} says what CloudStack does by itself in other VPCs, and cannot be associated with {vpc_id}:"
            f" associate '{NO_OPTIONS}' for what it does there, or create a set with these options.",
        )
    if vpc.get("default"):
        raise Ec2Error(
            "UnsupportedOperation",
            f"{wanted.id} cannot be associated with the default VPC {vpc_id}, which holds CloudStack's networks outside"
            " any VPC: create a VPC for it.",
        )
    check_options(wanted)
    if wanted.servers != servers_of(vpc):
        has = ", ".join(servers_of(vpc)) or ROUTER
        raise Ec2Error(
            "UnsupportedOperation",
            f"The domain-name-servers of {wanted.id} cannot be associated with {vpc_id}, which has {has}: CloudStack"
            f" takes a VPC's name servers when it is made, and never after. Give CreateVpc the tag '{OPTIONS_TAG}' with"
            " the set's id.",
        )


async def native_params(ctx: Context, wanted: OptionsSet) -> Row:
    """Return what createVPC is told of a set, or refuse what it cannot be told."""
    check_options(wanted)
    servers = wanted.servers
    if not servers:
        return {"networkdomain": wanted.domain} if wanted.domain else {}
    if len(servers) > _MOST_SERVERS or any(":" in server for server in servers):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The domain-name-servers of {wanted.id} cannot be those of a VPC: CloudStack takes"
            f" {_MOST_SERVERS} IPv4 addresses, beside its router's.",
        )
    await releases.require(ctx, releases.NAME_SERVERS)
    domain = {"networkdomain": wanted.domain} if wanted.domain else {}
    return {**domain, **dict(zip(("dns1", "dns2"), servers, strict=False))}


async def for_new_vpc(ctx: Context, tags: Mapping[str, str]) -> tuple[str | None, Row]:
    """Return the key of the set that a tag chooses for a new VPC, and what createVPC is told of it."""
    ident = tags.get(OPTIONS_TAG)
    if not ident:
        return None, {}
    wanted = await named(ctx, ident)
    if wanted.implied:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({ident}) for the tag {OPTIONS_TAG} is invalid: it is no set that was created.",
        )
    return wanted.key, await native_params(ctx, wanted)


# --- associating -----------------------------------------------------------------------------------------------

PLAN = "AssociateDhcpOptions"


async def associate(ctx: Context, vpc: Row, wanted: OptionsSet | None) -> None:
    """Make a set that of a VPC, or give it back what it has by itself, for the set that says that, or for None."""
    key: str | None = wanted.key if wanted else NO_OPTIONS
    if key == implied_key(ctx, vpc):
        key = None
    elif wanted is not None:
        check(ctx, vpc, wanted)
    if vpc.get("default"):
        await choose(ctx, vpc["id"], key)
        return
    domain = (key and wanted and wanted.domain) or vpc["networkdomain"]
    place, begun = f"{vpc['id']} {key}", None
    while begun is None:
        # One that was sent before, and whose bearer died, would be taken back later.
        begun = await journal.claim(ctx, PLAN, place)
        tiers = await _tiers(ctx, vpc["id"])
        was = await _key_of(ctx, vpc["id"])
    if not begun and key == was and all(tier.get("networkdomain") == domain for tier in tiers):
        return
    given = {
        "vpc": vpc["id"],
        "set": key,
        "was": was,
        "domain": domain,
        "domains": {tier["id"]: tier.get("networkdomain") for tier in tiers},
        "by_itself": vpc["networkdomain"],
    }
    await journal.perform(ctx, PLAN, given, place=place)


async def _key_of(ctx: Context, vpc: str) -> str | None:
    found = await ctx.store.get(ctx.owner_id, OF_VPC, vpc)
    return found and str(found["set"])


async def _tiers(ctx: Context, vpc: str) -> list[Row]:
    return [row for row in await networks(ctx) if row.get("vpcid") == vpc]


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    # The record first: who makes a subnet meanwhile reads it after making it.
    return [
        Step("set", _find_set, _choose, _choose_again),
        Step("vpc", journal.unseen, _check_vpc, journal.nothing),
        Step("tiers", _find_tiers, _change, _change_back),
    ]


async def _find_set(work: Work) -> Made | None:
    return {} if await _key_of(work.ctx, work.given["vpc"]) == work.given["set"] else None


async def _choose(work: Work) -> Made:
    await choose(work.ctx, work.given["vpc"], work.given["set"])
    return {}


async def _choose_again(work: Work, made: Made) -> None:
    if await _find_set(work) is None:
        return
    try:
        await choose(work.ctx, work.given["vpc"], work.given["was"])
    except Ec2Error:
        # The one before was deleted meanwhile.
        await choose(work.ctx, work.given["vpc"], None)


async def _check_vpc(work: Work) -> Made:
    await deletion.check(work.ctx, "vpc", work.given["vpc"])
    return {}


async def _find_tiers(work: Work) -> Made | None:
    """What is taken back may be done in part."""
    tiers = await _tiers(work.ctx, work.given["vpc"])
    changed = [tier.get("networkdomain") == work.given["domain"] for tier in tiers]
    return {} if (any(changed) if work.is_undone else all(changed)) else None


async def _change(work: Work) -> Made:
    for tier in await _tiers(work.ctx, work.given["vpc"]):
        await _name(work.ctx, tier, work.given["domain"])
    return {}


async def _change_back(work: Work, made: Made) -> None:
    if await _find_set(work) is None:
        # Another set was associated since, whose domain name the tiers have.
        return
    before = work.given["domains"]
    for tier in await _tiers(work.ctx, work.given["vpc"]):
        if tier.get("networkdomain") == work.given["domain"]:
            await _name(work.ctx, tier, before.get(tier["id"]) or work.given["by_itself"])


async def _name(ctx: Context, tier: Row, domain: str) -> None:
    """Give a tier a domain name; CloudStack takes its router out of a tier with machines, and puts it back."""
    if tier.get("networkdomain") == domain:
        return

    async def look() -> Row | None:
        rows = await ctx.account.list("listNetworks", id=tier["id"])
        return next((row for row in rows if row.get("networkdomain") == domain), None)

    await surely(lambda: ctx.account.job("updateNetwork", id=tier["id"], networkdomain=domain), look)


async def choose(ctx: Context, vpc: str, key: str | None) -> None:
    """Note which set a VPC has; None: what it has by itself. One that is deleted is no VPC's."""
    if key is None:
        await ctx.store.delete(ctx.owner_id, OF_VPC, vpc)
        return
    done = False
    while not done:
        entry = await ctx.store.entry(ctx.owner_id, KIND, key)
        if entry is None and is_own(key):
            raise KINDS[KIND].missing(ec2_id(KINDS[KIND].prefix, key))
        # Who deletes the set has read it before it looked for VPCs: its version is another one by now.
        same = [Change(KIND, key, entry.value, version=entry.version)] if entry else []
        done = await ctx.store.together(ctx.owner_id, *same, Change(OF_VPC, vpc, {"set": key}))


async def delete(ctx: Context, ident: str) -> None:
    """Delete a set that no VPC has; those that say what CloudStack does by itself stay."""
    gone = False
    while not gone:
        versions = {entry.key: entry.version for entry in await ctx.store.list(ctx.owner_id, KIND)}
        found = await named(ctx, ident)
        used = (await chosen(ctx, await vpc_rows(ctx))).values()
        if found.implied or found.key in used:
            sentence = f"The dhcpOptions '{found.id}' has dependencies and cannot be deleted."
            raise Ec2Error("DependencyViolation", sentence)
        gone = await ctx.store.delete(ctx.owner_id, KIND, found.key, versions.get(found.key, 0))
    await resource_tags.forget(ctx, KIND, found.key)


async def join(ctx: Context, tier: Row) -> None:
    """Give a new tier the domain name of its VPC's set; CloudStack makes it with the VPC's own."""
    key = await _key_of(ctx, tier["vpcid"]) if tier.get("vpcid") else None
    if key is None:
        return
    options = await ctx.store.get(ctx.owner_id, KIND, key)
    if options and options.get(DOMAIN):
        await _name(ctx, tier, options[DOMAIN][0])


async def leave_vpc(ctx: Context, vpc: str) -> None:
    """Forget which set a VPC that is gone had, and the tags on the one that it implied."""
    await ctx.store.delete(ctx.owner_id, OF_VPC, vpc)
    await resource_tags.forget(ctx, KIND, vpc)
