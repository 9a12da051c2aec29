"""Key pairs, security groups and tags."""

from typing import Any

from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import (
    GROUPED,
    address,
    group,
    key,
    machine,
    permission,
    prefix_list,
    tags,
    tier,
    volume,
)

KEYS, GROUPS = "DescribeKeyPairs", "DescribeSecurityGroups"
LINE = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGw5V2m6VGtcXhWc6YzXJb5VnF2ZcXb2p0bZ1X8vJ3kQ laptop"


@scenario("CreateKeyPair", describe=KEYS)
async def create(lab: Lab) -> Request:
    return {"KeyName": "laptop", **tags("key-pair")}


@scenario("CreateKeyPair", "of type ed25519", describe=KEYS)
async def create_modern(lab: Lab) -> Request:
    return {"KeyName": "laptop", "KeyType": "ed25519"}


@scenario("ImportKeyPair", describe=KEYS)
async def bring(lab: Lab) -> Request:
    return {"KeyName": "laptop", "PublicKeyMaterial": LINE, **tags("key-pair")}


@scenario("DeleteKeyPair", describe=KEYS, unnamed=True)
async def delete(lab: Lab) -> Request:
    await lab.do("ImportKeyPair", KeyName="laptop", PublicKeyMaterial=LINE, **tags("key-pair"))
    return {"KeyName": "laptop"}


async def guarded(lab: Lab) -> str:
    """A group whose rules are an ACL list of a tier, because a machine there is in it."""
    of, subnet = await tier(lab)
    made = await group(lab, of)
    await machine(lab, SubnetId=subnet, SecurityGroupIds=[made])
    return made


async def native(lab: Lab) -> str:
    """A group that CloudStack enforces itself."""
    made = await group(lab)
    await machine(lab, Placement={"AvailabilityZone": GROUPED}, SecurityGroupIds=[made])
    return made


async def walled(lab: Lab) -> str:
    """A group whose rules are firewall rules of a machine's address."""
    made = await group(lab)
    ident = await machine(lab, SecurityGroupIds=[made])
    await lab.do("AssociateAddress", InstanceId=ident, AllocationId=await address(lab))
    await lab.quiet()
    return made


def two() -> list[dict[str, Any]]:
    return [permission(22, Description="shell"), permission(443)]


@scenario("CreateSecurityGroup", describe=GROUPS)
async def create_group(lab: Lab) -> Request:
    return {"GroupName": "web", "Description": "web", **tags("security-group")}


@scenario("CreateSecurityGroup", "in a VPC", describe=GROUPS)
async def create_in_vpc(lab: Lab) -> Request:
    of, _ = await tier(lab)
    return {"GroupName": "web", "Description": "web", "VpcId": of, **tags("security-group")}


@scenario("DeleteSecurityGroup", describe=GROUPS)
async def delete_group(lab: Lab) -> Request:
    of, _ = await tier(lab)
    made = await group(lab, of)
    await lab.do("AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=two())
    return {"GroupId": made}


@scenario("AuthorizeSecurityGroupIngress", describe=GROUPS)
async def authorize(lab: Lab) -> Request:
    return {"GroupId": await native(lab), "IpPermissions": two(), **tags("security-group-rule")}


@scenario("AuthorizeSecurityGroupIngress", "in a tier", describe=GROUPS)
async def authorize_in_tier(lab: Lab) -> Request:
    return {"GroupId": await guarded(lab), "IpPermissions": two()}


@scenario("AuthorizeSecurityGroupIngress", "on an address", describe=GROUPS)
async def authorize_on_address(lab: Lab) -> Request:
    return {"GroupId": await walled(lab), "IpPermissions": two()}


@scenario("AuthorizeSecurityGroupEgress", describe=GROUPS)
async def authorize_egress(lab: Lab) -> Request:
    return {"GroupId": await native(lab), "IpPermissions": two()}


@scenario("RevokeSecurityGroupIngress", describe=GROUPS)
async def revoke(lab: Lab) -> Request:
    made = await native(lab)
    await lab.do(
        "AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=two(), **tags("security-group-rule")
    )
    return {"GroupId": made, "IpPermissions": [permission(22), permission(443)]}


@scenario("RevokeSecurityGroupIngress", "in a tier", describe=GROUPS)
async def revoke_in_tier(lab: Lab) -> Request:
    made = await guarded(lab)
    await lab.do(
        "AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=two(), **tags("security-group-rule")
    )
    await lab.quiet()
    return {"GroupId": made, "IpPermissions": [permission(22), permission(443)]}


@scenario("RevokeSecurityGroupEgress", describe=GROUPS)
async def revoke_egress(lab: Lab) -> Request:
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    return {"GroupId": await native(lab), "IpPermissions": [everything]}


@scenario("ModifySecurityGroupRules", describe=GROUPS)
async def modify_rules(lab: Lab) -> Request:
    made = await native(lab)
    answer = await lab.do("AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=two())
    rule = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    changed = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv4": "10.0.0.0/8"}
    return {
        "GroupId": made,
        "SecurityGroupRules": [{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}],
    }


def _named(ident: str, port: int = 22) -> dict[str, Any]:
    return {**permission(port), "IpRanges": [], "PrefixListIds": [{"PrefixListId": ident}]}


@scenario("AuthorizeSecurityGroupIngress", "with a prefix list", describe=GROUPS)
async def authorize_list(lab: Lab) -> Request:
    ident = await prefix_list(lab)
    more = tags("security-group-rule")
    return {"GroupId": await native(lab), "IpPermissions": [_named(ident), *two()], **more}


@scenario("RevokeSecurityGroupIngress", "with a prefix list", describe=GROUPS)
async def revoke_list(lab: Lab) -> Request:
    request = await authorize_list(lab)
    await lab.do("AuthorizeSecurityGroupIngress", **request)
    return {"GroupId": request["GroupId"], "IpPermissions": [request["IpPermissions"][0], permission(443)]}


@scenario("ModifyManagedPrefixList", "in two groups' rules", describe=GROUPS)
async def modify_list_in_use(lab: Lab) -> Request:
    ident = await prefix_list(lab)
    for made in (await native(lab), await guarded(lab)):
        await lab.do("AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=[_named(ident), *two()])
    await lab.quiet()
    (entry,) = (await lab.do("GetManagedPrefixListEntries", PrefixListId=ident))["Entries"]
    more = {"AddEntries": [{"Cidr": "198.51.100.0/24"}], "RemoveEntries": [{"Cidr": entry["Cidr"]}]}
    return {"PrefixListId": ident, "CurrentVersion": 1, **more}


@scenario("UpdateSecurityGroupRuleDescriptionsIngress", describe=GROUPS)
async def describe(lab: Lab) -> Request:
    made = await native(lab)
    await lab.do("AuthorizeSecurityGroupIngress", GroupId=made, IpPermissions=two())
    return {"GroupId": made, "IpPermissions": [permission(22, Description="other")]}


@scenario("UpdateSecurityGroupRuleDescriptionsEgress", describe=GROUPS)
async def describe_egress(lab: Lab) -> Request:
    made = await native(lab)
    await lab.do("AuthorizeSecurityGroupEgress", GroupId=made, IpPermissions=two())
    return {"GroupId": made, "IpPermissions": [permission(22, Description="other")]}


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in values.items()]


@scenario("CreateTags")
async def create_tags(lab: Lab) -> Request:
    things = [await machine(lab), await volume(lab), (await tier(lab))[0], str((await key(lab))["KeyPairId"])]
    await lab.do("CreateTags", Resources=things, Tags=pairs(Name="old"))
    return {"Resources": things, "Tags": pairs(Name="new", Owner="alice", Empty="")}


@scenario("DeleteTags")
async def delete_tags(lab: Lab) -> Request:
    request = await create_tags(lab)
    await lab.do("CreateTags", **request)
    return {"Resources": request["Resources"], "Tags": [{"Key": "Owner"}, {"Key": "Empty"}]}
