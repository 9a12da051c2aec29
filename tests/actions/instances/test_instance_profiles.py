"""IAM instance profiles: refused, or where the operator says so kept and told; no machine gets a right by one."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.config import SettingsError
from tests.conftest import Place
from tests.launching import code_of, described, launch, started


@pytest.fixture
def ec2(make_place: Any) -> Any:
    place: Place = make_place({"iam_instance_profiles": "ignore"})
    return place.client()


def associations(ec2: Any, **request: Any) -> list[dict[str, Any]]:
    answer = ec2.describe_iam_instance_profile_associations(**request)
    return list(answer["IamInstanceProfileAssociations"])


def refusal(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**request)
    return code_of(error)


def test_a_launch_tells_its_profile_again(ec2: Any) -> None:
    machine = started(ec2, IamInstanceProfile={"Name": "web"})[0]
    profile = machine["IamInstanceProfile"]
    owner = ec2.describe_instances()["Reservations"][0]["OwnerId"]
    assert profile["Arn"] == f"arn:aws:iam::{owner}:instance-profile/web"
    assert profile["Id"].startswith("AIPA")
    assert len(profile["Id"]) == 21
    [item] = associations(ec2)
    assert (item["InstanceId"], item["State"]) == (machine["InstanceId"], "associated")
    assert item["IamInstanceProfile"] == profile
    assert item["Timestamp"] == machine["LaunchTime"]
    assert associations(ec2, AssociationIds=[item["AssociationId"]]) == [item]
    sent = {"Resources": [item["AssociationId"]], "Tags": [{"Key": "a", "Value": "b"}]}
    assert refusal(ec2.create_tags, **sent) == "InvalidID"
    # What is kept is the bridge's own, and no tag that a client sees.
    assert machine.get("Tags", []) == []
    data = ec2.get_launch_template_data(InstanceId=machine["InstanceId"])["LaunchTemplateData"]
    assert data["IamInstanceProfile"] == {"Arn": profile["Arn"]}
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    ec2.get_waiter("instance_terminated").wait(
        InstanceIds=[machine["InstanceId"]], WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
    )
    assert associations(ec2) == []


def test_machines_are_found_by_their_profile(ec2: Any) -> None:
    arn = "arn:aws:iam::123456789012:instance-profile/teams/web"
    machine = started(ec2, IamInstanceProfile={"Arn": arn})[0]
    started(ec2)
    assert machine["IamInstanceProfile"]["Arn"] == arn
    for name, value in (("arn", arn), ("id", machine["IamInstanceProfile"]["Id"]), ("name", "web")):
        found = described(ec2, Filters=[{"Name": f"iam-instance-profile.{name}", "Values": [value]}])
        assert [one["InstanceId"] for one in found] == [machine["InstanceId"]], name
    for wanted in (["i-0123456789abcdef0"], [machine["InstanceId"]]):
        found = associations(ec2, Filters=[{"Name": "instance-id", "Values": wanted}])
        assert [one["InstanceId"] for one in found] == [one for one in wanted if one == machine["InstanceId"]]


def test_a_profile_is_put_on_replaced_and_taken_off(ec2: Any) -> None:
    ident = started(ec2)[0]["InstanceId"]
    put = ec2.associate_iam_instance_profile
    first = put(InstanceId=ident, IamInstanceProfile={"Name": "web"})["IamInstanceProfileAssociation"]
    assert (first["InstanceId"], first["State"]) == (ident, "associating")
    assert associations(ec2) == [{**first, "State": "associated"}]
    assert described(ec2)[0]["IamInstanceProfile"] == first["IamInstanceProfile"]
    assert refusal(put, InstanceId=ident, IamInstanceProfile={"Name": "db"}) == "IncorrectState"
    second = ec2.replace_iam_instance_profile_association(
        AssociationId=first["AssociationId"], IamInstanceProfile={"Name": "db"}
    )["IamInstanceProfileAssociation"]
    assert second["AssociationId"] != first["AssociationId"]
    assert described(ec2)[0]["IamInstanceProfile"]["Arn"].endswith("/db")
    off = ec2.disassociate_iam_instance_profile
    assert refusal(off, AssociationId=first["AssociationId"]) == "InvalidAssociationID.NotFound"
    answer = off(AssociationId=second["AssociationId"])["IamInstanceProfileAssociation"]
    assert answer == {**second, "State": "disassociating"}
    assert associations(ec2) == []
    assert "IamInstanceProfile" not in described(ec2)[0]
    # The same again is another association.
    third = put(InstanceId=ident, IamInstanceProfile={"Name": "db"})["IamInstanceProfileAssociation"]
    assert third["AssociationId"] != second["AssociationId"]


def test_a_template_names_a_profile_and_a_launch_another(ec2: Any) -> None:
    data = {
        "ImageId": ec2.describe_images()["Images"][0]["ImageId"],
        "InstanceType": "t2.micro",
        "IamInstanceProfile": {"Name": "web"},
    }
    ec2.create_launch_template(LaunchTemplateName="with-profile", LaunchTemplateData=data)
    named = {"LaunchTemplate": {"LaunchTemplateName": "with-profile"}, "MinCount": 1, "MaxCount": 1}
    for changed, name in (({}, "web"), ({"IamInstanceProfile": {"Name": "db"}}, "db")):
        [item] = ec2.run_instances(**named, **changed)["Instances"]
        assert item["IamInstanceProfile"]["Arn"].endswith(f"/{name}")
    ec2.create_fleet(
        Type="instant",
        LaunchTemplateConfigs=[
            {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateName": "with-profile",
                    "Version": "1",
                }
            }
        ],
        TargetCapacitySpecification={"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"},
    )
    shown = [one["IamInstanceProfile"]["Arn"].rpartition("/")[2] for one in described(ec2)]
    assert sorted(shown) == ["db", "web", "web"]


def test_what_is_wrong_with_a_profile_is_told(ec2: Any) -> None:
    arn = "arn:aws:iam::123456789012:instance-profile/web"
    wrong = [
        ({"Name": "web", "Arn": arn}, "InvalidParameterCombination"),
        ({"Name": "a b"}, "InvalidParameterValue"),
        ({"Name": "a" * 129}, "InvalidParameterValue"),
        ({"Arn": arn.replace("instance-profile", "role")}, "InvalidParameterValue"),
        ({"Arn": f"{arn}/{'a' * 128}/{'b' * 128}"}, "InvalidParameterValue"),
    ]
    for profile, code in wrong:
        with pytest.raises(ClientError) as error:
            launch(ec2, IamInstanceProfile=profile)
        assert code_of(error) == code, profile
    assert described(ec2) == []
    unknown = {"AssociationId": "iip-assoc-0123456789abcdef0"}
    assert refusal(ec2.disassociate_iam_instance_profile, **unknown) == "InvalidAssociationID.NotFound"
    listed = {"AssociationIds": ["iip-assoc-0123456789abcdef0"]}
    call = ec2.describe_iam_instance_profile_associations
    assert refusal(call, **listed) == "InvalidAssociationID.NotFound"
    ident = launch(ec2)[0]["InstanceId"]
    put = ec2.associate_iam_instance_profile
    assert refusal(put, InstanceId=ident, IamInstanceProfile={}) == "MissingParameter"


def test_what_is_kept_can_be_taken_off_when_profiles_are_refused(make_place: Any) -> None:
    place = make_place({"iam_instance_profiles": "ignore"})
    before = place.client()
    ident = started(before, IamInstanceProfile={"Name": "web"})[0]["InstanceId"]
    service = place.sim.accounts["keylookup"]
    keys = {"service_api_key": service.api_key, "service_secret_key": service.secret_key}
    # The same cloud behind a bridge of another mind.
    refusing = make_place({"cloudstack_url": place.sim.url, **keys})
    after = place.client(endpoint_url=refusing.url)
    [item] = associations(after)
    assert item["InstanceId"] == ident
    replace = after.replace_iam_instance_profile_association
    wanted = {"AssociationId": item["AssociationId"], "IamInstanceProfile": {"Name": "db"}}
    assert refusal(replace, **wanted) == "UnsupportedOperation"
    after.disassociate_iam_instance_profile(AssociationId=item["AssociationId"])
    assert associations(after) == []


def test_a_word_that_is_none_is_refused_at_the_start(make_place: Any) -> None:
    with pytest.raises(SettingsError, match="choose refuse or ignore"):
        make_place({"iam_instance_profiles": "allow"})
