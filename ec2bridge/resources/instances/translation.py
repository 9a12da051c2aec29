"""CloudStack machines as EC2 instances: addresses, volumes, groups, tags.

One row of listVirtualMachines has most of an instance. What it lacks (volumes, a network's VPC, a template's
architecture) is listed once for all machines or remembered, so that a listing of a thousand costs no more calls than
one of ten. What CloudStack does not know is left out.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ec2bridge.ec2.context import owner_of
from ec2bridge.ids import ec2_id
from ec2bridge.resources.instance_types import (
    ARCHITECTURES,
    hypervisor,
    is_windows,
    platform,
    size_of,
    threads_per_core,
    type_of,
)
from ec2bridge.resources.instances import instance_profiles, metadata_options
from ec2bridge.resources.instances.facts import Facts
from ec2bridge.resources.instances.network import add_network, has_mark
from ec2bridge.resources.key_pairs.records import KEY_DETAIL, SAME_KEY
from ec2bridge.resources.machines.devices import ROOT_DEVICE, device_name
from ec2bridge.resources.machines.states import (
    EBS_OPTIMIZED,
    HOST_NAMES,
    INDEX,
    KEY_NAMES,
    MONITORING,
    NO_RECOVERY,
    NO_RESERVATION,
    RESERVATION,
    TOKEN,
    made_by_ec2,
    state_item,
    state_of,
)
from ec2bridge.resources.machines.stops import is_under_way
from ec2bridge.resources.machines.volumes import goes_with_machine
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.tags import resource_tags

_NUMBER = re.compile(r"[0-9]{1,9}")

Row = dict[str, Any]
Item = dict[str, Any]

_FULLY_VIRTUAL = frozenset({"KVM", "VMware", "Hyperv", "Simulator"})


def instance(facts: Facts, row: Row) -> Item:
    """Translate one machine."""
    uuid, details = row["id"], row.get("details") or {}
    record = facts.records.get(uuid)
    state = state_of(row, record, facts.moving.get(uuid))
    gone = state == "terminated"
    launched = datetime.fromisoformat(row["created"])
    zone = facts.zones.get(row["zoneid"])
    item: Item = {
        "InstanceId": ec2_id("i", uuid),
        "ImageId": ec2_id("ami", row["templateid"]) if "templateid" in row else None,
        "State": state_item(state),
        "PrivateDnsName": "" if gone else row["name"],
        # Of a machine that has a public address `add_network` says more.
        "PublicDnsName": "",
        "StateTransitionReason": "",
        "AmiLaunchIndex": _index(details),
        "ProductCodes": [],
        "InstanceType": type_of(facts.types, row),
        "LaunchTime": launched,
        "Placement": _placement(zone, row),
        # CloudStack measures every machine each minute, which is what AWS calls detailed: the client's word stands.
        "Monitoring": {"State": "enabled" if has_mark(row, MONITORING, "true") else "disabled"},
        "ClientToken": details.get(TOKEN, ""),
        "EbsOptimized": has_mark(row, EBS_OPTIMIZED, "true"),
        # As its type says: CloudStack's machines have network cards of other makes.
        "EnaSupport": False,
        "CapacityReservationSpecification": {
            "CapacityReservationPreference": "none" if has_mark(row, NO_RESERVATION, "true") else "open"
        },
        "HibernationOptions": {"Configured": False},
        "EnclaveOptions": {"Enabled": False},
        "MaintenanceOptions": {
            "AutoRecovery": "disabled" if has_mark(row, NO_RECOVERY, "true") else "default",
            "RebootMigration": "default",
        },
        "PrivateDnsNameOptions": {**HOST_NAMES},
        "MetadataOptions": {"State": "applied", **metadata_options.chosen(row)},
        "RootDeviceName": ROOT_DEVICE,
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [],
        "SecurityGroups": [],
        "_Zone": zone,
        "_Offering": row.get("serviceofferingid"),
    }
    _add_optional(item, facts, row)
    # Behind the machine's own members, as on AWS: fog's parser of RunInstances ends a machine with the first tag.
    item["Tags"], item["NetworkInterfaces"] = tags_of(facts, row), []
    owner = _owner(facts, row)
    item["_Reservation"] = details.get(RESERVATION) or ec2_id("r", uuid)
    item["_Owner"] = owner
    if not gone:
        volumes = sorted(facts.volumes.get(uuid, ()), key=_device_id)
        item["BlockDeviceMappings"] = [mapping(volume, launched) for volume in volumes]
    if row.get("nic") and not gone:
        add_network(item, facts, row, owner, launched)
    if record is not None:
        _add_reason(item, record)
    elif stop := facts.stops.get(uuid):
        _add_stop(item, row, state, stop)
    return item


def _add_optional(item: Item, facts: Facts, row: Row) -> None:
    """Add what some machines have and AWS leaves out otherwise."""
    details = row.get("details") or {}
    key = details.get(KEY_DETAIL, SAME_KEY)
    if key == SAME_KEY:
        key = row.get("keypairs") or row.get("keypair") or details.get(KEY_NAMES)
    if key:
        item["KeyName"] = str(key).partition(",")[0]
    # The image's, as DescribeImages tells it; CloudStack tells a machine's own to administrators, from 4.20.1 on.
    image = facts.images.get(row.get("templateid", ""))
    architecture = image.architecture if image else ARCHITECTURES.get(row.get("arch", ""))
    if architecture:
        item["Architecture"] = architecture
    if row.get("leaseduration"):
        item["InstanceLifecycle"] = "spot"
    item["Hypervisor"] = hypervisor(row)
    if image:
        item["VirtualizationType"] = image.virtualization
    elif row.get("hypervisor") in _FULLY_VIRTUAL:
        item["VirtualizationType"] = "hvm"
    size = size_of(row)
    if size:
        threads = threads_per_core(row)
        item["CpuOptions"] = {"CoreCount": max(1, size.cpus // threads), "ThreadsPerCore": threads}
    profile = instance_profiles.told(row)
    if profile:
        item["IamInstanceProfile"] = profile
    windows = is_windows(row)
    if windows:
        item["Platform"] = "windows"
    item["PlatformDetails"], item["UsageOperation"] = platform(windows=windows)


def _index(details: Mapping[str, Any]) -> int:
    """The place in the launch; an image's owner, and the machine's, can write anything there in CloudStack."""
    told = str(details.get(INDEX) or "")
    return int(told) if _NUMBER.fullmatch(told) else 0


def _owner(facts: Facts, row: Row) -> str:
    key = (row.get("domainid"), row.get("account"), row.get("projectid"))
    owner = facts.owners.get(key)
    if owner is None:
        owner = facts.owners[key] = owner_of(row)
    return owner


def _placement(zone: Zone | None, row: Row) -> Item:
    groups = row.get("affinitygroup")
    placement: Item = {"GroupName": groups[0]["name"] if groups else "", "Tenancy": "default"}
    if groups:
        placement["GroupId"] = ec2_id("pg", groups[0]["id"])
    if zone is not None:
        placement["AvailabilityZone"] = zone.name
        placement["AvailabilityZoneId"] = zone.id
    return placement


def _device_id(volume: Row) -> int:
    return int(volume.get("deviceid", 0))


def mapping(volume: Row, launched: datetime) -> Item:
    """Translate one attached volume of a machine."""
    attached = volume.get("attached")
    return {
        "DeviceName": device_name(volume),
        "Ebs": {
            "VolumeId": ec2_id("vol", volume["id"]),
            "Status": "attached",
            "DeleteOnTermination": goes_with_machine(volume),
            # A volume that was made with its machine has no time of its own.
            "AttachTime": datetime.fromisoformat(attached) if attached else launched,
        },
    }


def tags_of(facts: Facts, row: Row) -> list[dict[str, str]]:
    """Return a machine's tags; one that was made outside EC2 has its display name for a Name."""
    native, stored = row.get("tags"), facts.tags.get(row["id"])
    tags = resource_tags.as_list({**resource_tags.native(row), **(stored or {})}) if native or stored else []
    named = row.get("displayname")
    if (
        not made_by_ec2(row)
        and named
        and named != row.get("name")
        and all(tag["Key"] != "Name" for tag in tags)
    ):
        tags.append({"Key": "Name", "Value": named})
    return tags


def _add_stop(item: Item, row: Row, state: str, stop: Mapping[str, Any]) -> None:
    """Say that a stop was the user's, if it was EC2's, or why a start or a stop failed.

    Of other stops CloudStack does not tell why a machine stopped.
    """
    under_way = is_under_way(stop)
    now = row.get("lastupdated"), row.get("state")
    if not under_way and (stop["state"], stop.get("rests", now[1])) != now:
        return
    if failure := stop.get("reason"):
        item["StateReason"] = {"Code": failure[0], "Message": f"{failure[0]}: {failure[1]}"}
        item["StateTransitionReason"] = f"{failure[0]} ({stop['at']})"
    elif state in ("stopping", "stopped"):
        item["StateTransitionReason"] = "User initiated" + f" ({stop['at']})" * (state == "stopped")
        code = "Client.UserInitiatedShutdown"
        item["StateReason"] = {"Code": code, "Message": f"{code}: User initiated shutdown"}


def _add_reason(item: Item, record: Mapping[str, Any]) -> None:
    """Say why a machine is terminated."""
    reason = record.get("reason")
    if reason:
        item["StateReason"] = {"Code": reason[0], "Message": f"{reason[0]}: {reason[1]}"}
        by_user = reason[0].startswith("Client.User")
        item["StateTransitionReason"] = f"User initiated ({record['at']})" if by_user else reason[0]
