"""What must be so after any story, when all is quiet, and what has to be left of it when everything is deleted."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ec2bridge.resources.addresses.elastic_ips import OWN_MARK
from ec2bridge.resources.groups.security_groups import DEFAULT_OF
from ec2bridge.resources.tags.resource_tags import RESERVED
from tests.faults.inventory import GOES_BY, difference
from tests.faults.lab import Running

if TYPE_CHECKING:
    from tests.faults.search import Story

Shown = dict[str, list[dict[str, Any]]]

ID = re.compile(r"\b[a-z]{1,10}(?:-[a-z]{1,8})*-[0-9a-f]{17}\b")
ENDS = 9
"""Rounds in which a client deletes what it sees, with a pause after each."""
PASSING = ("journal", "leaving", "nat-gateway-being-made")
"""Kinds of the store that stand for what is under way."""
LASTING = {
    "Instances": {"running", "stopped", "terminated"},
    "Volumes": {"available", "in-use", "error"},
    "Snapshots": {"completed", "error"},
    "Images": {"available", "failed", "error"},
    "NatGateways": {"available", "failed", "deleted"},
}
NOUNS = {
    "Instances": ("InstanceIds", "i"),
    "Volumes": ("VolumeIds", "vol"),
    "Images": ("ImageIds", "ami"),
    "Snapshots": ("SnapshotIds", "snap"),
    "NatGateways": ("NatGatewayIds", "nat"),
    "Addresses": ("AllocationIds", "eipalloc"),
    "NetworkInterfaces": ("NetworkInterfaceIds", "eni"),
    "SecurityGroups": ("GroupIds", "sg"),
    "RouteTables": ("RouteTableIds", "rtb"),
    "InternetGateways": ("InternetGatewayIds", "igw"),
    "VpnGateways": ("VpnGatewayIds", "vgw"),
    "Subnets": ("SubnetIds", "subnet"),
    "NetworkAcls": ("NetworkAclIds", "acl"),
    "Vpcs": ("VpcIds", "vpc"),
    "KeyPairs": ("KeyPairIds", "key"),
    "DhcpOptions": ("DhcpOptionsIds", "dopt"),
}
"""What is described, in the order in which it can be deleted: how it is asked for by ids, and their prefix."""
OWN = {"Images": {"Owners": ["self"]}, "Snapshots": {"OwnerIds": ["self"]}}
TABLES = ("machines", "volumes", "snapshots", "templates", "addresses", "vpcs", "networks", "securitygroups")
GONE = ("Destroyed", "Expunging", "Free")


async def look(bridge: Running, account: str) -> Shown:
    """Return noun → all that a client is shown of it."""
    shown: Shown = {}
    for noun in (*NOUNS, "Tags", "SecurityGroupRules"):
        told = await bridge.answer(f"Describe{noun}", OWN.get(noun, {}), account)
        assert told.ok, f"Describe{noun}: {told}"
        found = told.answer["Reservations" if noun == "Instances" else noun]
        shown[noun] = [item for one in found for item in one["Instances"]] if noun == "Instances" else found
    return shown


def idents(*shown: Shown) -> set[str]:
    """Return every id that is told somewhere."""
    return set(ID.findall(json.dumps(shown, default=str)))


async def check(story: "Story") -> None:
    """Note what is not as it must be."""
    lab = story.lab
    shown = {account: await look(lab.running, account) for account in story.clients}
    for row in await lab._entries(lab.running.bridge.site.store):
        if row["kind"] in PASSING:
            story.fail(f"the store still has {row['kind']} {row['value'][:300]}")
    for account, found in shown.items():
        told = idents(found)
        for failure in (*_unseen(story, account, told, found), *_unsettled(found), *at_odds(found)):
            story.fail(f"{account}: {failure}")
        for failure in await _unknown(story, account, told):
            story.fail(f"{account}: {failure}")
    one, other = (idents(found) - story.place.idents for found in shown.values())
    if both := {ident for ident in one & other if ident != story.place.image}:
        story.fail(f"both accounts are shown {sorted(both)}")


def _unseen(story: "Story", account: str, told: set[str], found: Shown) -> Iterator[str]:
    """Tell what CloudStack has of an account that the account is not shown."""
    tables, text = story.lab.sim.cloud.tables, json.dumps(found, default=str)
    marks = {(tag["resourceid"], tag["key"]): tag["value"] for tag in tables["tags"]}
    digits = {ident.rpartition("-")[2] for ident in told}
    for name in TABLES:
        for row in tables[name]:
            uuid = row["id"]
            # A VPC's own way out rests while it has a NAT gateway; an address may be shown by its number alone.
            hidden = (
                row.get("issourcenat") or (uuid, RESERVED + OWN_MARK) in marks or row.get("state") in GONE
            )
            stands_for = [marks.get((uuid, key), "") for key in (GOES_BY, RESERVED + DEFAULT_OF)]
            names = {_digits(one) for one in (uuid, *stands_for)}
            shown = names & digits or row.get("ipaddress", "nowhere") in text
            if row.get("account") == account and not (hidden or shown):
                yield f"{name} has {row.get('name')} {uuid}, which is not shown"


def _digits(ident: str) -> str:
    """What CloudStack's uuids and EC2's ids have in common."""
    return ident.rpartition("-")[2] if ID.fullmatch(ident) else ident.replace("-", "")[:17]


def _unsettled(found: Shown) -> Iterator[str]:
    for noun, states in LASTING.items():
        for item in found[noun]:
            state = item["State"]
            if (state["Name"] if isinstance(state, dict) else state) not in states:
                yield f"{noun} {_named(item, noun)} is {state}"


def _named(item: dict[str, Any], noun: str) -> str:
    return str(next(value for value in item.values() if str(value).startswith(f"{NOUNS[noun][1]}-")))


def at_odds(found: Shown) -> Iterator[str]:
    """Tell where two answers contradict each other."""
    alive = {item["InstanceId"]: item for item in found["Instances"] if item["State"]["Name"] != "terminated"}
    on = {
        (item["InstanceId"], mapping["Ebs"]["VolumeId"])
        for item in alive.values()
        for mapping in item["BlockDeviceMappings"]
    }
    attached = {
        (place["InstanceId"], item["VolumeId"]) for item in found["Volumes"] for place in item["Attachments"]
    }
    if on != attached:
        yield f"volumes are on {sorted(on)} and attached to {sorted(attached)}"
    public = Counter(item["PublicIpAddress"] for item in alive.values() if item.get("PublicIpAddress"))
    if twice := [address for address, count in public.items() if count > 1]:
        yield f"{twice} are on several instances"
    places = [item.get("InstanceId") for item in found["Addresses"]]
    places += [(item.get("Attachment") or {}).get("InstanceId") for item in found["NetworkInterfaces"]]
    if lost := {place for place in places if place} - alive.keys():
        yield f"addresses or interfaces are on {sorted(lost)}"


async def _unknown(story: "Story", account: str, told: set[str]) -> list[str]:
    """Tell which ids in answers are of nothing that can be asked for."""
    failures = []
    for noun, (member, prefix) in NOUNS.items():
        # An image and a snapshot tell what they were made of, also when that is gone.
        named = sorted(ident for ident in told if re.fullmatch(rf"{prefix}-[0-9a-f]{{17}}", ident))
        if named and noun not in ("Instances", "Volumes", "Snapshots", "Images"):
            answer = await story.lab.running.answer(f"Describe{noun}", {member: named}, account)
            failures += [] if answer.ok else [f"Describe{noun} of what was told: {answer}"]
    return failures


async def delete_all(story: "Story") -> None:
    """Have each client delete all that it sees, again and again as long as something is in the way."""
    refused: list[str] = []
    for _ in range(ENDS):
        done = refused = []
        for account in story.clients:
            shown = await look(story.lab.running, account)
            for action, request in [one for noun in NOUNS for one in _endings(noun, shown[noun])]:
                if action.startswith("Revoke") or not _names_only(request, story.place.idents):
                    told = await story.ask(action, request, account)
                    done = [*done, action]
                    refused += [] if told.ok else [f"{action} {request}: {told}"]
        if not done:
            return
        await asyncio.sleep(30)
        await story.lab.running.idle()
        await story.lab.sim.settle()
    story.fail(f"not all can be deleted: {refused}")


def _names_only(request: dict[str, Any], known: set[str]) -> bool:
    """Whether a request is about what was there before the story."""
    return any(ident in known for ident in ID.findall(str(list(request.values())[:1])))


def _endings(noun: str, items: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what ends these things."""
    for item in items:
        match noun:
            case "Instances" if item["State"]["Name"] != "terminated":
                yield "TerminateInstances", {"InstanceIds": [item["InstanceId"]]}
            case "Volumes" if not item["Attachments"]:
                yield "DeleteVolume", {"VolumeId": item["VolumeId"]}
            case "Images":
                yield "DeregisterImage", {"ImageId": item["ImageId"]}
            case "Snapshots":
                yield "DeleteSnapshot", {"SnapshotId": item["SnapshotId"]}
            case "NatGateways" if item["State"] not in ("deleted", "failed"):
                yield "DeleteNatGateway", {"NatGatewayId": item["NatGatewayId"]}
            case "Addresses":
                if item.get("AssociationId"):
                    yield "DisassociateAddress", {"AssociationId": item["AssociationId"]}
                yield "ReleaseAddress", {"AllocationId": item["AllocationId"]}
            case "NetworkInterfaces" if item["Status"] == "available":
                yield "DeleteNetworkInterface", {"NetworkInterfaceId": item["NetworkInterfaceId"]}
            case "SecurityGroups":
                yield from _of_group(item)
            case "RouteTables" if not any(one.get("Main") for one in item["Associations"]):
                for one in item["Associations"]:
                    yield "DisassociateRouteTable", {"AssociationId": one["RouteTableAssociationId"]}
                yield "DeleteRouteTable", {"RouteTableId": item["RouteTableId"]}
            case "InternetGateways" | "VpnGateways":
                yield from _of_gateway(noun, item)
            case "Subnets" if not item["DefaultForAz"]:
                yield "DeleteSubnet", {"SubnetId": item["SubnetId"]}
            case "NetworkAcls" if not item["IsDefault"] and not item["Associations"]:
                yield "DeleteNetworkAcl", {"NetworkAclId": item["NetworkAclId"]}
            case "Vpcs" if not item["IsDefault"]:
                yield "DeleteVpc", {"VpcId": item["VpcId"]}
            case "KeyPairs":
                yield "DeleteKeyPair", {"KeyName": item["KeyName"]}
            case "DhcpOptions":
                yield "DeleteDhcpOptions", {"DhcpOptionsId": item["DhcpOptionsId"]}


def _of_group(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what ends a group, and before that its rules that name other groups: those could not go else."""
    own = {"GroupId": item["GroupId"]}
    for member, way in (("IpPermissions", "Ingress"), ("IpPermissionsEgress", "Egress")):
        rules = []
        for rule in item[member]:
            others = [
                {"GroupId": pair["GroupId"]}
                for pair in rule["UserIdGroupPairs"]
                if own.items() - pair.items()
            ]
            scope = {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in rule}
            rules += [{**scope, "UserIdGroupPairs": others}] if others else []
        if rules:
            yield f"RevokeSecurityGroup{way}", {"GroupId": item["GroupId"], "IpPermissions": rules}
    if item["GroupName"] != "default":
        yield "DeleteSecurityGroup", own


def _of_gateway(noun: str, item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = noun.removesuffix("s")
    own = {f"{kind}Id": item[f"{kind}Id"]}
    places = item["Attachments"] if kind == "InternetGateway" else item["VpcAttachments"]
    for place in places:
        if place["State"] in ("attached", "available"):
            yield f"Detach{kind}", {**own, "VpcId": place["VpcId"]}
    if item.get("State") != "deleted":
        yield f"Delete{kind}", own


async def check_left(story: "Story") -> None:
    """Note what is left in CloudStack and in the store, and what of the beginning is not there any more."""
    place, left = story.place, await story.lab.inventory()
    for line in difference(left.lines(place.known), place.lines):
        if not line.startswith("+ tag "):
            story.fail(f"in the end there is {line[:400]}")
    # CloudStack keeps tags of some things that are gone: not so the store.
    for row in await story.lab._entries(story.lab.running.bridge.site.store):
        lasts = row["kind"] == "tags" and row["key"].rpartition("/")[2] in place.known.ids
        if row["kind"] in ("tags", *PASSING) and not lasts:
            story.fail(f"in the end the store has {row['kind']} {row['key']} {row['value'][:300]}")
