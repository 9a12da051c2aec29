"""Parameters that stand for an image: AWS's names by the table, and a name for each template."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.actions.storage.test_images import ident, register
from tests.conftest import REGION, Place
from tests.launching import code_of, described, ids, launch
from tests.native import Native

DEBIAN = "/aws/service/debian/release/12/latest/amd64"
ARM = "/aws/service/debian/release/12/latest/arm64"
AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
TEMPLATE = "Debian GNU/Linux 12"


@pytest.fixture
def ssm(place: Place) -> Any:
    """Alice's client of Systems Manager."""
    return place.client(service="ssm")


@pytest.fixture
def debian(ec2: Any) -> str:
    """The id of the operator's image."""
    return image(ec2, TEMPLATE)


def image(ec2: Any, name: str) -> str:
    [found] = ec2.describe_images(Filters=[{"Name": "name", "Values": [name]}])["Images"]
    return str(found["ImageId"])


def test_a_mapped_name_tells_an_image(ssm: Any, debian: str) -> None:
    answer = ssm.get_parameter(Name=DEBIAN, WithDecryption=True)
    assert answer["Parameter"] == {
        "Name": DEBIAN,
        "Type": "String",
        "Value": debian,
        "Version": 1,
        "LastModifiedDate": datetime(2026, 11, 23, 12, 3, 19, tzinfo=UTC),
        "ARN": f"arn:aws:ssm:{REGION}::parameter{DEBIAN}",
        "DataType": "aws:ec2:image",
    }
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"
    assert answer["ResponseMetadata"]["RequestId"]


def test_no_other_architecture_stands_in(ssm: Any) -> None:
    with pytest.raises(ssm.exceptions.ParameterNotFound, match="stands for no image: no template"):
        ssm.get_parameter(Name=ARM)


def test_what_stands_for_nothing_says_what_to_do(ssm: Any) -> None:
    with pytest.raises(ssm.exceptions.ParameterNotFound) as caught:
        ssm.get_parameter(Name=AMAZON)
    for part in (
        AMAZON,
        "No template is taken for Amazon Linux by itself",
        "/ec2bridge/image/NAME",
        "parameters.yaml",
    ):
        assert part in str(caught.value)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


OWN = "/ec2bridge/image/Debian-GNU-Linux-12"


def value(ssm: Any, name: str) -> str:
    return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])


def refusal(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return f"{code_of(caught)}: {caught.value.response['Error']['Message']}"


def test_every_form_of_a_name_tells_the_same(ssm: Any, debian: str) -> None:
    arn = f"arn:aws:ssm:{REGION}::parameter{DEBIAN}"
    for name in (DEBIAN, f"{DEBIAN}:1", arn, f"{arn}:1"):
        found = ssm.get_parameter(Name=name)["Parameter"]
        assert (found["Name"], found["Value"]) == (DEBIAN, debian)
        assert found.get("Selector") == (":1" if name.endswith(":1") else None)
    for name in (f"{DEBIAN}:2", f"{DEBIAN}:stable"):
        assert refusal(ssm.get_parameter, Name=name).startswith("ParameterVersionNotFound")
    elsewhere = arn.replace(REGION, "us-east-1")
    assert refusal(ssm.get_parameter, Name=elsewhere).startswith("ParameterNotFound")


def test_a_template_has_a_parameter_by_its_own_name(place: Place, ssm: Any, ec2: Any, debian: str) -> None:
    found = ssm.get_parameter(Name=OWN)["Parameter"]
    owner = place.client(service="sts").get_caller_identity()["Account"]
    assert (found["Value"], found["ARN"]) == (debian, f"arn:aws:ssm:{REGION}:{owner}:parameter{OWN}")
    assert value(ssm, found["ARN"]) == debian
    assert value(ssm, "/ec2bridge/image/CentOS-5.6-64-bit-no-GUI-Simulator") == image(
        ec2, "CentOS 5.6 (64-bit) no GUI (Simulator)"
    )
    assert "has this name" in refusal(ssm.get_parameter, Name="/ec2bridge/image/nothing")


def test_the_newest_ready_one_stands(place: Place, ssm: Any, debian: str) -> None:
    """What is registered now is newer than what the cloud began with, and not ready at first."""
    newer = register(place, "debian-12-genericcloud-amd64-20261120-1234")
    assert value(ssm, DEBIAN) == ident(newer)
    rows = place.sim.cloud.tables["templates"]
    rows.update(rows.get(newer["id"]), isready=False)
    assert value(ssm, DEBIAN) == debian


def test_a_deprecated_one_stands_no_longer(place: Place, ssm: Any, ec2: Any, debian: str) -> None:
    mine = ident(register(place, TEMPLATE))
    assert value(ssm, DEBIAN) == mine
    ec2.enable_image_deprecation(ImageId=mine, DeprecateAt=datetime(2030, 1, 1, tzinfo=UTC))
    assert value(ssm, DEBIAN) == mine
    uuid = next(row["id"] for row in Native(place).list("listTemplates", templatefilter="self"))
    [tag] = Native(place).list("listTags", resourceid=uuid, resourcetype="Template")
    Native(place).do("deleteTags", resourceids=uuid, resourcetype="Template")
    past = {"tags[0].key": tag["key"], "tags[0].value": "2020-01-01T00:00:00.000Z"}
    Native(place).do("createTags", resourceids=uuid, resourcetype="Template", **past)
    assert value(ssm, DEBIAN) == debian


def test_no_stranger_can_stand_for_a_name(place: Place, ssm: Any, ec2: Any, debian: str) -> None:
    """Anybody may publish a template under any name: it is told by its owner's number alone."""
    theirs = register(place, TEMPLATE, account="bob", ispublic=True)
    stranger = place.client("bob", service="sts").get_caller_identity()["Account"]
    assert ident(theirs) in {found["ImageId"] for found in ec2.describe_images()["Images"]}
    assert value(ssm, DEBIAN) == value(ssm, OWN) == debian
    assert value(ssm, f"/ec2bridge/image/{stranger}/Debian-GNU-Linux-12") == ident(theirs)
    assert value(place.client("bob", service="ssm"), DEBIAN) == ident(theirs)


def test_a_private_template_is_its_owners(place: Place, ssm: Any) -> None:
    register(place, "mine")
    assert value(ssm, "/ec2bridge/image/mine")
    stranger = place.client("bob", service="ssm")
    owner = place.client(service="sts").get_caller_identity()["Account"]
    for name in ("/ec2bridge/image/mine", f"/ec2bridge/image/{owner}/mine"):
        assert refusal(stranger.get_parameter, Name=name).startswith("ParameterNotFound")


def test_several_names_at_once(place: Place, ssm: Any, debian: str) -> None:
    asked = [DEBIAN, AMAZON, OWN, ARM, f"{DEBIAN}:7"]
    calls = place.commands(lambda: ssm.get_parameters(Names=asked))
    assert calls.count("listTemplates") == 2
    answer = ssm.get_parameters(Names=asked)
    assert {found["Name"]: found["Value"] for found in answer["Parameters"]} == {DEBIAN: debian, OWN: debian}
    assert answer["InvalidParameters"] == [AMAZON, ARM, f"{DEBIAN}:7"]
    assert refusal(ssm.get_parameters, Names=[OWN, OWN]).startswith("ValidationException: Duplicate")


def test_what_lies_below_a_path(ssm: Any, ec2: Any, debian: str) -> None:
    def below(**request: Any) -> dict[str, str]:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(**request)
        found = [each for page in pages for each in page["Parameters"]]
        assert found == sorted(found, key=lambda each: each["Name"])
        assert all(value(ssm, each["Name"]) == each["Value"] for each in found)
        return {each["Name"]: each["Value"] for each in found}

    everything = below(Path="/", Recursive=True, PaginationConfig={"PageSize": 3})
    images = {found["ImageId"] for found in ec2.describe_images()["Images"]}
    assert set(everything.values()) == images
    assert everything[DEBIAN] == everything[DEBIAN.replace("12", "bookworm")] == debian
    assert AMAZON not in everything
    assert (
        below(Path="/ec2bridge/image")
        == below(Path="/ec2bridge/image/")
        == below(Path="/ec2bridge", Recursive=True)
    )
    assert below(Path="/ec2bridge/image")[OWN] == debian
    assert below(Path="/ec2bridge") == below(Path="/aws/service/debian/release/1", Recursive=True) == {}
    assert below(Path="/aws/service/debian/release/12/latest") == {DEBIAN: debian}


def test_what_no_listing_takes(ssm: Any) -> None:
    by_path = ssm.get_parameters_by_path
    assert refusal(by_path, Path="aws").startswith("ValidationException")
    assert refusal(by_path, Path="/", NextToken="x").startswith("InvalidNextToken")
    token = by_path(Path="/", Recursive=True, MaxResults=1)["NextToken"]
    assert refusal(by_path, Path="/aws", NextToken=token).startswith("InvalidNextToken")
    filters = [{"Key": "Type", "Values": ["String"]}]
    assert "ParameterFilters.Key" in refusal(by_path, Path="/", ParameterFilters=filters)


def test_the_operator_says_what_stands_for_a_name(make_place: Callable[..., Place], tmp_path: Path) -> None:
    (tmp_path / "parameters.yaml").write_text(
        f"{{architectures: {{x86_64: x86_64}}, parameters: [{{names: ['{AMAZON}'], templates: ['rocky linux 9']}}]}}"
    )
    place = make_place({"mappings": str(tmp_path)})
    ssm, ec2 = place.client(service="ssm"), place.client()
    assert value(ssm, AMAZON) == image(ec2, "Rocky Linux 9")
    assert refusal(ssm.get_parameter, Name=DEBIAN).startswith("ParameterNotFound")
    assert value(ssm, OWN)


def test_keys_that_do_not_hold_are_refused_in_json(place: Place) -> None:
    unknown = place.client(service="ssm", aws_access_key_id="nobody")
    assert refusal(unknown.get_parameter, Name=DEBIAN).startswith("UnrecognizedClientException")
    wrong = place.client(service="ssm", aws_secret_access_key="wrong")
    assert refusal(wrong.get_parameter, Name=DEBIAN).startswith("InvalidSignatureException")


def test_a_launch_resolves_a_parameter(ec2: Any, debian: str) -> None:
    for name in (DEBIAN, f"{OWN}:1", f"arn:aws:ssm:{REGION}::parameter{DEBIAN}"):
        [made] = launch(ec2, ImageId=f"resolve:ssm:{name}")
        assert made["ImageId"] == debian
        assert described(ec2, InstanceIds=ids([made]))[0]["ImageId"] == debian


def test_a_launch_says_which_parameter_stands_for_nothing(ec2: Any) -> None:
    for name in (AMAZON, f"{DEBIAN}:2"):
        said = refusal(launch, ec2=ec2, ImageId=f"resolve:ssm:{name}")
        assert said.startswith(
            f"SsmInvalidParameter: The following aliases are invalid: [resolve:ssm:{name}]. The "
        )


def test_a_launch_template_keeps_the_parameter(place: Place, ec2: Any, debian: str) -> None:
    alias = f"resolve:ssm:{DEBIAN}"
    data = {"ImageId": alias, "InstanceType": "t2.micro"}
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)

    def told(**request: Any) -> list[str]:
        found = ec2.describe_launch_template_versions(**request)["LaunchTemplateVersions"]
        return [version["LaunchTemplateData"]["ImageId"] for version in found]

    assert told(LaunchTemplateName="web") == [alias]
    assert (
        told(LaunchTemplateName="web", ResolveAlias=True)
        == told(Versions=["$Latest"], ResolveAlias=True)
        == [debian]
    )
    made = ec2.create_launch_template_version(
        LaunchTemplateName="web", LaunchTemplateData=data, ResolveAlias=True
    )
    assert made["LaunchTemplateVersion"]["LaunchTemplateData"]["ImageId"] == debian
    newer = ident(register(place, TEMPLATE))
    assert told(LaunchTemplateName="web", ResolveAlias=True) == [newer, newer]
    assert told(LaunchTemplateName="web") == [alias, alias]


def test_a_launch_template_takes_no_parameter_that_stands_for_nothing(ec2: Any) -> None:
    data = {"ImageId": f"resolve:ssm:{AMAZON}"}
    create = ec2.create_launch_template
    assert refusal(create, LaunchTemplateName="web", LaunchTemplateData=data).startswith(
        "SsmInvalidParameter"
    )
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []


def test_launches_from_a_template_and_a_fleet_resolve_it(ec2: Any, debian: str) -> None:
    data = {"ImageId": f"resolve:ssm:{DEBIAN}", "InstanceType": "t2.micro"}
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
    [made] = ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "web"}, MinCount=1, MaxCount=1)[
        "Instances"
    ]
    assert made["ImageId"] == debian
    config = {
        "LaunchTemplateSpecification": {"LaunchTemplateName": "web", "Version": "1"},
        "Overrides": [{"ImageId": f"resolve:ssm:{OWN}"}],
    }
    target = {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"}
    fleet = ec2.create_fleet(
        Type="instant", LaunchTemplateConfigs=[config], TargetCapacitySpecification=target
    )
    [ident_] = fleet["Instances"][0]["InstanceIds"]
    assert described(ec2, InstanceIds=[ident_])[0]["ImageId"] == debian
