"""RunInstances: what a launch may ask for, and what becomes of one that fails."""

import base64
import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import background
from ec2bridge.ids import ec2_id
from ec2bridge.resources.machines.records import KIND
from tests.conftest import Place
from tests.faulty import eventually
from tests.launching import (
    ADVANCED,
    BASIC,
    GROUPED,
    code_of,
    described,
    ids,
    launch,
    placed,
    started,
    tags,
    until,
)
from tests.native import Native


def uuid_of(place: Place, ident: str) -> str:
    """The CloudStack uuid of an instance that is listed."""
    rows = Native(place).list("listVirtualMachines")
    return str(next(row["id"] for row in rows if row["id"].replace("-", "").startswith(ident[2:])))


# --- where ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", [ADVANCED, BASIC, GROUPED])
def test_a_launch_needs_nothing_but_an_image_in_any_zone(ec2: Any, zone: str) -> None:
    machine = started(ec2, **placed(zone))[0]
    assert machine["Placement"]["AvailabilityZone"] == zone
    subnet = ec2.describe_subnets(SubnetIds=[machine["SubnetId"]])["Subnets"][0]
    assert subnet["AvailabilityZone"] == zone
    assert machine["VpcId"] == subnet["VpcId"]


@pytest.mark.parametrize(
    ("zone", "more"),
    [
        # In a zone without security groups the machine's own are written down, and free addresses chosen.
        (ADVANCED, ["createTags", "listVirtualMachines"]),
        (BASIC, []),
        (GROUPED, []),
    ],
)
def test_what_a_launch_costs(place: Place, zone: str, more: list[str]) -> None:
    ec2 = place.client()
    request = {"ImageId": ec2.describe_images()["Images"][0]["ImageId"], "InstanceType": "t2.micro"}
    machine = launch(ec2, **placed(zone))[0]["InstanceId"]
    until(ec2, "running", machine)
    native = place.commands(lambda: ec2.run_instances(MinCount=1, MaxCount=1, **request, **placed(zone)))
    # Up to the answer; how often a job is asked for, and whether a minute has passed, is a matter of time.
    timely = {"queryAsyncJobResult", "listZones", "listServiceOfferings"}
    asked = [name for name in native if name not in timely]
    needed = ["listTemplates", "listNetworks", "deployVirtualMachine", "listVirtualMachines"]
    assert sorted(asked) == sorted([*needed, *more])


def test_two_first_launches_make_one_network(place: Place) -> None:
    ec2 = place.client()
    launch(ec2, **placed(ADVANCED))
    launch(ec2, **placed(ADVANCED))
    assert len(Native(place).list("listNetworks", type="Isolated")) == 1


def test_a_subnet_decides_the_zone(place: Place) -> None:
    native, ec2 = Native(place), place.client()
    native.isolated("one")
    network = native.isolated("two")
    subnet = "subnet-" + network["id"].replace("-", "")[:17]
    assert started(ec2, SubnetId=subnet)[0]["SubnetId"] == subnet
    with pytest.raises(ClientError) as error:
        launch(ec2, SubnetId=subnet, **placed(GROUPED))
    assert code_of(error) == "InvalidParameterValue"


def test_several_network_interfaces(place: Place) -> None:
    native, ec2 = Native(place), place.client()
    subnets = [
        "subnet-"
        + native.isolated(name, gateway=gateway, netmask="255.255.255.0")["id"].replace("-", "")[:17]
        for name, gateway in (("front", "10.7.0.1"), ("back", "10.8.0.1"))
    ]
    machine = started(
        ec2,
        NetworkInterfaces=[
            {"DeviceIndex": 1, "SubnetId": subnets[1]},
            {"DeviceIndex": 0, "SubnetId": subnets[0], "DeleteOnTermination": True},
        ],
    )[0]
    nics = sorted(machine["NetworkInterfaces"], key=lambda nic: nic["Attachment"]["DeviceIndex"])
    assert [nic["SubnetId"] for nic in nics] == subnets
    assert machine["SubnetId"] == subnets[0]


def test_a_private_address(place: Place) -> None:
    native, ec2 = Native(place), place.client()
    network = native.isolated("one", gateway="10.7.0.1", netmask="255.255.255.0")
    subnet = "subnet-" + network["id"].replace("-", "")[:17]
    assert started(ec2, SubnetId=subnet, PrivateIpAddress="10.7.0.77")[0]["PrivateIpAddress"] == "10.7.0.77"
    with pytest.raises(ClientError) as error:
        launch(ec2, SubnetId=subnet, PrivateIpAddress="10.7.0.77")
    assert code_of(error) == "InvalidIPAddress.InUse"
    with pytest.raises(ClientError) as error:
        launch(ec2, SubnetId=subnet, PrivateIpAddress="10.9.0.1")
    assert code_of(error) == "InvalidParameterValue"
    with pytest.raises(ClientError) as error:
        launch(ec2, 2, SubnetId=subnet, PrivateIpAddress="10.7.0.78")
    assert code_of(error) == "InvalidParameterCombination"


# --- public addresses ------------------------------------------------------------------------------------------


def public_nic(**changed: Any) -> dict[str, Any]:
    return {"NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True, **changed}]}


def test_a_public_address_is_there_when_the_machine_runs_and_goes_with_it(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    machine = started(ec2, **public_nic(), **placed(ADVANCED))[0]
    assert machine["PublicIpAddress"]
    assert machine["NetworkInterfaces"][0]["Association"]["PublicIp"] == machine["PublicIpAddress"]
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    held = [row["ipaddress"] for row in native.list("listPublicIpAddresses", issourcenat=False)]
    assert machine["PublicIpAddress"] not in held


def test_a_network_without_public_addresses_says_so(ec2: Any) -> None:
    with pytest.raises(ClientError) as error:
        launch(ec2, **public_nic(), **placed(GROUPED))
    assert code_of(error) == "UnsupportedOperation"
    assert "AssociatePublicIpAddress" in str(error.value)


# --- groups, key, user data --------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", [ADVANCED, BASIC, GROUPED])
def test_groups_hold_in_every_zone(ec2: Any, zone: str) -> None:
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    machine = launch(ec2, SecurityGroupIds=[group], **placed(zone))[0]
    assert machine["SecurityGroups"] == [{"GroupId": group, "GroupName": "web"}]
    named = started(ec2, SecurityGroups=["web"], **placed(zone))[0]
    assert named["SecurityGroups"] == machine["SecurityGroups"]
    with pytest.raises(ClientError) as error:
        ec2.delete_security_group(GroupId=group)
    assert code_of(error) == "DependencyViolation"


def test_user_data_arrives_unchanged_even_compressed(place: Place) -> None:
    ec2 = place.client()
    for data in (b"#!/bin/sh\necho hi\n", gzip.compress(b"#cloud-config\n")):
        ident = ids(launch(ec2, UserData=data))[0]
        answer = ec2.describe_instance_attribute(InstanceId=ident, Attribute="userData")
        assert base64.b64decode(answer["UserData"]["Value"]) == data


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "image"}, "InvalidAMIID.Malformed"),
        ({"ImageId": "resolve:ssm:/aws/service/ami"}, "SsmInvalidParameter"),
        ({"KeyName": "nokey"}, "InvalidKeyPair.NotFound"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        ({"SecurityGroups": ["nogroup"]}, "InvalidGroup.NotFound"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"InstanceType": "z9.huge"}, "InvalidParameterValue"),
        ({"Placement": {"AvailabilityZone": "nowhere"}}, "InvalidParameterValue"),
        ({"Placement": {"GroupName": "nogroup"}}, "InvalidPlacementGroup.Unknown"),
        ({"MinCount": 2, "MaxCount": 1}, "InvalidParameterValue"),
        ({"MinCount": 0, "MaxCount": 1}, "InvalidParameterValue"),
        ({"InstanceInitiatedShutdownBehavior": "explode"}, "InvalidParameterValue"),
        ({"IamInstanceProfile": {"Name": "admin"}}, "UnsupportedOperation"),
        ({"HibernationOptions": {"Configured": True}}, "UnsupportedOperation"),
        (
            {"BlockDeviceMappings": [{"DeviceName": "floppy", "Ebs": {"VolumeSize": 5}}]},
            "InvalidParameterValue",
        ),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {}}]}, "MissingParameter"),
        (
            {
                "BlockDeviceMappings": [
                    {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": size}} for size in (5, 6)
                ]
            },
            "InvalidBlockDeviceMapping",
        ),
        ({"NetworkInterfaces": [{"DeviceIndex": 1}]}, "InvalidParameterValue"),
        (
            {"NetworkInterfaces": [{"DeviceIndex": 0}], "SecurityGroups": ["default"]},
            "InvalidParameterCombination",
        ),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_made(
    refusing: Place, changed: dict[str, Any], code: str
) -> None:
    ec2 = refusing.client()
    with pytest.raises(ClientError) as error:
        launch(ec2, **changed)
    assert code_of(error) == code
    assert described(ec2) == []


@pytest.fixture(scope="module")
def refusing() -> Any:
    place = Place()
    yield place
    place.close()


def test_what_asks_for_nothing_is_accepted(ec2: Any) -> None:
    # Terraform sends all of these with every launch.
    launch(
        ec2,
        DisableApiTermination=False,
        EbsOptimized=False,
        HibernationOptions={"Configured": False},
        IamInstanceProfile={"Name": ""},
        Monitoring={"Enabled": False},
        Placement={"GroupName": "", "AvailabilityZone": GROUPED},
    )


# --- disks -------------------------------------------------------------------------------------------------------


def test_a_device_named_twice_in_the_same_terms_is_one(ec2: Any) -> None:
    # Jenkins' EC2 plug-in sends the image's root disk twice; the first time without what it leaves to the cloud.
    disk = {"VolumeSize": 20, "DeleteOnTermination": False}
    machine = started(
        ec2,
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20}},
            {"DeviceName": "/dev/sda1", "Ebs": {**disk, "Encrypted": False}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}},
        ],
    )[0]
    shown = {m["DeviceName"]: m["Ebs"]["DeleteOnTermination"] for m in machine["BlockDeviceMappings"]}
    assert shown == {"/dev/sda1": False, "/dev/sdf": True}


@pytest.mark.parametrize("kind", ["gp2", "gp3"])
def test_a_root_volume_has_the_type_that_it_was_asked_for(ec2: Any, kind: str) -> None:
    # Terraform would change it at every run.
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": kind}}
    machine = started(ec2, BlockDeviceMappings=[disk])[0]
    root = machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    [volume] = ec2.describe_volumes(VolumeIds=[root])["Volumes"]
    assert volume["VolumeType"] == kind
    assert volume.get("Tags", []) == []


def test_volumes_are_encrypted_where_offerings_do_that(
    place: Place, make_place: Callable[..., Place]
) -> None:
    sealed = {"VolumeSize": 5, "Encrypted": True}
    root, further = ({"DeviceName": f"/dev/{name}", "Ebs": sealed} for name in ("sda1", "sdf"))

    def refused(ec2: Any, *disks: Any) -> str:
        with pytest.raises(ClientError) as error:
            launch(ec2, BlockDeviceMappings=list(disks))
        return code_of(error)

    ec2 = place.client()
    assert refused(ec2, root) == refused(ec2, further) == "UnsupportedOperation"
    tables = place.sim.cloud.tables
    model = tables["diskofferings"].first(name="gp2")
    assert model is not None
    kept = {key: value for key, value in model.items() if key not in ("id", "_number")}
    tables["diskofferings"].add({**kept, "name": "sealed", "displaytext": "sealed", "encrypt": True})
    for offering in list(tables["serviceofferings"]):
        tables["serviceofferings"].update(offering, encryptroot=True)
    bob = place.client("bob")  # whose offerings have not been listed yet
    machine = started(bob, BlockDeviceMappings=[root, further])[0]
    ident = next(m for m in machine["BlockDeviceMappings"] if m["DeviceName"] == "/dev/sdf")["Ebs"][
        "VolumeId"
    ]
    assert bob.describe_volumes(VolumeIds=[ident])["Volumes"][0]["Encrypted"] is True
    lenient = make_place({"lenient": True}).client()
    started(lenient, BlockDeviceMappings=[root, further])
    assert [volume["Encrypted"] for volume in lenient.describe_volumes()["Volumes"]] == [False, False]


def test_a_root_volume_of_a_type_that_nobody_knows_is_refused(ec2: Any) -> None:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "gp9"}}
    with pytest.raises(ClientError) as error:
        launch(ec2, BlockDeviceMappings=[disk])
    assert code_of(error) == "InvalidParameterValue"


def test_block_devices_are_there_when_the_machine_runs(place: Place) -> None:
    ec2 = place.client()
    machine = started(
        ec2,
        BlockDeviceMappings=[
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {"VolumeSize": 20, "VolumeType": "gp2", "DeleteOnTermination": True},
            },
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}},
            {"DeviceName": "/dev/xvdg", "Ebs": {"VolumeSize": 6, "VolumeType": "gp2"}},
            {"DeviceName": "/dev/sdh", "NoDevice": ""},
        ],
        TagSpecifications=[tags("volume", app="shop"), tags("network-interface", app="net")],
    )[0]
    shown = {m["DeviceName"]: m["Ebs"] for m in machine["BlockDeviceMappings"]}
    assert {name: ebs["DeleteOnTermination"] for name, ebs in shown.items()} == {
        "/dev/sda1": True,
        "/dev/sdf": True,
        "/dev/xvdg": True,
    }
    volumes = {v["VolumeId"]: v for v in ec2.describe_volumes()["Volumes"]}
    sizes = {name: volumes[ebs["VolumeId"]]["Size"] for name, ebs in shown.items()}
    assert sizes == {"/dev/sda1": 20, "/dev/sdf": 5, "/dev/xvdg": 6}
    assert all(v["Tags"] == [{"Key": "app", "Value": "shop"}] for v in volumes.values())
    nic = ec2.describe_network_interfaces()["NetworkInterfaces"][0]
    assert nic["TagSet"] == [{"Key": "app", "Value": "net"}]


# --- tags --------------------------------------------------------------------------------------------------------


def test_tags_are_there_at_once(place: Place) -> None:
    ec2 = place.client()
    machine = launch(ec2, 2, TagSpecifications=[tags("instance", Name="web", note="é", empty="")])[0]
    wanted = {"Name": "web", "note": "é", "empty": ""}
    assert {tag["Key"]: tag["Value"] for tag in machine["Tags"]} == wanted
    for found in described(ec2, Filters=[{"Name": "tag:Name", "Values": ["web"]}]):
        assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == wanted
    assert {row["displayname"] for row in Native(place).list("listVirtualMachines")} == {"web"}


def test_a_machines_own_members_come_before_its_tags_and_interfaces_as_fog_expects(ec2: Any) -> None:
    """fog's parser reads no path: to it a machine ends with the first item of a list that it does not know."""
    seen: list[bytes] = []
    ec2.create_key_pair(KeyName="mine")
    ec2.meta.events.register(
        "before-parse.ec2.RunInstances", lambda response_dict, **_: seen.append(response_dict["body"])
    )
    launch(ec2, KeyName="mine", TagSpecifications=[tags("instance", app="shop")])
    for name in (b"keyName", b"architecture", b"rootDeviceType", b"clientToken", b"virtualizationType"):
        assert seen[0].index(b"<%s>" % name) < seen[0].index(b"<tagSet>")
    nic = seen[0].partition(b"<networkInterfaceSet>")[2].partition(b"</networkInterfaceSet>")[0]
    assert nic.index(b"<attachment>") < nic.index(b"<privateIpAddressesSet>")


# --- tokens --------------------------------------------------------------------------------------------------------


def test_a_token_launches_once(ec2: Any) -> None:
    first = ids(launch(ec2, 2, ClientToken="t1"))
    assert ids(launch(ec2, 2, ClientToken="t1")) == first
    assert {machine["ClientToken"] for machine in described(ec2)} == {"t1"}
    with pytest.raises(ClientError) as error:
        launch(ec2, 3, ClientToken="t1")
    assert code_of(error) == "IdempotentParameterMismatch"
    assert len(described(ec2)) == 2


def forget_tokens(place: Place) -> None:
    """What a lost answer and a lost store leave: machines, and no record of the launch."""

    owner = place.store_owner()

    async def forget() -> None:
        store = place.bridge.site.store
        for entry in await store.list(owner, "token:RunInstances"):
            await store.delete(owner, "token:RunInstances", entry.key)

    place.run(forget())


def test_a_launch_whose_answer_was_lost_is_found_again(place: Place) -> None:
    ec2 = place.client()
    first = ids(launch(ec2, 2, ClientToken="t1"))
    until(ec2, "running", *first)
    forget_tokens(place)
    assert ids(launch(ec2, 2, ClientToken="t1")) == first
    until(ec2, "running", *first)
    assert len(described(ec2)) == 2


def test_a_twin_is_removed(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    first = ids(launch(ec2, ClientToken="t1", **placed(GROUPED)))[0]
    until(ec2, "running", first)
    row = native.list("listVirtualMachines")[0]
    time.sleep(1)  # CloudStack's times have whole seconds, and the older of two twins stays.
    # In another network CloudStack takes the same name again, as it does here for two calls at one moment.
    native.machine(row["name"], zone="sim-basic", details={"ec2bridge.reservation": "r-1"})
    forget_tokens(place)
    assert ids(launch(ec2, ClientToken="t1", **placed(GROUPED))) == [first]
    place.run(place.sim.settle())
    assert ids(described(ec2)) == [first]


def test_the_one_of_two_twins_that_stays_has_the_tags(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    first = ids(launch(ec2, ClientToken="t1", **placed(GROUPED)))[0]
    until(ec2, "running", first)
    name = native.list("listVirtualMachines")[0]["name"]
    ec2.terminate_instances(InstanceIds=[first])
    until(ec2, "terminated", first)
    forget_tokens(place)
    # A machine of the launch that nobody knew of before the next one was accepted: it is the older, and stays.
    older = native.machine(name, zone="sim-basic", details={"ec2bridge.reservation": "r-1"})
    time.sleep(1)
    [machine] = launch(
        ec2, ClientToken="t1", TagSpecifications=[tags("instance", Name="kept")], **placed(GROUPED)
    )
    assert machine["InstanceId"] == ec2_id("i", older["id"])
    [shown] = [one for one in described(ec2) if one["InstanceId"] == machine["InstanceId"]]
    assert machine["Tags"] == shown["Tags"] == [{"Key": "Name", "Value": "kept"}]


# --- what fails ------------------------------------------------------------------------------------------------------


def limit(place: Place, machines: int) -> None:
    """Give alice's account a quota."""
    admin = Native(place, "admin")
    domain = admin.list("listDomains")[0]["id"]
    admin.do("updateResourceLimit", account="alice", domainid=domain, resourcetype=0, max=machines)


def test_a_launch_is_all_or_nothing(place: Place) -> None:
    ec2 = place.client()
    limit(place, 2)
    with pytest.raises(ClientError) as error:
        launch(ec2, 3, SecurityGroups=["default"])
    assert code_of(error) == "InstanceLimitExceeded"
    assert described(ec2) == []


def test_between_min_and_max_as_many_as_possible(place: Place) -> None:
    ec2 = place.client()
    limit(place, 2)
    found = launch(ec2, MinCount=1, MaxCount=5)
    assert len(found) == 2
    until(ec2, "running", *ids(found))


def test_a_lack_of_capacity_ends_as_terminated_with_the_reason(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.sim.cloud.settings["zone.machines"] = 1
    ec2 = place.client()
    # Of two that are started at once either may be the one that finds no room.
    first = started(ec2)
    second = launch(ec2)
    assert second[0]["State"]["Name"] == "pending"
    gone = until(ec2, "terminated", *ids(second))[0]
    assert gone["StateReason"]["Code"] == "Server.InsufficientInstanceCapacity"
    assert described(ec2, InstanceIds=ids(first))[0]["State"]["Name"] == "running"
    assert len(Native(place, "admin").list("listVirtualMachines", listall=True)) == 1


def test_a_dry_run_launches_nothing(place: Place) -> None:
    ec2 = place.client()
    native = place.commands(lambda: dry_run(ec2, "DryRunOperation"))
    assert all(command.startswith(("list", "get")) for command in native)
    dry_run(ec2, "InvalidKeyPair.NotFound", KeyName="nokey")
    assert described(ec2) == []


def dry_run(ec2: Any, code: str, **changed: Any) -> None:
    with pytest.raises(ClientError) as error:
        launch(ec2, DryRun=True, **changed)
    assert code_of(error) == code


def test_a_public_address_in_a_tier_of_a_vpc(place: Place) -> None:
    native, ec2 = Native(place), place.client()
    zone = native.zone("sim-adv")
    vpc = native.do(
        "createVPC",
        name="v",
        displaytext="v",
        cidr="10.20.0.0/16",
        zoneid=zone,
        vpcofferingid=native.offering("listVPCOfferings", "Default VPC offering"),
    )
    tier = native.do(
        "createNetwork",
        name="t",
        displaytext="t",
        zoneid=zone,
        vpcid=vpc["id"],
        gateway="10.20.1.1",
        netmask="255.255.255.0",
        networkofferingid=native.offering(
            "listNetworkOfferings", "DefaultIsolatedNetworkOfferingForVpcNetworks"
        ),
    )
    machine = started(ec2, **public_nic(SubnetId="subnet-" + tier["id"].replace("-", "")[:17]))[0]
    assert machine["VpcId"] == "vpc-" + vpc["id"].replace("-", "")[:17]
    assert machine["PublicIpAddress"]
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])


def test_a_launch_whose_bridge_died_is_taken_up_by_another(
    make_place: Callable[..., Place], tmp_path: Any
) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    owner = place.store_owner()

    async def die() -> None:
        store = place.bridge.site.store
        await background.stop(place.bridge.site)
        for entry in await store.list(owner, KIND):
            await store.put(owner, KIND, entry.key, {**entry.value, "beat": 0.0})

    disk = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}
    with place.holding("deployVirtualMachine"):
        ident = ids(launch(ec2, BlockDeviceMappings=[disk]))[0]
        place.run(die())
        assert described(ec2)[0]["State"]["Name"] == "pending"
    machine = until(ec2, "running", ident)[0]
    assert [m["DeviceName"] for m in machine["BlockDeviceMappings"]] == ["/dev/sda1", "/dev/sdf"]


def test_a_launch_survives_its_jobs_being_forgotten(make_place: Callable[..., Place], tmp_path: Any) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    owner = place.store_owner()

    async def sleep_over() -> None:
        # A bridge that was down for longer than CloudStack keeps its jobs: a day.
        store = place.bridge.site.store
        await background.stop(place.bridge.site)
        for entry in await store.list(owner, KIND):
            data = {**entry.value, "beat": 0.0, "job": "00000000-0000-4000-8000-000000000000"}
            await store.put(owner, KIND, entry.key, data)

    with place.holding("deployVirtualMachine"):
        ident = ids(launch(ec2))[0]
        place.run(sleep_over())
    assert until(ec2, "running", ident)


def test_more_groups_than_a_tag_holds_are_refused(ec2: Any) -> None:
    groups = [
        ec2.create_security_group(GroupName=f"g{number}", Description="many")["GroupId"]
        for number in range(7)
    ]
    with pytest.raises(ClientError) as caught:
        launch(ec2, SecurityGroupIds=groups, **placed(ADVANCED))
    assert code_of(caught) == "SecurityGroupsPerInterfaceLimitExceeded"
    machine = launch(ec2, SecurityGroupIds=groups[:6], **placed(ADVANCED))[0]
    assert {group["GroupId"] for group in machine["SecurityGroups"]} == set(groups[:6])


def test_a_launch_that_the_quota_cannot_hold_deploys_nothing(place: Place, ec2: Any) -> None:
    image = ec2.describe_images()["Images"][0]["ImageId"]
    before = len(place.native)
    with pytest.raises(ClientError) as caught:
        ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=500, MaxCount=500)
    assert caught.value.response["Error"]["Code"] == "InstanceLimitExceeded"
    assert "(500)" in caught.value.response["Error"]["Message"]
    assert "deployVirtualMachine" not in [call.command for call in place.native[before:]]


def test_a_modern_module_sends_what_aws_assumes(place: Place, ec2: Any) -> None:
    speed = {"VolumeType": "gp3", "Iops": 3000, "Throughput": 125}
    disks = [
        {"DeviceName": "/dev/sda1", "Ebs": speed},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, **speed}},
    ]
    [machine] = started(
        ec2,
        BlockDeviceMappings=disks,
        EnablePrimaryIpv6=False,
        NetworkPerformanceOptions={"BandwidthWeighting": "default"},
        CapacityReservationSpecification={"CapacityReservationPreference": "open"},
        NetworkInterfaces=[
            {"DeviceIndex": 0, "PrimaryIpv6": False, "Ipv4PrefixCount": 0, "Ipv6PrefixCount": 0}
        ],
    )
    assert len(machine["BlockDeviceMappings"]) == 2


@pytest.mark.parametrize("preference", [None, "open", "none"])
def test_a_preference_for_reserved_capacity_is_kept(ec2: Any, preference: str | None) -> None:
    asked = {"CapacityReservationPreference": preference} if preference else {}
    [machine] = launch(ec2, **({"CapacityReservationSpecification": asked} if asked else {}))
    [shown] = described(ec2, InstanceIds=[machine["InstanceId"]])
    assert shown["CapacityReservationSpecification"] == {
        "CapacityReservationPreference": preference or "open"
    }


@pytest.mark.parametrize("device", ["/dev/sda1", "/dev/sdf"])
@pytest.mark.parametrize("speed", [{"Iops": 9000}, {"Throughput": 700}])
def test_a_faster_disk_than_its_offering_is_refused(ec2: Any, device: str, speed: dict[str, int]) -> None:
    disk = {"DeviceName": device, "Ebs": {"VolumeSize": 5, "VolumeType": "gp3", **speed}}
    with pytest.raises(ClientError) as caught:
        launch(ec2, BlockDeviceMappings=[disk])
    assert code_of(caught) == "UnsupportedOperation"
    assert described(ec2) == []


def test_a_launch_asks_for_a_disks_speed_where_the_offering_lets_it_be(place: Place, ec2: Any) -> None:
    table = place.sim.cloud.tables["diskofferings"]
    model = table.first(name="gp2")
    assert model is not None
    kept = {key: value for key, value in model.items() if key not in ("id", "_number")}
    table.add({**kept, "name": "io1", "displaytext": "io1", "iscustomizediops": True})
    disk = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "VolumeType": "io1", "Iops": 500}}
    started(ec2, BlockDeviceMappings=[disk])
    [call] = [call for call in place.native if call.command == "createVolume"]
    assert dict(call.params)["maxiops"] == "500"


def test_a_launch_whose_groups_cannot_be_noted_is_taken_back(place: Place, ec2: Any) -> None:
    """In an isolated network they are a tag on the machine, which is read there alone."""
    place.sim.faults.add("refused", "createTags")
    with pytest.raises(ClientError) as error:
        launch(ec2, **placed(ADVANCED))
    assert code_of(error) == "UnauthorizedOperation"
    eventually(lambda: not list(place.sim.cloud.tables["machines"]))
    assert described(ec2) == []
