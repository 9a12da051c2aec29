"""Some of the moments of some races; `python -m tests.faults.races` plays all moments of all."""

import pytest

from tests.faults import races
from tests.faulty import KILLS

pytestmark = KILLS

ONE_IN = 5
SAMPLE = (
    "AllocateAddress and DeleteVpc",
    "AssociateDhcpOptions and DeleteDhcpOptions",
    "AssociateRouteTable and DeleteRouteTable",
    "AttachInternetGateway and DeleteInternetGateway",
    "AttachInternetGateway and DeleteVpc",
    "AttachNetworkInterface and DeleteNetworkInterface",
    "AttachVolume and DeleteVolume",
    "AuthorizeSecurityGroupIngress and DeleteManagedPrefixList",
    "AuthorizeSecurityGroupIngress and DeleteSecurityGroup",
    "CreateNetworkInterface and DeleteSubnet",
    "CreateNetworkInterface and DeleteSecurityGroup",
    "CreateRoute and DeleteManagedPrefixList",
    "CreateSecurityGroup and DeleteVpc",
    "CreateTags and DeleteSubnet",
    "CreateVolume and DeleteSnapshot",
    "CreateVpnConnection and DeleteVpnGateway",
    "ReplaceNetworkAclAssociation and DeleteNetworkAcl",
    "RunInstances and DeletePlacementGroup",
    "RunInstances and DeleteSecurityGroup",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_two_requests_at_once_end_as_one_after_the_other(name: str) -> None:
    assert races.play(name, ONE_IN) == []


@pytest.mark.since("4.19")
def test_a_nat_gateway_and_the_deletion_of_its_subnet_at_once_are_not_both_done() -> None:
    assert races.play("CreateNatGateway and DeleteSubnet", ONE_IN) == []
