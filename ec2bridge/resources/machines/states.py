"""The states of machines, and the names under which the bridge remembers what CloudStack has no field for.

A state is CloudStack's word, except while a launch, a termination or a switch that the bridge has begun is under way.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.resources.machines import records as machine_records

Row = dict[str, Any]
Item = dict[str, Any]

RESERVATION, INDEX, TOKEN, ADDRESS = (
    f"ec2bridge.{name}" for name in ("reservation", "index", "token", "address")
)
"""Machine details, written once at deploy."""
KEY_NAMES = "SSH.KeyPairNames"
"""CloudStack's own detail with the key pair's name."""
PUBLIC_KEY = "SSH.PublicKey"
"""CloudStack's own detail with the key itself, which it hands to the machine."""
LAUNCH_KIND = "launch"
"""Kind of the store's copies of those details."""
STOP_KIND = "stop"
"""Kind of the store's notes of stops that EC2 asked for, and of starts and stops that failed (with the `reason`): when,
and CloudStack's time of the state that it led to."""
GROUPS, SHUTDOWN, STOP_LOCK, SOURCE_CHECK = "groups", "shutdown", "no-stop", "source-check"
EBS_OPTIMIZED = "ebs-optimized"
MONITORING = "monitoring"
NO_RESERVATION = "no-capacity-reservation"
NO_RECOVERY = "no-recovery"
"""Reserved tags on a machine (without prefix), for what changes later."""
LAUNCH_MARK = "launch"
"""Reserved tag on a public address that a launch acquired: the machine's uuid. It is no Elastic IP of the client's."""
KEEP_MARK = "delete-on-termination"
"""Reserved tag on a volume; without it a root volume goes with its machine and any other stays."""

CODES = MappingProxyType(
    {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
)
HOST_NAMES = MappingProxyType(
    {
        "HostnameType": "ip-name",
        "EnableResourceNameDnsARecord": False,
        "EnableResourceNameDnsAAAARecord": False,
    }
)
"""AWS's default for the names that machines get; the names are CloudStack's, and nothing about them can be chosen."""


def host_name_filters(prefix: str, member: str) -> dict[str, str]:
    """Return the filters by those options: the filter's name → the member's path."""
    return {
        f"{prefix}.hostname-type": f"{member}.HostnameType",
        f"{prefix}.enable-resource-name-dns-a-record": f"{member}.EnableResourceNameDnsARecord",
        f"{prefix}.enable-resource-name-dns-aaaa-record": f"{member}.EnableResourceNameDnsAAAARecord",
    }


# A machine whose host is out of touch ("Unknown") has not been seen to stop; its status tells of the doubt.
STATES = MappingProxyType(
    {
        "Starting": "pending",
        "Restoring": "pending",
        "Running": "running",
        "Migrating": "running",
        "Unknown": "running",
        "Stopping": "stopping",
        "Stopped": "stopped",
        "Shutdown": "stopped",
        "Expunging": "shutting-down",
        "Destroyed": "terminated",
        "Error": "terminated",
    }
)
_PHASES = MappingProxyType(
    {
        machine_records.LAUNCHING: "pending",
        machine_records.ENDING: "shutting-down",
        machine_records.UNDONE: "terminated",
        machine_records.ENDED: "terminated",
    }
)


def state_of(row: Row, record: Mapping[str, Any] | None = None, moving: str | None = None) -> str:
    """Return the EC2 state; a launch or termination under way outranks what CloudStack says."""
    if record is not None:
        return _PHASES[record["phase"]]
    if moving is not None:
        return moving
    state = row.get("state", "")
    if state == "Stopped" and "jobid" in row and "deployvm" in row.get("details", ()):
        # A machine that is being deployed lists as Stopped until its host starts it.
        return "pending"
    return STATES.get(state, "pending")


def state_item(name: str) -> Item:
    """Return a state as EC2 writes it, with its code."""
    return {"Code": CODES[name], "Name": name}


def moving(ctx: Context) -> dict[str, str]:
    """Return uuid → state of machines that this process has asked to start or stop, until their job ends."""
    states: dict[str, str] = ctx.site.caches.setdefault("machines-moving", {})
    return states


def made_by_ec2(row: Row) -> bool:
    """Whether the bridge launched the machine; one made of its image outside EC2 inherits the details, blank."""
    return bool((row.get("details") or {}).get(RESERVATION))
