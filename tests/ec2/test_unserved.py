"""What CloudStack cannot have: looked for, named by an id, and asked whether it is switched on."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place


def refusal(call: Any, **params: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as refused:
        call(**params)
    return str(refused.value.response["Error"]["Code"])


def test_there_are_none_of_it(ec2: Any) -> None:
    assert ec2.describe_vpc_peering_connections()["VpcPeeringConnections"] == []
    assert ec2.describe_transit_gateways()["TransitGateways"] == []
    assert ec2.describe_hosts()["Hosts"] == []


@pytest.mark.parametrize(
    ("call", "params", "code"),
    [
        ("describe_nat_gateways", {"NatGatewayIds": ["nat-01234567"]}, "NatGatewayNotFound"),
        ("delete_nat_gateway", {"NatGatewayId": "nat-01234567"}, "NatGatewayNotFound"),
        ("describe_vpc_endpoints", {"VpcEndpointIds": ["vpce-01234567"]}, "InvalidVpcEndpointId.NotFound"),
        ("release_hosts", {"HostIds": ["h-01234567"]}, "InvalidHostID.NotFound"),
        (
            "accept_vpc_peering_connection",
            {"VpcPeeringConnectionId": "pcx-01234567"},
            "InvalidVpcPeeringConnectionID.NotFound",
        ),
        (
            "get_managed_prefix_list_entries",
            {"PrefixListId": "pl-01234567"},
            "InvalidPrefixListID.NotFound",
        ),
        (
            "create_transit_gateway_route_table",
            {"TransitGatewayId": "tgw-01234567"},
            "UnsupportedOperation",
        ),
        (
            "associate_nat_gateway_address",
            {"NatGatewayId": "nat-01234567", "AllocationIds": ["eipalloc-01234567"]},
            "UnsupportedOperation",
        ),
    ],
)
def test_what_cannot_be_there_is_missing(ec2: Any, call: str, params: dict[str, Any], code: str) -> None:
    assert refusal(getattr(ec2, call), **params) == code


def test_no_key_for_disks_can_be_chosen(ec2: Any) -> None:
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    for name in ("alias/aws/ebs", "arn:aws:kms:us-east-1:123456789012:alias/aws/ebs"):
        assert ec2.modify_ebs_default_kms_key_id(KmsKeyId=name)["KmsKeyId"] == name
    for name in ("alias/mine", "arn:aws:kms:us-east-1:123456789012:key/1234abcd"):
        with pytest.raises(ClientError, match=f"KmsKeyId with the value '{name}'") as refused:
            ec2.modify_ebs_default_kms_key_id(KmsKeyId=name)
        assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"


def test_switches_stand_where_cloudstack_leaves_them(ec2: Any) -> None:
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert ec2.disable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert refusal(ec2.enable_ebs_encryption_by_default) == "UnsupportedOperation"
    assert ec2.get_serial_console_access_status()["SerialConsoleAccessEnabled"] is False
    assert ec2.disable_serial_console_access()["SerialConsoleAccessEnabled"] is False
    assert ec2.get_snapshot_block_public_access_state()["State"] == "block-all-sharing"
    assert ec2.get_instance_metadata_defaults()["AccountLevel"] == {}
    assert ec2.get_allowed_images_settings()["State"] == "disabled"


@pytest.mark.parametrize(("may", "state"), [(True, "unblocked"), (False, "block-new-sharing")])
def test_the_cloud_says_whether_images_may_be_public(ec2: Any, place: Place, may: bool, state: str) -> None:
    place.sim.cloud.settings["allow.public.user.templates"] = may
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == state


def test_a_filter_without_values_is_refused_where_aws_refuses_it(ec2: Any) -> None:
    call = ec2.describe_iam_instance_profile_associations
    assert refusal(call, Filters=[{"Name": "instance-id", "Values": []}]) == "InvalidParameterValue"
    wanted = [{"Name": "instance-id", "Values": ["i-01234567"]}]
    assert call(Filters=wanted)["IamInstanceProfileAssociations"] == []
    assert ec2.describe_hosts(Filters=[{"Name": "state", "Values": []}])["Hosts"] == []


def test_a_role_to_assume_is_refused_with_what_to_do_instead(place: Place) -> None:
    sts = place.client(service="sts")
    with pytest.raises(ClientError, match="sign with an account's own access key instead") as refused:
        sts.assume_role(RoleArn="arn:aws:iam::000000000000:role/web", RoleSessionName="web")
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"
    assert refusal(sts.get_session_token) == "UnsupportedOperation"
