"""A launch as CloudStack takes it: everything that RunInstances asks for, resolved before anything is changed.

EC2 has a default for almost all of it (subnet, zone, type, groups) and CloudStack for almost nothing, and what AWS
sets on a machine as it is made (its name, its extra disks, a public address) CloudStack does one thing after another.
So a launch becomes the parameters of deployVirtualMachine, and a list of what is done after it.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS
from ec2bridge.resources import placement_groups
from ec2bridge.resources.groups.membership import membership
from ec2bridge.resources.images import parameters
from ec2bridge.resources.instance_types import TYPE_DETAIL, resolve_type
from ec2bridge.resources.instances import (
    cpu_credits,
    instance_profiles,
    metadata_options,
    protection,
    user_data,
)
from ec2bridge.resources.instances.protection import require_protection, shutdown_behaviour
from ec2bridge.resources.key_pairs import records as key_records
from ec2bridge.resources.launches.ahead import early_addresses, early_groups, early_networks, expected
from ec2bridge.resources.launches.disks import Disks, disks
from ec2bridge.resources.launches.groups import launch_groups
from ec2bridge.resources.launches.network import Nics, nics
from ec2bridge.resources.machines import states as machine_states
from ec2bridge.resources.places.deletion import Place
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.tags.tagging import WIDEST

Row = dict[str, Any]

DEFAULT_TYPE = "m1.small"
KINDS_TAGGED = ("instance", "volume", "network-interface")
MOST = 1000
"""Machines of one launch: an account without a quota could otherwise fill the cloud by a slip of the keyboard."""


@dataclass(slots=True)
class Launch:
    """What a launch has decided."""

    least: int
    most: int
    token: str
    stem: str
    """The beginning of all its machines' names, derived from the token."""
    zone: Zone
    nics: Nics
    groups: list[str]
    disks: Disks
    params: Row
    details: Row
    tags: dict[str, dict[str, str]]
    taken: dict[str, set[str]]
    """Network → addresses that are taken there, of the networks that have been asked already."""
    places: list[Place]
    """What may be deleted while it is made."""
    marks: dict[str, str] = field(default_factory=dict)
    protect: bool = False

    def name(self, index: int) -> str:
        """The name of one of the machines, unique in its network."""
        return f"{self.stem}-{index}"


async def plan(ctx: Context, request: dict[str, Any]) -> Launch:
    """Resolve a RunInstances request, with nothing but reads; raises what AWS raises for what is wrong."""
    least, most = _counts(request)
    tags = resource_tags.specifications(request, *KINDS_TAGGED)
    needs = await expected(ctx, request)
    image, found, known, taken = await asyncio.gather(
        image_rows(ctx, request.get("ImageId")),
        early_networks(ctx, request),
        early_groups(ctx, request),
        early_addresses(ctx, needs),
    )
    placed = await nics(ctx, request, image, found)
    offering, custom = await resolve_type(ctx, request.get("InstanceType") or DEFAULT_TYPE, placed.zone.uuid)
    groups = await launch_groups(ctx, request, placed, known)
    needs.networks = tuple(placed.chosen_here)
    hard = await disks(ctx, request, placed.zone)
    hard.check_root(image)
    hard.check_root_kind(ctx, offering)
    token = request.get("ClientToken") or ""
    apart = await _placement_group(ctx, request)
    launch = Launch(
        least,
        most,
        token,
        _stem(ctx, token),
        placed.zone,
        placed,
        groups,
        hard,
        params={
            "zoneid": placed.zone.uuid,
            "templateid": image[0]["id"],
            "serviceofferingid": offering["id"],
            "userdata": user_data.checked(request.get("UserData")),
            "keypair": await _key(ctx, request),
            "displayname": tags["instance"].get("Name", "")[:WIDEST] or None,
            "affinitygroupnames": [apart["name"]] if apart else None,
            **hard.params(),
        },
        details={TYPE_DETAIL: request.get("InstanceType") or DEFAULT_TYPE, **custom},
        tags=tags,
        taken=taken,
        places=[
            *(("subnet", network["id"]) for network in placed.rows),
            *(("security-group", group) for group in groups),
            *([("placement-group", apart["id"])] if apart else ()),
        ],
    )
    launch.details[key_records.KEY_DETAIL] = key_records.told(
        request.get("KeyName"), launch.params["keypair"]
    )
    if placed.zone.security_groups:
        launch.params["securitygroupids"] = groups
    elif groups:
        launch.marks[machine_states.GROUPS] = membership(groups)
    await _switches(ctx, request, launch)
    recovery = (request.get("MaintenanceOptions") or {}).get("AutoRecovery")
    if protection.unrecovered(recovery, recovers=bool(offering.get("offerha"))):
        launch.marks[machine_states.NO_RECOVERY] = "true"
    return launch


def _counts(request: dict[str, Any]) -> tuple[int, int]:
    for name in ("MinCount", "MaxCount"):
        if request.get(name) is None:
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
    least, most = request["MinCount"], request["MaxCount"]
    if least < 1 or most < least:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({most if least > 0 else least}) for parameter {'maxCount' if least > 0 else 'minCount'} is"
            " invalid: minCount must be at least 1 and maxCount no less than minCount.",
        )
    if least > MOST:
        raise Ec2Error(
            "InstanceLimitExceeded", f"At most {MOST} instances can be launched at once, not {least}."
        )
    return least, min(most, MOST)


def _stem(ctx: Context, token: str) -> str:
    digest = hashlib.sha256(f"{ctx.owner_id}/{token or ctx.request_id}".encode()).hexdigest()
    return f"ec2-{digest[:17]}"


async def image_rows(ctx: Context, ident: str | None) -> list[Row]:
    """Return the image's rows, one for each zone that has it."""
    ident = await parameters.resolved(ctx, ident)
    if not ident:
        raise Ec2Error("MissingParameter", "The request must contain the parameter ImageId")
    uuid = await ctx.directory.resolve("image", ident)
    try:
        rows: list[Row] = await ctx.account.list("listTemplates", templatefilter="executable", id=uuid)
        # One's own that is still being made is not executable yet, but there.
        rows = rows or await ctx.account.list("listTemplates", templatefilter="self", id=uuid)
    except CloudStackError as error:
        # 431: it never was; 531: it is another account's own.
        if error.errorcode not in (431, 531):
            raise
        rows = []
    if not rows:
        raise KINDS["image"].missing(ident)
    ready = [row for row in rows if row.get("isready", True)]
    if not ready:
        raise Ec2Error("InvalidAMIID.Unavailable", f"The image id '[{ident}]' is not yet available for use")
    return ready


async def _key(ctx: Context, request: dict[str, Any]) -> str | None:
    name: str | None = request.get("KeyName")
    if not name:
        return None
    native = await key_records.native_name(ctx, name)
    if native is None:
        raise Ec2Error("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    return native


async def _placement_group(ctx: Context, request: dict[str, Any]) -> Row | None:
    placement = request.get("Placement") or {}
    name, ident = placement.get("GroupName"), placement.get("GroupId")
    if name and ident:
        sentence = "The parameter GroupName may not be used in combination with GroupId"
        raise Ec2Error("InvalidParameterCombination", sentence)
    if ident:
        return await placement_groups.find(ctx, ident)
    if not name:
        return None
    rows = await ctx.account.list("listAffinityGroups", name=name)
    found: Row | None = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise Ec2Error("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
    return found


async def _switches(ctx: Context, request: dict[str, Any], launch: Launch) -> None:
    """Note what later calls may switch: protection, shutdown behaviour, the lock against stopping."""
    # CloudStack never destroys a machine whose system shuts down: the behaviour is kept and told, as the client set it.
    if request.get("InstanceInitiatedShutdownBehavior"):
        launch.marks[machine_states.SHUTDOWN] = shutdown_behaviour(
            request["InstanceInitiatedShutdownBehavior"]
        )
    if (launch.nics.wanted[0].get("Record") or {}).get("check") is False:
        launch.marks[machine_states.SOURCE_CHECK] = "false"
    launch.marks |= _told(ctx, request)
    if request.get("DisableApiStop"):
        launch.marks[machine_states.STOP_LOCK] = "true"
    if request.get("DisableApiTermination"):
        await require_protection(ctx)
        launch.protect = True
    if (launch.nics.address or launch.nics.exist) and launch.most > 1:
        raise Ec2Error(
            "InvalidParameterCombination",
            "A private address can be given to one instance only: MaxCount is more.",
        )


def _told(ctx: Context, request: dict[str, Any]) -> dict[str, str]:
    """Return the reserved tags for what CloudStack leaves no choice about, but Terraform would change for ever."""
    marks = {
        machine_states.EBS_OPTIMIZED: "true" if request.get("EbsOptimized") else "",
        machine_states.MONITORING: "true" if (request.get("Monitoring") or {}).get("Enabled") else "",
        metadata_options.MARK: metadata_options.mark(
            metadata_options.changed(metadata_options.DEFAULTS, request.get("MetadataOptions") or {})
        ),
    }
    marks[instance_profiles.MARK] = instance_profiles.asked(ctx, request.get("IamInstanceProfile"))
    reservation = request.get("CapacityReservationSpecification") or {}
    if reservation.get("CapacityReservationPreference") == "none":
        marks[machine_states.NO_RESERVATION] = "true"
    credits = (request.get("CreditSpecification") or {}).get("CpuCredits")
    if credits:
        marks[cpu_credits.MARK] = cpu_credits.option(credits)
    return {name: value for name, value in marks.items() if value}
