"""Templates as images: owners, launch permissions, states."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.actions.storage.images import state
from ec2bridge.resources.instance_types import architecture, virtualization
from tests.conftest import Place
from tests.launching import described, launch
from tests.native import Native

CENTOS = "CentOS 5.6 (64-bit) no GUI (Simulator)"


@pytest.fixture
def own(place: Place) -> dict[str, Any]:
    """A private template that alice has registered."""
    return register(place, "my-image")


def register(place: Place, name: str, account: str = "alice", **changed: Any) -> dict[str, Any]:
    native = Native(place, account)
    [row] = native.list("listOsTypes", description="CentOS 7")[:1]
    made = native.do(
        "registerTemplate",
        name=name,
        displaytext=f"{name} for tests",
        url="http://images.example/x.vhd",
        format="VHD",
        hypervisor="Simulator",
        ostypeid=row["id"],
        zoneid=native.zone("sim-adv"),
        requireshvm=True,
        **changed,
    )
    rows = made.get("template") or [made]
    return dict(rows[0] if isinstance(rows, list) else rows)


def ident(row: dict[str, Any]) -> str:
    return "ami-" + str(row["id"]).replace("-", "")[:17]


def test_a_template_of_all_zones_is_one_image(place: Place, ec2: Any) -> None:
    assert len(Native(place).list("listTemplates", templatefilter="featured", name=CENTOS)) == 3

    [image] = ec2.describe_images(Filters=[{"Name": "name", "Values": [CENTOS]}])["Images"]

    assert image["State"] == "available"
    assert image["Public"] is True
    assert image["Architecture"] == "x86_64"
    assert image["ImageType"] == "machine"
    assert image["VirtualizationType"] == "hvm"
    assert image["CreationDate"] == "2026-11-23T12:03:19.000Z"
    assert image["ImageOwnerAlias"] == "amazon"
    assert image["ImageLocation"] == f"amazon/{image['Name']}"  # jclouds needs one
    assert image["RootDeviceName"] == image["BlockDeviceMappings"][0]["DeviceName"] == "/dev/sda1"
    assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 2
    assert "Platform" not in image
    assert (image["PlatformDetails"], image["UsageOperation"]) == ("Linux/UNIX", "RunInstances")


def test_owners_tell_ones_own_from_the_operators(ec2: Any, own: dict[str, Any]) -> None:
    def owned_by(*owners: str) -> set[str]:
        return {image["Name"] for image in ec2.describe_images(Owners=list(owners))["Images"]}

    featured = owned_by("amazon")
    [image] = ec2.describe_images(ImageIds=[ident(own)])["Images"]

    assert owned_by("self") == owned_by(image["OwnerId"]) == {"my-image"}
    assert CENTOS in featured
    assert "my-image" not in featured
    assert owned_by("aws-marketplace") == featured
    assert owned_by("self", "amazon") == {"my-image", *featured}
    assert owned_by("000000000000") == set()


@pytest.mark.parametrize(
    "named", [{"Owners": ["canonical"]}, {"ExecutableUsers": ["amazon"]}, {"ExecutableUsers": [""]}]
)
def test_an_owner_and_a_user_are_an_account_or_an_alias(ec2: Any, named: dict[str, list[str]]) -> None:
    with pytest.raises(ClientError) as refused:
        ec2.describe_images(**named)

    assert refused.value.response["Error"]["Code"] == "InvalidUserID.Malformed"


def test_a_private_image_is_its_owners_alone(place: Place, own: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        place.client("bob").describe_images(ImageIds=[ident(own)])

    assert refused.value.response["Error"]["Code"] == "InvalidAMIID.NotFound"


def test_an_image_that_was_shared_is_found_by_the_one_it_was_shared_with(
    place: Place, own: dict[str, Any]
) -> None:
    Native(place).do("updateTemplatePermissions", id=own["id"], op="add", accounts=["bob"])
    alice, bob = place.client(), place.client("bob")
    bobs_account = place.client("bob", service="sts").get_caller_identity()["Account"]

    assert [image["ImageId"] for image in bob.describe_images(ExecutableUsers=["self"])["Images"]] == [
        ident(own)
    ]
    assert [
        image["ImageId"] for image in alice.describe_images(ExecutableUsers=[bobs_account])["Images"]
    ] == [ident(own)]
    assert alice.describe_images(ExecutableUsers=["self"])["Images"] == []
    assert {image["Public"] for image in alice.describe_images(ExecutableUsers=["all"])["Images"]} == {True}


def test_a_machine_of_a_shared_image_has_its_architecture(place: Place, own: dict[str, Any]) -> None:
    Native(place).do("updateTemplatePermissions", id=own["id"], op="add", accounts=["bob"])
    bob = place.client("bob")

    launch(bob, ImageId=ident(own))

    [machine] = described(bob)
    assert machine["Architecture"] == "x86_64"


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("name", "CentOS*", {CENTOS}),
        ("name", "my-*", {"my-image"}),
        ("is-public", "false", {"my-image"}),
        ("state", "available", {CENTOS, "my-image"}),
        ("architecture", "x86_64", {CENTOS, "my-image"}),
        ("architecture", "arm64", set()),
        ("owner-alias", "amazon", {CENTOS}),
        ("creation-date", "2026-*", {CENTOS, "my-image"}),
        ("root-device-type", "ebs", {CENTOS, "my-image"}),
        ("block-device-mapping.device-name", "/dev/sda1", {CENTOS, "my-image"}),
        ("platform", "windows", set()),
        ("description", "*for tests", {"my-image"}),
        ("tag:team", "red", {"my-image"}),
        ("scan-result.highest-finding-severity-label", "low", set()),
    ],
)
def test_images_are_filtered(ec2: Any, own: dict[str, Any], name: str, value: str, hits: set[str]) -> None:
    ec2.create_tags(Resources=[ident(own)], Tags=[{"Key": "team", "Value": "red"}])

    found = ec2.describe_images(Filters=[{"Name": name, "Values": [value]}])["Images"]

    assert {image["Name"] for image in found} & {CENTOS, "my-image"} == hits


def test_an_image_that_does_not_exist(ec2: Any) -> None:
    for image, code in (("ami-00000000000000000", "NotFound"), ("centos", "Malformed")):
        with pytest.raises(ClientError) as refused:
            ec2.describe_images(ImageIds=[image])
        assert refused.value.response["Error"]["Code"] == f"InvalidAMIID.{code}"


def test_native_calls_do_not_grow_with_images(place: Place, ec2: Any, own: dict[str, Any]) -> None:
    ec2.describe_regions()

    assert place.commands(lambda: ec2.describe_images()) == ["listTemplates"] * 3
    assert place.commands(lambda: ec2.describe_images(Owners=["self"])) == ["listTemplates"]


# --- what the embedded CloudStack has no template for ----------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"isready": True, "status": "Download Complete"}, "available"),
        ({"isready": False, "status": "Processing"}, "pending"),
        ({"isready": False, "status": "35% Downloaded"}, "pending"),
        ({"isready": False}, "pending"),
        ({"isready": False, "status": "Failed to download: no such host"}, "failed"),
    ],
)
def test_states(row: dict[str, Any], word: str) -> None:
    assert state(row)[0] == word


def test_a_failure_says_why() -> None:
    _, reason = state({"isready": False, "status": "Failed to download: no such host"})

    assert reason == {"Code": "Client.ImportFailed", "Message": "Failed to download: no such host"}


def test_architectures() -> None:
    assert architecture({"arch": "aarch64", "ostypename": "Debian 12"}) == "arm64"
    assert architecture({"arch": "x86_64", "ostypename": "CentOS 7"}) == "x86_64"
    assert architecture({"ostypename": "Debian GNU/Linux 5.0 (32-bit)"}) == "i386"


def test_only_xenserver_has_paravirtual_machines() -> None:
    assert virtualization({"hypervisor": "XenServer", "requireshvm": False}) == "paravirtual"
    assert virtualization({"hypervisor": "XenServer", "requireshvm": True}) == "hvm"
    assert virtualization({"hypervisor": "KVM", "requireshvm": False}) == "hvm"
