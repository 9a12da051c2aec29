"""Elastic IPs."""

from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import address, associated, interface, machine, tags, tier

SHOWN = "DescribeAddresses"


DEFAULT_SUBNET = "|".join(
    (
        "networks ",
        'firewallrules .*"_purpose": "Egress"',
        'addresses .*"issourcenat": true',
        "store:default-subnet-made ",
    )
)
"""The account's default subnet, which its first address makes: it stays where the address is refused."""


@scenario("AllocateAddress", "the first of an account", describe=SHOWN, stays=DEFAULT_SUBNET)
async def allocate_first(lab: Lab) -> Request:
    return {"Domain": "vpc"}


@scenario("AllocateAddress", describe=SHOWN)
async def allocate(lab: Lab) -> Request:
    await address(lab)
    return {"Domain": "vpc", **tags("elastic-ip")}


@scenario("ReleaseAddress", describe=SHOWN)
async def release(lab: Lab) -> Request:
    made = await lab.do("AllocateAddress", Domain="vpc", **tags("elastic-ip"))
    return {"AllocationId": made["AllocationId"]}


@scenario("AssociateAddress", describe=SHOWN)
async def associate(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab), "AllocationId": await address(lab)}


@scenario("AssociateAddress", "in a tier", describe=SHOWN)
async def associate_in_tier(lab: Lab) -> Request:
    ident = await machine(lab, SubnetId=(await tier(lab))[1])
    return {"InstanceId": ident, "AllocationId": await address(lab)}


@scenario("AssociateAddress", "moved to another network", describe=SHOWN)
async def associate_elsewhere(lab: Lab) -> Request:
    made = await lab.do("AllocateAddress", Domain="vpc", **tags("elastic-ip"))
    ident = await machine(lab, SubnetId=(await tier(lab))[1])
    return {"InstanceId": ident, "AllocationId": made["AllocationId"]}


@scenario("AssociateAddress", "taken from another machine", describe=SHOWN)
async def move(lab: Lab) -> Request:
    found = await associated(lab)
    return {
        "InstanceId": await machine(lab),
        "AllocationId": found["AllocationId"],
        "AllowReassociation": True,
    }


@scenario("AssociateAddress", "taken from a machine in another network", describe=SHOWN)
async def move_elsewhere(lab: Lab) -> Request:
    found = await associated(lab)
    ident = await machine(lab, SubnetId=(await tier(lab))[1])
    return {"InstanceId": ident, "AllocationId": found["AllocationId"], "AllowReassociation": True}


@scenario("AssociateAddress", "with an interface on no machine", describe=SHOWN)
async def associate_with_interface(lab: Lab) -> Request:
    return {
        "NetworkInterfaceId": await interface(lab, (await tier(lab))[1]),
        "AllocationId": await address(lab),
    }


@scenario("DisassociateAddress", "from an interface on no machine", describe=SHOWN)
async def disassociate_from_interface(lab: Lab) -> Request:
    request = await associate_with_interface(lab)
    return {"AssociationId": (await lab.do("AssociateAddress", **request))["AssociationId"]}


@scenario("DisassociateAddress", describe=SHOWN)
async def disassociate(lab: Lab) -> Request:
    return {"AssociationId": (await associated(lab))["AssociationId"]}


@scenario("ModifyAddressAttribute", describe=SHOWN, refused="UnsupportedOperation")
async def modify(lab: Lab) -> Request:
    return {"AllocationId": await address(lab), "DomainName": "mail.example.com"}


@scenario("ResetAddressAttribute", describe=SHOWN)
async def reset(lab: Lab) -> Request:
    request = await modify(lab)
    return {"AllocationId": request["AllocationId"], "Attribute": "domain-name"}
