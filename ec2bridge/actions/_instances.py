"""CloudStack machines as EC2 instances: addresses, volumes, groups, tags.

One row of listVirtualMachines has most of an instance. What it lacks (volumes, a network's VPC, a template's
architecture) is listed once for all machines or remembered, so that a listing of a thousand costs no more calls than
one of ten. What CloudStack does not know is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ec2bridge.actions import _groups, _tags
from ec2bridge.actions._context import Context, owner_of
from ec2bridge.actions._devices import ROOT_DEVICE, device_name
from ec2bridge.actions._key_records import KEY_DETAIL
from ec2bridge.actions._machines import (
    GROUPS,
    INDEX,
    KEEP_MARK,
    KEY_NAMES,
    RESERVATION,
    SOURCE_CHECK,
    TOKEN,
    moving,
    state_item,
    state_of,
)
from ec2bridge.actions._places import Zone, cached, default_vpc_id, vpc_ids, zones
from ec2bridge.actions._types import TypeTable, type_of, type_table
from ec2bridge.ids import ec2_id

Row = dict[str, Any]
Item = dict[str, Any]

_HYPERVISORS = MappingProxyType({"XenServer": "xen", "Ovm": "ovm", "Ovm3": "ovm"})
_FULLY_VIRTUAL = frozenset({"KVM", "VMware", "Hyperv", "Simulator"})


@dataclass(slots=True)
class Facts:
    """What a listing knows beside the machines' own rows."""

    zones: Mapping[str, Zone]
    types: TypeTable
    vpcs: Mapping[str, str]
    default_vpc: str
    architectures: Mapping[str, str | None]
    groups: Mapping[str, str]
    tags: Mapping[str, Mapping[str, str]]
    volumes: Mapping[str, list[Row]]
    records: Mapping[str, dict[str, Any]]
    moving: Mapping[str, str]
    owners: dict[tuple[Any, ...], str]


async def gather_facts(
    ctx: Context,
    rows: list[Row],
    records: Mapping[str, dict[str, Any]],
    volumes: Mapping[str, list[Row]] | None = None,
) -> Facts:
    """Collect what the translation of these rows needs; a handful of calls at most, however many rows."""
    return Facts(
        zones={zone.uuid: zone for zone in await zones(ctx)},
        types=await type_table(ctx),
        vpcs=await vpc_ids(ctx, {nic["networkid"] for row in rows for nic in row.get("nic", ())}),
        default_vpc=default_vpc_id(ctx),
        architectures=await _architectures(ctx, {row.get("templateid") for row in rows}),
        groups=await _group_names(ctx, rows),
        tags=await _tags.stored(ctx, "instance"),
        volumes=volumes or {},
        records=records,
        moving=moving(ctx),
        owners={},
    )


async def _architectures(ctx: Context, templates: set[str | None]) -> Mapping[str, str | None]:
    """Return template uuid → architecture; it never changes, so only a template never seen costs a listing."""
    known: dict[str, str | None] = ctx.site.caches.setdefault("architectures", {}).setdefault(
        ctx.account.cache_key, {}
    )
    wanted = {template for template in templates if template}
    if not wanted <= known.keys():
        for row in await ctx.account.list("listTemplates", templatefilter="executable", details="min"):
            known[row["id"]] = row.get("arch")
        # One that is gone, or was never the caller's to see, will not turn up later either.
        known.update(dict.fromkeys(wanted - known.keys()))
    return known


async def _group_names(ctx: Context, rows: list[Row]) -> Mapping[str, str]:
    """Return uuid → EC2 name of the groups that machines are in; listed only when one turns up that is unknown."""
    wanted = {uuid for row in rows for uuid in group_uuids(row)}
    if not wanted:
        return {}
    cache = cached(ctx, "group-names")
    names: Mapping[str, str] = await cache.get(ctx.account.cache_key, lambda: _groups.names(ctx))
    if not wanted <= names.keys():
        cache.forget(ctx.account.cache_key)
        names = await cache.get(ctx.account.cache_key, lambda: _groups.names(ctx))
    return names


def group_uuids(row: Row) -> list[str]:
    """Return the groups that a machine is in: CloudStack's own, or those in its reserved tag where zones have none."""
    native = row.get("securitygroup")
    if native:
        return [group["id"] for group in native]
    marked = _tags.RESERVED + GROUPS
    value = next((tag["value"] for tag in row.get("tags") or () if tag["key"] == marked), "")
    return [uuid for uuid in value.split(",") if uuid]


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
        "PublicDnsName": "",
        "StateTransitionReason": "",
        "AmiLaunchIndex": int(details.get(INDEX, 0)),
        "ProductCodes": [],
        "InstanceType": type_of(facts.types, row),
        "LaunchTime": launched,
        "Placement": _placement(zone, row),
        "Monitoring": {"State": "disabled"},
        "ClientToken": details.get(TOKEN, ""),
        "EbsOptimized": False,
        "RootDeviceName": ROOT_DEVICE,
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [],
        "SecurityGroups": [],
        "NetworkInterfaces": [],
        "Tags": tags_of(facts, row),
        "_Zone": zone,
    }
    _add_optional(item, facts, row)
    owner = _owner(facts, row)
    item["_Reservation"] = details.get(RESERVATION) or ec2_id("r", uuid)
    item["_Owner"] = owner
    if not gone:
        volumes = sorted(facts.volumes.get(uuid, ()), key=_device_id)
        item["BlockDeviceMappings"] = [mapping(volume, launched) for volume in volumes]
    if row.get("nic") and not gone:
        _add_network(item, facts, row, owner, launched)
    if record is not None:
        _add_reason(item, record)
    return item


def _add_optional(item: Item, facts: Facts, row: Row) -> None:
    """Add what some machines have and AWS leaves out otherwise."""
    details = row.get("details") or {}
    key = details.get(KEY_DETAIL) or row.get("keypairs") or row.get("keypair") or details.get(KEY_NAMES)
    if key:
        item["KeyName"] = str(key).partition(",")[0]
    architecture = row.get("arch") or facts.architectures.get(row.get("templateid", ""))
    if architecture:
        item["Architecture"] = {"aarch64": "arm64"}.get(architecture, architecture)
    hypervisor = row.get("hypervisor", "")
    if hypervisor in _HYPERVISORS:
        item["Hypervisor"] = _HYPERVISORS[hypervisor]
    if hypervisor in _FULLY_VIRTUAL:
        item["VirtualizationType"] = "hvm"
    if row.get("osdisplayname", "").startswith("Windows"):
        item["Platform"], item["PlatformDetails"] = "windows", "Windows"


def _owner(facts: Facts, row: Row) -> str:
    key = (row.get("domainid"), row.get("account"), row.get("projectid"))
    owner = facts.owners.get(key)
    if owner is None:
        owner = facts.owners[key] = owner_of(row)
    return owner


def _placement(zone: Zone | None, row: Row) -> Item:
    groups = row.get("affinitygroup")
    placement: Item = {"GroupName": groups[0]["name"] if groups else "", "Tenancy": "default"}
    if zone is not None:
        placement["AvailabilityZone"] = zone.name
        placement["AvailabilityZoneId"] = zone.uuid
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


def goes_with_machine(volume: Row) -> bool:
    """Whether a volume is deleted when its machine is terminated."""
    marked = _tags.hidden(volume).get(KEEP_MARK) if volume.get("tags") else None
    return marked == "true" if marked else volume.get("type") == "ROOT"


def tags_of(facts: Facts, row: Row) -> list[dict[str, str]]:
    """Return a machine's tags; one that was made outside EC2 has its display name for a Name."""
    native, stored = row.get("tags"), facts.tags.get(row["id"])
    tags = _tags.as_list({**_tags.native(row), **(stored or {})}) if native or stored else []
    named = row.get("displayname")
    outside = RESERVATION not in (row.get("details") or ())
    if outside and named and named != row.get("name") and all(tag["Key"] != "Name" for tag in tags):
        tags.append({"Key": "Name", "Value": named})
    return tags


def _add_network(item: Item, facts: Facts, row: Row, owner: str, launched: datetime) -> None:
    """Add the members that come from a machine's NICs; the default one's address is the machine's."""
    groups = [
        {"GroupId": ec2_id("sg", uuid), "GroupName": facts.groups.get(uuid, "")} for uuid in group_uuids(row)
    ]
    checked = not any(
        tag["key"] == _tags.RESERVED + SOURCE_CHECK and tag["value"] == "false"
        for tag in row.get("tags") or ()
    )
    nics = sorted(row["nic"], key=lambda nic: (not nic.get("isdefault"), int(nic.get("deviceid", 0))))
    first = nics[0]
    item["SubnetId"] = ec2_id("subnet", first["networkid"])
    item["VpcId"] = facts.vpcs.get(first["networkid"], facts.default_vpc)
    item["SecurityGroups"] = groups
    item["SourceDestCheck"] = checked
    if "ipaddress" in first:
        item["PrivateIpAddress"] = first["ipaddress"]
    public = row.get("publicip") or first.get("publicip")
    if public:
        item["PublicIpAddress"] = public
    if "ip6address" in first:
        item["Ipv6Address"] = first["ip6address"]
    item["NetworkInterfaces"] = [
        {
            **_nic(nic, owner),
            "VpcId": facts.vpcs.get(nic["networkid"], facts.default_vpc),
            "Groups": groups,
            "SourceDestCheck": checked,
            "Attachment": _attachment(nic, place, launched),
        }
        for place, nic in enumerate(nics)
    ]


def _nic(nic: Row, owner: str) -> Item:
    """Translate what a NIC's own row tells."""
    item: Item = {
        "NetworkInterfaceId": ec2_id("eni", nic["id"]),
        "SubnetId": ec2_id("subnet", nic["networkid"]),
        "OwnerId": owner,
        "Status": "in-use",
        "InterfaceType": "interface",
        "Description": "",
        "PrivateIpAddresses": [],
        "Ipv6Addresses": [{"Ipv6Address": nic["ip6address"]}] if nic.get("ip6address") else [],
    }
    if "macaddress" in nic:
        item["MacAddress"] = nic["macaddress"]
    if "ipaddress" not in nic:
        return item
    item["PrivateIpAddress"] = nic["ipaddress"]
    first: Item = {"Primary": True, "PrivateIpAddress": nic["ipaddress"]}
    if nic.get("publicip"):
        first["Association"] = item["Association"] = {
            "PublicIp": nic["publicip"],
            "PublicDnsName": "",
            "IpOwnerId": owner,
        }
    item["PrivateIpAddresses"].append(first)
    for secondary in nic.get("secondaryip") or ():
        item["PrivateIpAddresses"].append({"Primary": False, "PrivateIpAddress": secondary["ipaddress"]})
    return item


def _attachment(nic: Row, place: int, launched: datetime) -> Item:
    return {
        "AttachmentId": ec2_id("eni-attach", nic["id"]),
        "DeviceIndex": place,
        "NetworkCardIndex": 0,
        "Status": "attached",
        "DeleteOnTermination": True,
        "AttachTime": launched,
    }


def _add_reason(item: Item, record: Mapping[str, Any]) -> None:
    """Say why a machine is terminated."""
    reason = record.get("reason")
    if reason:
        item["StateReason"] = {"Code": reason[0], "Message": f"{reason[0]}: {reason[1]}"}
        by_user = reason[0].startswith("Client.User")
        item["StateTransitionReason"] = f"User initiated ({record['at']})" if by_user else reason[0]
