"""What an action declares is what a client may send: everything else is refused by name."""

import pytest

from ec2bridge.ec2.registry import Action, check_members
from ec2bridge.errors import Ec2Error


async def nothing(ctx: object, request: object) -> None:
    """Do nothing."""


RUN = Action(
    "RunInstances",
    nothing,
    honours=frozenset({"ImageId", "Placement.AvailabilityZone", "NetworkInterfaces.SubnetId"}),
    ignores={"MetadataOptions": "CloudStack's metadata service has no options"},
    defaults={"Monitoring.Enabled": (False,)},
)


@pytest.mark.parametrize(
    "request_",
    [
        {"ImageId": "ami-1", "DryRun": True, "Filters": [{"Name": "a"}]},
        {"Placement": {"AvailabilityZone": "za"}},
        {"NetworkInterfaces": [{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-2"}]},
        {"MetadataOptions": {"HttpTokens": "required"}},
        {"Monitoring": {"Enabled": False}},
        {"IamInstanceProfile": {"Name": ""}, "ElasticGpuSpecification": []},
    ],
)
def test_what_is_declared_empty_or_the_default_passes(request_: dict[str, object]) -> None:
    check_members(RUN, request_)


@pytest.mark.parametrize(
    ("request_", "path", "value"),
    [
        ({"KernelId": "aki-1"}, "KernelId", "aki-1"),
        ({"Placement": {"AvailabilityZone": "za", "Tenancy": "dedicated"}}, "Placement.Tenancy", "dedicated"),
        (
            {"NetworkInterfaces": [{"SubnetId": "subnet-1", "InterfaceType": "efa"}]},
            "NetworkInterfaces.InterfaceType",
            "efa",
        ),
        ({"Monitoring": {"Enabled": True}}, "Monitoring.Enabled", "true"),
        ({"EbsOptimized": False}, "EbsOptimized", "false"),
    ],
)
def test_what_is_not_declared_is_refused_by_name(request_: dict[str, object], path: str, value: str) -> None:
    with pytest.raises(Ec2Error, match=f"The parameter {path} with the value '{value}' is") as caught:
        check_members(RUN, request_)
    assert caught.value.code == "UnsupportedOperation"


def test_a_lenient_bridge_is_told_instead() -> None:
    seen: list[str] = []
    check_members(RUN, {"KernelId": "aki-1", "RamdiskId": "ari-1"}, lenient=seen.append)
    assert seen == ["KernelId", "RamdiskId"]
