"""What a role without one command can still describe: each Describe with each native command forbidden."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError

from ec2bridge.ec2 import registry
from tests.conftest import Place
from tests.filled import fill

pytestmark = pytest.mark.since("4.19")

EVERYWHERE = {"listZones", "listNetworks", "listTags", "listCapabilities"}
"""Where a thing lies, and what the bridge has marked it with: nothing is true without."""
MACHINES = {"listVirtualMachines"}
NEEDED: dict[str, set[str]] = {
    "DescribeAccountAttributes": {"listResourceLimits"},
    "DescribeAddresses": {"listPublicIpAddresses", *MACHINES},
    "DescribeAddressesAttribute": {"listPublicIpAddresses"},
    "DescribeCustomerGateways": {"listVpnCustomerGateways"},
    "DescribeIamInstanceProfileAssociations": MACHINES,
    "DescribeImages": {"listTemplates"},
    "DescribeInstanceCreditSpecifications": {"listServiceOfferings", "listTemplates", *MACHINES},
    "DescribeInstanceStatus": MACHINES,
    "DescribeInstanceTypeOfferings": {"listServiceOfferings", "listTemplates"},
    "DescribeInstanceTypes": {"listServiceOfferings", "listTemplates"},
    "DescribeInstances": {"listVolumes", *MACHINES},
    "DescribeKeyPairs": {"listSSHKeyPairs"},
    "DescribeNatGateways": {"listPublicIpAddresses"},
    "DescribeNetworkAcls": {"listNetworkACLLists", "listNetworkACLs"},
    "DescribeNetworkInterfaces": {"listPublicIpAddresses", *MACHINES},
    "DescribePlacementGroups": {"listAffinityGroups"},
    "DescribeSecurityGroupRules": {"listSecurityGroups"},
    "DescribeSecurityGroups": {"listSecurityGroups"},
    "DescribeSnapshotTierStatus": {"listSnapshots"},
    "DescribeSnapshots": {"listSnapshots"},
    "DescribeVolumeStatus": {"listVolumes"},
    "DescribeVolumes": {"listVolumes"},
    "DescribeVpnConnections": {"listVpnConnections", "listVpnCustomerGateways", "listVpnGateways"},
    "DescribeVpnGateways": {"listVpnGateways"},
}
"""What an answer is about, or what its truth rests on; whatever else it asks is a fact that it does without."""


class Role:
    """The role of alice, from which one command at a time is taken."""

    def __init__(self, place: Place) -> None:
        self.place, self.cloud = place, place.sim.cloud
        self.row = self.cloud.tables["roles"].first(name="User")
        assert self.row is not None
        self.all = sorted(self.cloud.rules(self.row))

    def without(self, command: str) -> None:
        rules = [name for name in self.all if name != command]
        self.cloud.tables["roles"].update(self.row, _rules=rules)
        self.cloud.forget_rules(self.row)
        self.forget()

    def forget(self) -> None:
        """Have the bridge ask anew."""
        caches = self.place.bridge.site.caches
        for name in set(caches) - {"volume-lists"}:
            del caches[name]
        caches["volume-lists"].kept.clear()


@pytest.fixture(scope="module")
def seen() -> Iterator[tuple[dict[str, list[str]], dict[str, set[str]]]]:
    """Each Describe's native commands, and those without which it is refused."""
    place = Place()
    try:
        ec2, role = fill(place), Role(place)
        asked: dict[str, list[str]] = {}
        for name in (entry.name for entry in registry.served() if entry.name.startswith("Describe")):
            role.forget()
            with suppress(ClientError, ParamValidationError):
                asked[name] = place.commands(_call(ec2, name))
        refused: dict[str, set[str]] = {name: set() for name in asked}
        for command in {command for commands in asked.values() for command in commands}:
            for name in (name for name, commands in asked.items() if command in commands):
                role.without(command)
                if _refusal(_call(ec2, name)) == "UnauthorizedOperation":
                    refused[name].add(command)
        yield asked, refused
    finally:
        place.close()


def _refusal(call: Callable[[], Any]) -> str:
    """The code with which a call is refused; none where it is answered."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def _call(ec2: Any, name: str) -> Callable[[], Any]:
    return getattr(ec2, xform_name(name))


def test_a_describe_is_refused_only_without_what_it_is_about(
    seen: tuple[dict[str, list[str]], dict[str, set[str]]],
) -> None:
    _, refused = seen
    found = {name: commands - EVERYWHERE for name, commands in refused.items() if commands - EVERYWHERE}
    assert found == NEEDED


def test_the_enumeration_sees_the_facts_beside(
    seen: tuple[dict[str, list[str]], dict[str, set[str]]],
) -> None:
    asked, _ = seen
    assert "listDiskOfferings" in asked["DescribeVolumes"]
    assert {"listServiceOfferings", "listTemplates", "listSecurityGroups"} <= set(asked["DescribeInstances"])
    assert "listVirtualMachines" in asked["DescribeSubnets"]
    assert "listVolumes" in asked["DescribeTags"]


def test_what_is_left_out_is_a_fact(place: Place, ec2: Any) -> None:
    volume = ec2.create_volume(AvailabilityZone="sim-adv", Size=5, VolumeType="gp3")
    role = Role(place)
    role.without("listDiskOfferings")
    [told] = ec2.describe_volumes()["Volumes"]
    assert (told["VolumeId"], told["VolumeType"], told["Size"]) == (volume["VolumeId"], "gp3", 5)
    create = partial(ec2.create_volume, AvailabilityZone="sim-adv", Size=5)
    assert _refusal(create) == "UnauthorizedOperation"
    types = ec2.describe_instance_types()["InstanceTypes"]
    assert types
    assert all("EncryptionSupport" not in one["EbsInfo"] for one in types)
    role.without("listVirtualMachines")
    assert all("AvailableIpAddressCount" not in one for one in ec2.describe_subnets()["Subnets"])
