"""Attributes of instances, read and changed one at a time as Terraform, Ansible and boto 2 do."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.launching import ADVANCED, GROUPED, code_of, described, ids, launch, placed, started, until


def attribute(ec2: Any, ident: str, name: str) -> Any:
    answer = ec2.describe_instance_attribute(InstanceId=ident, Attribute=name)
    assert answer["InstanceId"] == ident
    return next(value for key, value in answer.items() if key not in ("InstanceId", "ResponseMetadata"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instanceType", {"Value": "t2.micro"}),
        ("disableApiTermination", {"Value": False}),
        ("disableApiStop", {"Value": False}),
        ("instanceInitiatedShutdownBehavior", {"Value": "stop"}),
        ("rootDeviceName", {"Value": "/dev/sda1"}),
        ("sourceDestCheck", {"Value": True}),
        ("ebsOptimized", {"Value": False}),
        ("userData", {}),
        ("kernel", {}),
        ("enclaveOptions", {"Enabled": False}),
    ],
)
def test_every_attribute_has_its_element(machine: Any, name: str, value: Any) -> None:
    ec2, ident = machine
    assert attribute(ec2, ident, name) == value


@pytest.fixture(scope="module")
def machine() -> Any:
    from tests.conftest import Place

    place = Place()
    ec2 = place.client()
    yield ec2, ids(started(ec2))[0]
    place.close()


def test_an_unknown_attribute_is_refused(machine: Any) -> None:
    ec2, ident = machine
    with pytest.raises(ClientError) as error:
        ec2.describe_instance_attribute(InstanceId=ident, Attribute="colour")
    assert code_of(error) == "InvalidParameterValue"


def test_groups_and_devices_are_as_in_the_description(machine: Any) -> None:
    ec2, ident = machine
    shown = described(ec2, InstanceIds=[ident])[0]
    assert attribute(ec2, ident, "groupSet") == shown["SecurityGroups"]
    assert attribute(ec2, ident, "blockDeviceMapping") == shown["BlockDeviceMappings"]


@pytest.mark.since("4.20")
def test_switches_of_a_launch_can_be_read_and_changed(ec2: Any) -> None:
    ident = ids(
        started(
            ec2,
            DisableApiTermination=True,
            DisableApiStop=True,
            InstanceInitiatedShutdownBehavior="terminate",
        )
    )[0]
    assert attribute(ec2, ident, "disableApiTermination") == {"Value": True}
    assert attribute(ec2, ident, "disableApiStop") == {"Value": True}
    assert attribute(ec2, ident, "instanceInitiatedShutdownBehavior") == {"Value": "terminate"}
    assert described(ec2)[0]["Tags"] == []
    with pytest.raises(ClientError) as error:
        ec2.stop_instances(InstanceIds=[ident])
    assert code_of(error) == "OperationNotPermitted"

    ec2.modify_instance_attribute(InstanceId=ident, DisableApiStop={"Value": False})
    ec2.modify_instance_attribute(InstanceId=ident, InstanceInitiatedShutdownBehavior={"Value": "stop"})
    # The form of old clients.
    ec2.modify_instance_attribute(InstanceId=ident, Attribute="disableApiTermination", Value="false")
    assert attribute(ec2, ident, "disableApiTermination") == {"Value": False}
    assert attribute(ec2, ident, "instanceInitiatedShutdownBehavior") == {"Value": "stop"}
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)


def test_a_running_machines_type_is_not_even_set_to_what_it_is(ec2: Any) -> None:
    ident = started(ec2)[0]["InstanceId"]
    same = {"InstanceId": ident, "InstanceType": {"Value": "t2.micro"}}
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(**same)
    assert code_of(error) == "IncorrectInstanceState"


def test_type_and_user_data_change_while_stopped(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    for change in ({"InstanceType": {"Value": "t2.small"}}, {"UserData": {"Value": b"new"}}):
        with pytest.raises(ClientError) as error:
            ec2.modify_instance_attribute(InstanceId=ident, **change)
        assert code_of(error) == "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    ec2.modify_instance_attribute(InstanceId=ident, InstanceType={"Value": "t2.small"})
    ec2.modify_instance_attribute(InstanceId=ident, UserData={"Value": b"new"})
    assert described(ec2)[0]["InstanceType"] == "t2.small"
    assert attribute(ec2, ident, "userData") == {"Value": "bmV3"}
    # One of its own size, of another name: an alias that is remembered.
    ec2.modify_instance_attribute(InstanceId=ident, InstanceType={"Value": "m5.large"})
    assert attribute(ec2, ident, "instanceType") == {"Value": "m5.large"}


@pytest.mark.parametrize("failing", ["createTags", "scaleVirtualMachine"])
def test_a_change_of_type_is_made_as_a_whole_or_not_at_all(place: Place, ec2: Any, failing: str) -> None:
    ident = ids(started(ec2))[0]
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    change = {"InstanceId": ident, "InstanceType": {"Value": "t2.small"}}
    place.sim.faults.add("refused", failing)
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(**change)
    assert code_of(error) == "UnauthorizedOperation"
    [row] = place.sim.cloud.tables["machines"]
    assert row["serviceofferingname"] == "t2.micro"
    assert "ec2bridge:instance-type" not in {tag["key"] for tag in place.sim.cloud.tables["tags"]}
    assert place.run(place.bridge.site.store.everywhere("tags")) == []

    ec2.modify_instance_attribute(**change)
    assert described(ec2)[0]["InstanceType"] == "t2.small"


def test_a_terminated_machine_still_has_attributes(ec2: Any) -> None:
    ident = ids(started(ec2, UserData="old"))[0]
    ec2.terminate_instances(InstanceIds=[ident])
    until(ec2, "terminated", ident)
    assert attribute(ec2, ident, "userData") == {}
    assert attribute(ec2, ident, "instanceType") == {"Value": "t2.micro"}
    assert "UserData" not in ec2.get_launch_template_data(InstanceId=ident)["LaunchTemplateData"]


def test_groups_change_where_cloudstack_lets_them(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    isolated = ids(started(ec2, **placed(ADVANCED)))[0]
    ec2.modify_instance_attribute(InstanceId=isolated, Groups=[group])
    assert attribute(ec2, isolated, "groupSet") == [{"GroupId": group, "GroupName": "web"}]

    native = ids(started(ec2, **placed(GROUPED)))[0]
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(InstanceId=native, Groups=[group])
    assert code_of(error) == "IncorrectInstanceState"
    assert "Stop it, change them, and start it again." in str(error.value)
    ec2.stop_instances(InstanceIds=[native])
    until(ec2, "stopped", native)
    ec2.modify_instance_attribute(InstanceId=native, Groups=[group])
    assert attribute(ec2, native, "groupSet") == [{"GroupId": group, "GroupName": "web"}]
    # Ansible sends the groups that are there already, whatever the state.
    ec2.start_instances(InstanceIds=[native])
    until(ec2, "running", native)
    ec2.modify_instance_attribute(InstanceId=native, Groups=[group])


def test_the_source_check_goes_only_where_nothing_enforces_it(ec2: Any) -> None:
    isolated, native = (ids(started(ec2, **placed(zone)))[0] for zone in (ADVANCED, GROUPED))
    ec2.modify_instance_attribute(InstanceId=isolated, SourceDestCheck={"Value": False})
    shown = described(ec2, InstanceIds=[isolated])[0]
    assert shown["SourceDestCheck"] is shown["NetworkInterfaces"][0]["SourceDestCheck"] is False
    ec2.reset_instance_attribute(InstanceId=isolated, Attribute="sourceDestCheck")
    assert attribute(ec2, isolated, "sourceDestCheck") == {"Value": True}
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(InstanceId=native, SourceDestCheck={"Value": False})
    assert code_of(error) == "UnsupportedOperation"


def test_a_volume_is_told_to_go_with_its_machine(ec2: Any) -> None:
    disk = {"VolumeSize": 5, "DeleteOnTermination": False}
    ident = ids(started(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": disk}]))[0]
    volume = attribute(ec2, ident, "blockDeviceMapping")[1]["Ebs"]
    assert volume["DeleteOnTermination"] is False
    # AWS: without a word of it the volume goes.
    change = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": volume["VolumeId"]}}
    ec2.modify_instance_attribute(InstanceId=ident, BlockDeviceMappings=[change])
    assert attribute(ec2, ident, "blockDeviceMapping")[1]["Ebs"]["DeleteOnTermination"] is True
    ec2.terminate_instances(InstanceIds=[ident])
    until(ec2, "terminated", ident)
    assert ec2.describe_volumes()["Volumes"] == []
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(InstanceId=ident, SourceDestCheck={"Value": True})
    assert code_of(error) == "IncorrectInstanceState"


def test_one_attribute_a_request(ec2: Any) -> None:
    ident = ids(launch(ec2))[0]
    both = "InvalidParameterCombination"
    for change, code in (
        ({}, both),
        ({"DisableApiStop": {"Value": True}, "EbsOptimized": {"Value": False}}, both),
        ({"Attribute": "disableApiStop", "Value": "true", "DisableApiStop": {"Value": True}}, both),
        ({"Attribute": "userData", "DisableApiStop": {"Value": True}}, both),
        ({"Attribute": "blockDeviceMapping", "Value": "/dev/sda1"}, both),
        ({"Attribute": "disableApiStop"}, "MissingParameter"),
        ({"Attribute": "disableApiStop", "Value": "perhaps"}, "InvalidParameterValue"),
        ({"Attribute": "colour", "Value": "green"}, "InvalidParameterValue"),
        ({"EnaSupport": {"Value": True}}, "UnsupportedOperation"),
    ):
        with pytest.raises(ClientError) as error:
            ec2.modify_instance_attribute(InstanceId=ident, **change)
        assert code_of(error) == code, change
    assert attribute(ec2, ident, "disableApiStop") == {"Value": False}


def test_that_disks_are_optimized_is_remembered(ec2: Any) -> None:
    ident = ids(started(ec2, EbsOptimized=True))[0]
    assert described(ec2, InstanceIds=[ident])[0]["EbsOptimized"] is True
    assert attribute(ec2, ident, "ebsOptimized") == {"Value": True}
    ec2.modify_instance_attribute(InstanceId=ident, EbsOptimized={"Value": True})
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(InstanceId=ident, EbsOptimized={"Value": False})
    assert code_of(error) == "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    ec2.modify_instance_attribute(InstanceId=ident, EbsOptimized={"Value": False})
    assert described(ec2, InstanceIds=[ident])[0]["EbsOptimized"] is False
