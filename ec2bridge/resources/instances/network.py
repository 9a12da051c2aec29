"""A machine's NICs as EC2's network interfaces, and the addresses and groups that an instance takes from them."""

from datetime import UTC, datetime
from typing import Any

from ec2bridge.ids import ec2_id
from ec2bridge.resources.instances.facts import Facts
from ec2bridge.resources.interfaces.network_interfaces import attachment_id
from ec2bridge.resources.machines.lookup import group_uuids
from ec2bridge.resources.machines.states import SOURCE_CHECK
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs.host_names import public_name

Row = dict[str, Any]
Item = dict[str, Any]


def add_network(item: Item, facts: Facts, row: Row, owner: str, launched: datetime) -> None:
    """Add the members that come from a machine's NICs; the default one's address is the machine's."""
    groups = [
        {"GroupId": ec2_id("sg", uuid), "GroupName": facts.groups.get(uuid, "")} for uuid in group_uuids(row)
    ]
    checked = not has_mark(row, SOURCE_CHECK, "false")
    nics = sorted(row["nic"], key=lambda nic: (not nic.get("isdefault"), int(nic.get("deviceid", 0))))
    held = [facts.interfaces.get(nic["id"]) or {} for nic in nics]
    first = nics[0]
    item["SubnetId"] = ec2_id("subnet", first["networkid"])
    item["VpcId"] = _vpc(facts, first)
    item["SecurityGroups"] = groups
    item["SourceDestCheck"] = checked
    if "ipaddress" in first:
        item["PrivateIpAddress"] = first["ipaddress"]
    public = row.get("publicip") or first.get("publicip")
    if public:
        item["PublicIpAddress"] = public
        item["PublicDnsName"] = public_name(public, named=item["VpcId"] in facts.named_vpcs)
    item["_AddressUuids"] = {holder["publicipid"] for holder in (row, *nics) if holder.get("publicipid")}
    if "ip6address" in first:
        item["Ipv6Address"] = first["ip6address"]
    item["NetworkInterfaces"] = [
        addresses_last(
            {
                **_nic(nic, record, owner, row["name"], named=_vpc(facts, nic) in facts.named_vpcs),
                "VpcId": _vpc(facts, nic),
                "Groups": groups,
                "SourceDestCheck": checked,
                "Attachment": _attachment(nic, record, place, launched),
            }
        )
        for place, (nic, record) in enumerate(zip(nics, held, strict=True))
    ]


def addresses_last(item: Item) -> Item:
    """The interface in AWS's order: fog's parsers read nothing that stands behind the addresses."""
    item["PrivateIpAddresses"] = item.pop("PrivateIpAddresses")
    return item


def has_mark(row: Row, name: str, value: str) -> bool:
    """Whether a machine has a reserved tag with a value."""
    return resource_tags.marked(row, name) == value


def _vpc(facts: Facts, nic: Row) -> str:
    return facts.vpcs.get(nic["networkid"], facts.default_vpc)


def _nic(nic: Row, record: Row, owner: str, name: str, *, named: bool) -> Item:
    """Translate what a NIC's own row tells, and the record of its interface if it has one.

    The network's router answers the machine's name with the address of its NIC there; an interface tells names only
    in a VPC that has them (`named`).
    """
    item: Item = {
        "NetworkInterfaceId": ec2_id("eni", record.get("id") or nic["id"]),
        "SubnetId": ec2_id("subnet", nic["networkid"]),
        "OwnerId": owner,
        "Status": "in-use",
        "InterfaceType": "interface",
        "Description": record.get("description", ""),
        "PrivateIpAddresses": [],
        "Ipv6Addresses": [{"Ipv6Address": nic["ip6address"]}] if nic.get("ip6address") else [],
    }
    if "macaddress" in nic:
        item["MacAddress"] = nic["macaddress"]
    if "ipaddress" not in nic:
        return item
    item["PrivateIpAddress"] = nic["ipaddress"]
    names = {"PrivateDnsName": name} if named else {}
    item |= names
    first: Item = {"Primary": True, "PrivateIpAddress": nic["ipaddress"], **names}
    if nic.get("publicip"):
        first["Association"] = item["Association"] = {
            "PublicIp": nic["publicip"],
            "PublicDnsName": public_name(nic["publicip"], named=named),
            "IpOwnerId": owner,
        }
    item["PrivateIpAddresses"].append(first)
    for secondary in nic.get("secondaryip") or ():
        item["PrivateIpAddresses"].append({"Primary": False, "PrivateIpAddress": secondary["ipaddress"]})
    return item


def _attachment(nic: Row, record: Row, place: int, launched: datetime) -> Item:
    at = record.get("at")
    return {
        "AttachmentId": attachment_id(record, nic),
        "DeviceIndex": record.get("index", place),
        "NetworkCardIndex": 0,
        "Status": "attached",
        "DeleteOnTermination": not record.get("keep"),
        "AttachTime": datetime.fromtimestamp(at, UTC).replace(microsecond=0) if at else launched,
    }
