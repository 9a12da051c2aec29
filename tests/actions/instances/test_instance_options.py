"""Passwords, the console, and options that CloudStack leaves no choice about."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.conftest import Place
from tests.launching import code_of, described, launch, started
from tests.native import Native


def refused(code: str, call: Callable[..., Any], **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert code_of(error) == code


def test_the_private_key_decrypts_the_password(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    pem = ec2.create_key_pair(KeyName="k")["KeyMaterial"]
    for row in place.sim.cloud.tables["templates"]:
        place.sim.cloud.tables["templates"].update(row, passwordenabled=True)
    ident = started(ec2, KeyName="k")[0]["InstanceId"]
    uuid = native.list("listVirtualMachines")[0]["id"]
    native.do("stopVirtualMachine", id=uuid)
    chosen = native.do("resetPasswordForVirtualMachine", id=uuid)["password"]
    sealed = ec2.get_password_data(InstanceId=ident)["PasswordData"]
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.decrypt(base64.b64decode(sealed), padding.PKCS1v15()).decode() == chosen


def test_what_there_is_to_say_of_a_machine(ec2: Any) -> None:
    ident = launch(ec2)[0]["InstanceId"]
    assert ec2.get_password_data(InstanceId=ident)["PasswordData"] == ""
    assert ec2.get_console_output(InstanceId=ident)["Output"] == ""
    refused("UnsupportedOperation", ec2.get_console_screenshot, InstanceId=ident)
    answer = ec2.monitor_instances(InstanceIds=[ident])["InstanceMonitorings"]
    assert answer == [{"InstanceId": ident, "Monitoring": {"State": "pending"}}]
    assert described(ec2)[0]["Monitoring"] == {"State": "enabled"}
    answer = ec2.unmonitor_instances(InstanceIds=[ident])["InstanceMonitorings"]
    assert answer == [{"InstanceId": ident, "Monitoring": {"State": "disabling"}}]
    assert described(ec2)[0]["Monitoring"] == {"State": "disabled"}
    refused("UnsupportedOperation", ec2.reset_instance_attribute, InstanceId=ident, Attribute="kernel")
    assert ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"] == []
    refused(
        "UnsupportedOperation",
        ec2.associate_iam_instance_profile,
        InstanceId=ident,
        IamInstanceProfile={"Name": "admin"},
    )


def test_what_is_chosen_of_metadata_is_told_again(ec2: Any) -> None:
    modify = ec2.modify_instance_metadata_options
    wanted = {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    ident = started(ec2, MetadataOptions=wanted)[0]["InstanceId"]

    def shown() -> dict[str, Any]:
        [item] = described(ec2, Filters=[{"Name": "instance-id", "Values": [ident]}])
        return dict(item["MetadataOptions"])

    first = {**wanted, "HttpProtocolIpv6": "disabled", "InstanceMetadataTags": "disabled", "State": "applied"}
    assert shown() == first
    assert described(ec2, Filters=[{"Name": "metadata-options.http-tokens", "Values": ["required"]}])
    template = ec2.get_launch_template_data(InstanceId=ident)["LaunchTemplateData"]["MetadataOptions"]
    assert template == {name: value for name, value in first.items() if name != "State"}
    # What is not named stays as it is.
    answer = modify(InstanceId=ident, InstanceMetadataTags="enabled")
    assert (answer["InstanceId"], answer["InstanceMetadataOptions"]) == (
        ident,
        {**first, "InstanceMetadataTags": "enabled"},
    )
    assert shown() == answer["InstanceMetadataOptions"]
    modify(
        InstanceId=ident, HttpTokens="optional", HttpPutResponseHopLimit=1, InstanceMetadataTags="disabled"
    )
    assert shown() == {**first, "HttpTokens": "optional", "HttpPutResponseHopLimit": 1}
    assert described(ec2)[0].get("Tags", []) == []


def test_metadata_cannot_be_switched_off(ec2: Any) -> None:
    ident = started(ec2)[0]["InstanceId"]
    for options in ({"HttpEndpoint": "disabled"}, {"HttpProtocolIpv6": "enabled"}):
        refused("UnsupportedOperation", ec2.modify_instance_metadata_options, InstanceId=ident, **options)
        with pytest.raises(ClientError, match="metadata"):
            launch(ec2, MetadataOptions=options)
    for wrong in ({"HttpTokens": "maybe"}, {"HttpPutResponseHopLimit": 65}, {"HttpPutResponseHopLimit": 0}):
        refused("InvalidParameterValue", ec2.modify_instance_metadata_options, InstanceId=ident, **wrong)
    ec2.terminate_instances(InstanceIds=[ident])
    refused(
        "IncorrectInstanceState",
        ec2.modify_instance_metadata_options,
        InstanceId=ident,
        HttpTokens="required",
    )
    assert len(described(ec2)) == 1


def test_a_template_says_how_metadata_is_served(ec2: Any) -> None:
    data = {
        "ImageId": ec2.describe_images()["Images"][0]["ImageId"],
        "InstanceType": "t2.micro",
        "MetadataOptions": {"HttpTokens": "required"},
    }
    ec2.create_launch_template(LaunchTemplateName="modern", LaunchTemplateData=data)
    [item] = ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "modern"}, MinCount=1, MaxCount=1)[
        "Instances"
    ]
    assert item["MetadataOptions"]["HttpTokens"] == "required"


@pytest.mark.parametrize("call", ["get_password_data", "get_console_output"])
def test_a_machine_that_is_not_there(ec2: Any, call: str) -> None:
    refused("InvalidInstanceID.NotFound", getattr(ec2, call), InstanceId="i-0123456789abcdef0")


def test_ids_are_long(ec2: Any) -> None:
    assert ec2.describe_id_format(Resource="instance")["Statuses"] == [
        {"Resource": "instance", "UseLongIds": True}
    ]
    assert ec2.describe_aggregate_id_format()["UseLongIdsAggregated"]


def test_recovery_is_disabled_where_the_offering_has_none(place: Place, ec2: Any) -> None:
    ident = launch(ec2, MaintenanceOptions={"AutoRecovery": "disabled"})[0]["InstanceId"]
    none = {"AutoRecovery": "disabled", "RebootMigration": "default"}
    assert described(ec2)[0]["MaintenanceOptions"] == none
    kept = ec2.modify_instance_maintenance_options(InstanceId=ident, RebootMigration="default")
    assert kept["AutoRecovery"] == "disabled"
    ec2.modify_instance_maintenance_options(InstanceId=ident, AutoRecovery="default")
    assert described(ec2)[0]["MaintenanceOptions"]["AutoRecovery"] == "default"
    ec2.modify_instance_maintenance_options(InstanceId=ident, AutoRecovery="disabled")
    assert described(ec2)[0]["MaintenanceOptions"] == none
    refused(
        "InvalidParameterValue",
        ec2.modify_instance_maintenance_options,
        InstanceId=ident,
        AutoRecovery="never",
    )


def test_recovery_that_the_offering_promises_cannot_be_disabled(place: Place, ec2: Any) -> None:
    offerings = place.sim.cloud.tables["serviceofferings"]
    for row in list(offerings):
        offerings.update(row, offerha=True)
    for row in list(place.sim.cloud.tables["machines"]):
        place.sim.cloud.tables["machines"].update(row, haenable=True)
    types = ec2.describe_instance_types(InstanceTypes=["t2.micro"])["InstanceTypes"]
    assert types[0]["AutoRecoverySupported"] is True
    with pytest.raises(ClientError, match="Choose another type"):
        launch(ec2, MaintenanceOptions={"AutoRecovery": "disabled"})
    launch(ec2, MaintenanceOptions={"AutoRecovery": "default"})


def test_names_of_machines_cannot_be_chosen(ec2: Any) -> None:
    default = {"HostnameType": "ip-name", "EnableResourceNameDnsARecord": False}
    launch(ec2, PrivateDnsNameOptions=default)
    for changed in ({"HostnameType": "resource-name"}, {"EnableResourceNameDnsARecord": True}):
        with pytest.raises(ClientError, match="PrivateDnsNameOptions"):
            launch(ec2, PrivateDnsNameOptions={**default, **changed})
