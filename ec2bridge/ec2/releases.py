"""What of EC2 needs a younger CloudStack than the oldest that is supported.

CloudStack ignores a parameter that it does not know, so one that came after 4.18 is looked up in the caller's own
`listApis` before anything rests on it; where it is missing the request is refused by name, never answered as if done.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error


@dataclass(frozen=True, slots=True)
class Need:
    """What a client asks for, and the native command, with its parameter if that came later, which serves it.

    Without a command nothing announces it, and the release itself has to tell.
    """

    what: str
    """As the refusal names it."""
    since: str
    command: str
    parameter: str
    actions: Mapping[str, tuple[str, ...]]
    """The actions of which it is a part, each with the members of its requests that need it; none for the whole."""


COPY = Need("A copy of a snapshot in another zone", "4.19", "copySnapshot", "", {"CopySnapshot": ()})
NAT_GATEWAY = Need(
    "A NAT gateway",
    "4.19",
    "updateVPC",
    "sourcenatipaddress",
    {"CreateNatGateway": (), "DeleteNatGateway": ()},
)
PROTECTION = Need(
    "The parameter DisableApiTermination",
    "4.20",
    "updateVirtualMachine",
    "deleteprotection",
    {"RunInstances": ("DisableApiTermination",), "ModifyInstanceAttribute": ("DisableApiTermination",)},
)
ARM_IMAGE = Need(
    "The parameter Architecture with the value 'arm64'",
    "4.20",
    "registerTemplate",
    "arch",
    {"RegisterImage": ("Architecture",)},
)
ARM_SNAPSHOT = Need(
    "The parameter Architecture with the value 'arm64' for an image of a snapshot",
    "4.20.2",
    "createTemplate",
    "arch",
    {"RegisterImage": ("Architecture",)},
)
LEASE = Need(
    "A spot instance",
    "4.21",
    "deployVirtualMachine",
    "leaseduration",
    {
        "RunInstances": ("InstanceMarketOptions",),
        "RequestSpotInstances": (),
        "CreateFleet": ("TargetCapacitySpecification",),
    },
)
ROUTE = Need(
    "A route to an instance or a network interface",
    "4.21",
    "createStaticRoute",
    "nexthop",
    {
        "CreateRoute": ("InstanceId", "NetworkInterfaceId"),
        "ReplaceRoute": ("InstanceId", "NetworkInterfaceId"),
    },
)
# Tiers have their VPC's name servers for sure from then on; before they had the zone's (pull request 8621).
NAME_SERVERS = Need(
    "A VPC with name servers of its own (the tag dhcp-options-id)",
    "4.19.1",
    "",
    "",
    {"CreateVpc": ("TagSpecifications",)},
)

NEEDS = (COPY, NAT_GATEWAY, NAME_SERVERS, PROTECTION, ARM_IMAGE, ARM_SNAPSHOT, LEASE, ROUTE)


def missing(version: str) -> list[Need]:
    """What a release lacks."""
    return [need for need in NEEDS if _numbers(version) < _numbers(need.since)]


def needed_by(action: str) -> tuple[Need, ...]:
    """What of an action needs a younger release than the oldest."""
    return tuple(need for need in NEEDS if action in need.actions)


async def has(ctx: Context, need: Need) -> bool:
    """Whether the cloud has what is needed, and the caller may use it."""
    if not need.command:
        return not await is_before(ctx, need.since)
    if need.parameter:
        return bool(await ctx.account.takes(need.command, need.parameter))
    return bool(await ctx.account.may_call(need.command))


async def require(ctx: Context, need: Need) -> None:
    """Refuse what the cloud lacks: it needs a later release, or a right that the caller has not got."""
    if await has(ctx, need):
        return
    if await is_before(ctx, need.since):
        version = short((await ctx.account.capabilities())["cloudstackversion"])
        raise Ec2Error(
            "UnsupportedOperation", f"{need.what} needs CloudStack {need.since}; this is {version}."
        )
    raise Ec2Error(
        "UnsupportedOperation",
        f"{need.what} needs CloudStack's {need.command}, which your role does not allow.",
    )


async def is_before(ctx: Context, release: str) -> bool:
    """Whether the cloud is known to be older than a release: for what answers leave out, which nothing announces."""
    version = str((await ctx.account.capabilities()).get("cloudstackversion", ""))
    return bool(version) and _numbers(version) < _numbers(release)


def short(version: str) -> str:
    """Return a version as it is spoken of: `4.18.2.5` → 4.18.2, `4.18.0.0` → 4.18."""
    parts = version.removesuffix("-SNAPSHOT").split(".")[:3]
    return ".".join(parts[:2] if parts[2:] in ([], ["0"]) else parts)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.removesuffix("-SNAPSHOT").split(".")[:3] if part.isdigit()]
