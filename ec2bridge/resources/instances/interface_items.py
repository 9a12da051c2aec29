"""Network interfaces as EC2 describes them: the NICs of machines, and those that are attached to none."""

from collections.abc import Iterable, Mapping
from typing import Any

from ec2bridge.cloudstack.errors import unless_forbidden
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Item
from ec2bridge.ec2.values import known
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import elastic_ips, nat_items
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.instances import facts as instance_facts
from ec2bridge.resources.instances import translation
from ec2bridge.resources.instances.network import addresses_last
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.machines import lookup as machine_lookup
from ec2bridge.resources.places import zones as places
from ec2bridge.resources.places.networks import networks as list_networks
from ec2bridge.resources.places.networks import subnet_id, vpc_id_of_network
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs.host_names import named_vpcs, public_name

Row = dict[str, Any]


async def every(ctx: Context) -> list[Item]:
    """Return the interfaces of the caller's machines, and those that are attached to none."""
    before = await network_interfaces.records(ctx)
    rows = await machine_lookup.list_rows(ctx)
    records = await network_interfaces.settled(ctx, before, rows)
    rows = [row for row in rows if machine_lookup.state_of(row) != "terminated"]
    facts = await instance_facts.gather_facts(ctx, rows, {})
    held = network_interfaces.by_nic(records)
    addresses = await elastic_ips.associations(ctx, rows)
    found = [
        item for row in rows for item in interfaces(row, translation.instance(facts, row), held, addresses)
    ]
    free = [record for record in records.values() if not record["nic"]]
    found += await free_items(ctx, free, await elastic_ips.held(ctx) if free else ())
    found += await nat_items.interfaces(ctx)
    tags = await resource_tags.stored(ctx, network_interfaces.KIND)
    return [with_tags(item, tags.get(item["_Uuid"], {})) for item in found]


def with_tags(item: Item, tags: Mapping[str, str]) -> Item:
    """The interface with its tags."""
    return addresses_last({**item, "TagSet": resource_tags.as_list(tags)})


async def free_items(ctx: Context, records: list[Record], public: Iterable[Row] = ()) -> list[Item]:
    """Translate interfaces that no machine has (yet), in networks that there are; `public` are the addresses."""
    if not records:
        return []
    networks = {row["id"]: row for row in await list_networks(ctx)}
    zones = {zone.uuid: zone for zone in await places.zones(ctx)}
    groups = await unless_forbidden(security_groups.groups(ctx, rules=False))
    names = {group.id: group.name for group in groups or ()}
    found = [record for record in records if record["subnet"] in networks]
    vpcs = {record["id"]: vpc_id_of_network(ctx, networks[record["subnet"]]) for record in found}
    associations = await _associations(ctx, found, vpcs, list(public))
    return [
        _free_item(ctx, record, networks[record["subnet"]], zones, names, associations.get(record["id"], {}))
        for record in found
    ]


async def _associations(
    ctx: Context, records: list[Record], vpcs: Mapping[str, str], public: list[Row]
) -> dict[str, dict[str, Item]]:
    """Return interface's uuid → private address → the association of the Elastic IP that waits for it."""
    waiting = elastic_ips.waiting(public, {record["id"]: record for record in records})
    named = await named_vpcs(ctx, [vpcs[record["id"]] for record in waiting.values()])
    found: dict[str, dict[str, Item]] = {}
    for row in public:
        place = elastic_ips.marked_for(row)
        if row["id"] in waiting and place:
            found.setdefault(place[0], {})[place[1]] = known(
                PublicIp=row["ipaddress"],
                PublicDnsName=public_name(row["ipaddress"], named=vpcs[place[0]] in named),
                IpOwnerId=ctx.owner_id,
                AllocationId=elastic_ips.allocation_id(row),
                AssociationId=elastic_ips.association_id(row),
            )
    return found


def _free_item(
    ctx: Context,
    record: Record,
    network: Row,
    zones: Mapping[str, Zone],
    names: Mapping[str, str],
    associations: Mapping[str, Item],
) -> Item:
    addresses = [record["address"]] if record["address"] else []
    zone = zones.get(network["zoneid"])
    item = known(
        NetworkInterfaceId=ec2_id("eni", record["id"]),
        SubnetId=subnet_id(network),
        VpcId=vpc_id_of_network(ctx, network),
        AvailabilityZone=zone.name if zone else None,
        AvailabilityZoneId=zone.id if zone else None,
        OwnerId=ctx.owner_id,
        Status="attaching" if record["machine"] else "available",
        InterfaceType="interface",
        Description=record["description"],
        MacAddress=record["mac"],
        PrivateIpAddress=record["address"],
        Association=associations.get(record["address"]),
        PrivateIpAddresses=[
            known(Primary=place == 0, PrivateIpAddress=address, Association=associations.get(address))
            for place, address in enumerate([*addresses, *record["secondary"]])
        ],
        Ipv6Addresses=[],
        Groups=[{"GroupId": ident, "GroupName": names.get(ident, "")} for ident in record["groups"]],
        SourceDestCheck=record["check"],
        RequesterManaged=False,
    )
    return {**item, "_Zone": zone, "_Uuid": record["id"]}


def interfaces(
    row: Row, machine: Item, held: Mapping[str, Record], addresses: Mapping[str, str]
) -> list[Item]:
    """Return the interfaces of one machine, with what a machine's own listing of them leaves out."""
    nics = network_interfaces.nics_of(row, held)
    return [
        _interface(nics[item["NetworkInterfaceId"]], row, item, machine, held, addresses)
        for item in machine["NetworkInterfaces"]
    ]


def _interface(
    nic: Row,
    row: Row,
    item: Item,
    machine: Item,
    held: Mapping[str, Record],
    addresses: Mapping[str, str],
) -> Item:
    placement = machine["Placement"]
    attachment = {
        **item["Attachment"],
        "InstanceId": machine["InstanceId"],
        "InstanceOwnerId": machine["_Owner"],
    }
    found: Item = {
        **item,
        "Attachment": attachment,
        "RequesterManaged": False,
        "_Zone": machine["_Zone"],
        "_Uuid": held.get(nic["id"], nic)["id"],
    }
    found |= {key: placement[key] for key in ("AvailabilityZone", "AvailabilityZoneId") if key in placement}
    address = str(nic.get("publicipid") or (row.get("publicipid") if nic.get("isdefault") else ""))
    if address in addresses and "Association" in found:
        found["Association"] = {
            **found["Association"],
            "AllocationId": ec2_id("eipalloc", address),
            "AssociationId": addresses[address],
        }
        found["PrivateIpAddresses"] = [
            {**entry, "Association": found["Association"]} if "Association" in entry else entry
            for entry in found["PrivateIpAddresses"]
        ]
    if found.get("Association", {}).get("PublicDnsName"):
        found["PublicDnsName"] = found["Association"]["PublicDnsName"]
    return found
