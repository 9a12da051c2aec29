"""What `check --access-key` looks at: zone by zone, what will work for a user, by the functions of requests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import registry, releases
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.operator.findings import Finding, Report, bad, note, ok
from ec2bridge.resources.images import parameters
from ec2bridge.resources.instance_types import type_table
from ec2bridge.resources.places.networks import default_network, has_static_nat
from ec2bridge.resources.places.zones import Zone, zones
from ec2bridge.resources.volumes.types import choose_offering, disk_offerings
from ec2bridge.resources.vpcs.default_subnets import network_offering
from ec2bridge.resources.vpcs.offerings import VPC_SERVICES, has_vpcs, tier_offering, vpc_offering

Row = dict[str, Any]

ACL_COMMANDS = ("createNetworkACLList", "createNetworkACL", "replaceNetworkACLList", "deleteNetworkACLList")
FIREWALL_COMMANDS = ("createFirewallRule", "listFirewallRules", "deleteFirewallRule")
SIZE_LIMIT, DATA_LIMIT = "network.guest.cidr.limit", "vm.userdata.max.length"
AWS_LARGEST = 16
"""AWS's largest subnet is a /16."""
AWS_DATA = 16 * 1024
"""AWS's most user data, in bytes before Base64."""
QUOTAS = {
    "user_vm": ("vm", "instances"),
    "public_ip": ("ip", "addresses"),
    "volume": ("volume", "volumes"),
    "snapshot": ("snapshot", "snapshots"),
    "template": ("template", "images"),
    "network": ("network", "subnets"),
    "vpc": ("vpc", "VPCs"),
    "cpu": ("cpu", "CPUs"),
    "memory": ("memory", "MiB of memory"),
    "primary_storage": ("primarystorage", "GiB of volumes"),
}
"""CloudStack's kind of limit → the stem of the fields of listAccounts that tell it, and what it counts for EC2."""


async def look(report: Report, ctx: Context) -> None:
    """Look at all that the caller of a context may do."""
    await report.look("whose key it is", "", lambda: _who(ctx))
    await report.look("the role's commands", "", lambda: _commands(ctx))
    await report.look("quotas", "", lambda: _quotas(ctx))
    for zone in await zones(ctx):
        for title, work in _IN_ZONE:
            await report.look(title, zone.name, partial(work, ctx, zone))
    await report.look("images' parameters", "", lambda: _parameters(ctx))
    await report.look("snapshots", "", lambda: _snapshots(ctx))


async def _who(ctx: Context) -> Finding:
    who = ctx.identity
    return ok(f"{who.user_name} of {who.account}, EC2's account {ctx.owner_id}")


async def _commands(ctx: Context) -> list[Finding]:
    """Tell each native command that actions need and the role lacks."""
    allowed = await ctx.account.apis()
    lacking: dict[str, list[str]] = {}
    needs = {(action, need.command): need for need in releases.NEEDS for action in need.actions}
    for entry in registry.served():
        for command in entry.native:
            if command not in allowed and (entry.name, command) not in needs:
                lacking.setdefault(command, []).append(entry.name)
    if not lacking:
        return [ok(f"all that {len(registry.served())} actions need")]
    return [
        bad(
            f"{command} is missing: {', '.join(actions)} will be refused",
            f"cmk create rolepermission roleid=THE-ROLE rule={command} permission=allow, unless it is meant so",
        )
        for command, actions in sorted(lacking.items())
    ]


async def _quotas(ctx: Context) -> list[Finding]:
    """Tell what is used up, or not allowed at all."""
    limits = {
        row["resourcetypename"]: int(row["max"]) for row in await ctx.account.list("listResourceLimits")
    }
    project = ctx.credentials.project_id
    if project:
        rows = await ctx.account.list("listProjects", id=project)
    else:
        rows = [row for row in await ctx.account.list("listAccounts") if row["name"] == ctx.identity.account]
    used: Row = rows[0] if rows else {}
    found = []
    for kind, (stem, what) in QUOTAS.items():
        most, taken = limits.get(kind, -1), int(used.get(f"{stem}total", 0))
        fix = f"cmk update resourcelimit account=… domainid=… resourcetype=… max=… ({kind})"
        if most == 0:
            found.append(bad(f"no {what} are allowed (the limit is 0)", fix))
        elif 0 < most <= taken:
            found.append(bad(f"all {most} {what} are used", fix))
        elif most > 0 and taken > 0.9 * most:
            found.append(note(f"{taken} of {most} {what} are used", fix))
    told = ", ".join(
        f"{limits[kind]} {what}" for kind, (_, what) in QUOTAS.items() if limits.get(kind, -1) > 0
    )
    return found or [ok(told or "no limits")]


async def _state(ctx: Context, zone: Zone) -> Finding:
    if zone.row.get("allocationstate", "Enabled") != "Enabled":
        return bad(
            "it is disabled: nothing can be launched there",
            f"cmk update zone id={zone.uuid} allocationstate=Enabled",
        )
    kind = "basic" if zone.basic else f"advanced{' with security groups' if zone.security_groups else ''}"
    return ok(f"{zone.native_name}, {kind}")


async def _groups(ctx: Context, zone: Zone) -> list[Finding]:
    """Tell what enforces groups there: docs/cloudstack.md has the table."""
    if zone.basic or zone.security_groups:
        return [ok("CloudStack itself enforces them, on every machine")]
    allowed = await ctx.account.apis()
    found = []
    if lacking := [command for command in FIREWALL_COMMANDS if command not in allowed]:
        found.append(
            bad(
                f"in isolated networks nothing would let anybody in: the role lacks {', '.join(lacking)}",
                "allow them to the users' role",
            )
        )
    else:
        found.append(
            note(
                "isolated networks: only what comes in by a public address is held to them, egress rules are not"
            )
        )
    if not ctx.settings.enforce_groups_in_vpcs:
        found.append(
            note(
                "VPCs: not enforced, by enforce_groups_in_vpcs = false",
                "set it true, or tell your users of ACLs",
            )
        )
    elif lacking := [command for command in ACL_COMMANDS if command not in allowed]:
        found.append(
            bad(
                f"VPCs: not enforced, the role lacks {', '.join(lacking)}",
                "allow them to the users' role, or set enforce_groups_in_vpcs = false and tell your users",
            )
        )
    else:
        found.append(
            note("VPCs: enforced per tier, by ACL lists: a port open for one machine is open for its tier")
        )
    rows = await ctx.account.list("listNetworks", zoneid=zone.uuid)
    shared = [row["name"] for row in rows if row.get("type") == "Shared"]
    if shared:
        found.append(
            bad(
                f"on the shared networks {', '.join(shared)} nothing enforces them",
                "have users launch into isolated networks or VPCs, or make a zone with security groups",
            )
        )
    return found


async def _subnet(ctx: Context, zone: Zone) -> Finding:
    found = await default_network(ctx, zone)
    if found is not None:
        return ok(f"{found['name']} ({found.get('cidr', 'a range that CloudStack does not tell users')})")
    if zone.basic or zone.security_groups:
        return bad(
            "there is no network that this user may launch into",
            "make a shared network there, for the user's domain or for all",
        )
    try:
        offering = await network_offering(ctx, zone)
    except Ec2Error:
        return bad(
            "there is none, and no network offering to make one with: launches must name a subnet",
            "enable an offering for isolated networks with SourceNat, StaticNat, Dhcp and UserData (cmk update"
            " networkoffering id=… state=Enabled), or name one in network_offering",
        )
    return ok(f"there is none yet; the first launch makes an isolated network of the offering {offering}")


async def _static_nat(ctx: Context, zone: Zone) -> Finding:
    network = await default_network(ctx, zone)
    if network is None and not (zone.basic or zone.security_groups):
        return ok("what a launch makes has it")
    if network is not None and has_static_nat(network):
        return ok(f"in {network['name']}")
    return note(
        "the default subnet has none: no Elastic IP and no public address there",
        "give users an isolated network or a VPC, if the zone can have them; else machines are reached by their own",
    )


async def _vpcs(ctx: Context, zone: Zone) -> Finding:
    if not has_vpcs(zone):
        return note("none: CloudStack has them in advanced zones without security groups alone")
    try:
        chosen = await vpc_offering(ctx, zone)
    except Ec2Error:
        return bad(
            f"there is no VPC offering with {', '.join(sorted(VPC_SERVICES))}: CreateVpc will be refused",
            "enable or make one: cmk list vpcofferings; cmk update vpcoffering id=… state=Enabled",
        )
    except CloudStackError as error:
        return bad(
            f"VPC offerings cannot be listed: {error.errortext}", "allow listVPCOfferings to the users' role"
        )
    rows = await ctx.account.list("listVPCOfferings", state="Enabled", zoneid=zone.uuid)
    offering = next(row for row in rows if row["id"] == chosen)
    try:
        tier = await tier_offering(ctx, {"zoneid": zone.uuid, "service": offering.get("service", [])})
    except Ec2Error:
        return bad(
            f"VPCs of the offering {offering['name']}, and none for their tiers: CreateSubnet will be refused",
            "enable one for VPCs: cmk list networkofferings forvpc=true; cmk update networkoffering id=… state=Enabled",
        )
    return ok(f"of the offering {offering['name']}, tiers of {await _name_of(ctx, tier)}")


async def _name_of(ctx: Context, offering: str) -> str:
    rows = await ctx.account.list("listNetworkOfferings", id=offering)
    return str(rows[0]["name"]) if rows else offering


async def _types(ctx: Context, zone: Zone) -> Finding:
    table = await type_table(ctx)
    served = [name for name in table.aws if table.serving(name, zone.uuid)]
    if not served:
        return bad(
            "no offering has the size of any AWS type; only offerings' own names can be launched",
            "make offerings of AWS's sizes, or a customised one with limits; `ec2bridge init` shows the table",
        )
    small = [name for name in ("t2.micro", "t3.micro", "t3.small", "m5.large") if name not in served]
    text = f"{len(served)} of AWS's"
    return note(f"{text}, but not {', '.join(small)}, which examples use") if small else ok(text)


async def _images(ctx: Context, zone: Zone) -> Finding:
    rows = await ctx.account.list("listTemplates", templatefilter="executable", zoneid=zone.uuid)
    ready = [row for row in rows if row.get("isready", True)]
    if not ready:
        return bad("there is no image", "register a template for all, or share one with the user")
    return ok(f"{len(ready)}, such as {ready[0]['name']}")


async def _volumes(ctx: Context, zone: Zone) -> Finding:
    kind = ctx.mappings.volume_types.default
    try:
        row, _ = choose_offering(ctx, await disk_offerings(ctx), None, 8, zone.uuid)
    except Ec2Error:
        return bad(
            f"no disk offering serves a volume of 8 GiB of the type {kind}, which is what clients ask for",
            f"make a customised disk offering named {kind}, or name yours in volume-types.yaml (setting mappings)",
        )
    return ok(f"{kind} by the disk offering {row['name']}")


async def _parameters(ctx: Context) -> Finding:
    rows = await parameters.templates(ctx)
    found = [name for name in ctx.mappings.parameters.by_name if parameters.find(ctx, rows, name)]
    if not found:
        return note(
            "no featured template is called as any of AWS's public parameters wants it: those tell no image",
            "name yours in parameters.yaml (setting mappings), or tell users of /ec2bridge/image/NAME",
        )
    return ok(f"{len(found)} of AWS's names tell an image, such as {found[0]}")


async def _snapshots(ctx: Context) -> Finding:
    told = await ctx.account.capabilities()
    if told.get("kvmsnapshotenabled") is False:
        return note(
            "CloudStack's setting kvm.snapshot.enabled is false: on KVM, volumes in use cannot be snapshot",
            "cmk update configuration name=kvm.snapshot.enabled value=true",
        )
    return ok("as CloudStack takes them")


_IN_ZONE: tuple[tuple[str, Callable[[Context, Zone], Awaitable[Finding | list[Finding]]]], ...] = (
    ("the zone", _state),
    ("security groups", _groups),
    ("the default subnet", _subnet),
    ("static NAT", _static_nat),
    ("VPCs", _vpcs),
    ("instance types", _types),
    ("images", _images),
    ("volumes", _volumes),
)


async def limits(report: Report, administrator: Account | None) -> None:
    """Look at two limits that only an administrator sees."""
    if administrator is None:
        report.add(
            Finding(
                "note",
                "the largest subnet (22 by default: a /16 is refused) and user data's limit only an administrator sees",
                f"check with --admin-key, or: cmk list configurations name={SIZE_LIMIT}; … name={DATA_LIMIT}",
                "subnet size and user data",
            )
        )
        return
    await report.look("subnet size and user data", "", lambda: _limits(administrator))


async def _limits(administrator: Account) -> list[Finding]:
    return [finding async for finding in _limit_findings(administrator)]


async def _limit_findings(administrator: Account) -> AsyncIterator[Finding]:
    size = await _setting(administrator, SIZE_LIMIT)
    if size is not None and size > AWS_LARGEST:
        yield note(
            f"the largest subnet of a user is a /{size}; clients that ask for a /{AWS_LARGEST} are refused",
            f"cmk update configuration name={SIZE_LIMIT} value={AWS_LARGEST}",
        )
    elif size is not None:
        yield ok(f"subnets up to a /{size}")
    data = await _setting(administrator, DATA_LIMIT)
    if data is not None and data < AWS_DATA * 4 // 3:
        yield note(
            f"user data may have {data} bytes in Base64, AWS's {AWS_DATA} bytes need {AWS_DATA * 4 // 3}",
            f"cmk update configuration name={DATA_LIMIT} value=32768",
        )
    elif data is not None:
        yield ok(f"user data up to {data} bytes in Base64")


async def _setting(administrator: Account, name: str) -> int | None:
    rows = await administrator.list("listConfigurations", name=name)
    return next((int(row["value"]) for row in rows if row["name"] == name), None)
