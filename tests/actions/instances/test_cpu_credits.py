"""The credit options of instances."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.launching import code_of, launch, started


def options(ec2: Any, *idents: str, **request: Any) -> dict[str, str]:
    """The credit options that are described, by the instances' ids."""
    if idents:
        request["InstanceIds"] = list(idents)
    found = ec2.describe_instance_credit_specifications(**request)["InstanceCreditSpecifications"]
    return {item["InstanceId"]: item["CpuCredits"] for item in found}


@pytest.mark.parametrize(
    ("kind", "expected"), [("t2.micro", "standard"), ("t3.micro", "unlimited"), ("m5.large", "standard")]
)
def test_without_a_choice_it_is_what_aws_has_for_the_type(ec2: Any, kind: str, expected: str) -> None:
    ident = started(ec2, InstanceType=kind)[0]["InstanceId"]
    assert options(ec2, ident) == {ident: expected}
    assert (ident in options(ec2)) == (expected == "unlimited")


def test_the_choice_of_a_launch_is_kept_and_can_be_changed(ec2: Any) -> None:
    wanted = {"InstanceType": "t2.micro", "CreditSpecification": {"CpuCredits": "unlimited"}}
    ident = started(ec2, **wanted)[0]["InstanceId"]
    assert options(ec2, ident) == {ident: "unlimited"} == options(ec2)
    assert options(ec2, Filters=[{"Name": "instance-id", "Values": ["i-0123456789abcdef0"]}]) == {}

    missing = "i-0123456789abcdef0"
    changes = [{"InstanceId": one, "CpuCredits": "standard"} for one in (ident, missing)]
    answer = ec2.modify_instance_credit_specification(InstanceCreditSpecifications=changes)

    assert answer["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": ident}]
    [failed] = answer["UnsuccessfulInstanceCreditSpecifications"]
    assert (failed["InstanceId"], failed["Error"]["Code"]) == (missing, "InvalidInstanceID.NotFound")
    assert options(ec2, ident) == {ident: "standard"}
    assert options(ec2) == {}
    template = ec2.get_launch_template_data(InstanceId=ident)["LaunchTemplateData"]
    assert template["CreditSpecification"] == {"CpuCredits": "standard"}
    [shown] = ec2.describe_instances(InstanceIds=[ident])["Reservations"][0]["Instances"]
    assert not shown["Tags"]


def test_an_option_that_ec2_does_not_know_is_refused(ec2: Any) -> None:
    with pytest.raises(ClientError) as error:
        launch(ec2, CreditSpecification={"CpuCredits": "endless"})
    assert code_of(error) == "InvalidParameterValue"
    ident = launch(ec2)[0]["InstanceId"]
    wrong = [{"InstanceId": ident, "CpuCredits": "endless"}]
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_credit_specification(InstanceCreditSpecifications=wrong)
    assert code_of(error) == "InvalidParameterValue"
    with pytest.raises(ClientError) as error:
        ec2.describe_instance_credit_specifications(InstanceIds=["i-0123456789abcdef0"])
    assert code_of(error) == "InvalidInstanceID.NotFound"
