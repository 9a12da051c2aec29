"""`ec2bridge explain`: what is told beside what is done, and a request in the log."""

import json
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.operator import logged
from ec2bridge.store import Store
from tests.conftest import REGION, Place
from tests.operator.conftest import Operator

CHANGES = (
    "create",
    "deploy",
    "associate",
    "enable",
    "attach",
    "delete",
    "stop",
    "add",
    "update",
    "authorize",
)


def explained(operator: Operator, *words: str, account: str = "alice", **environment: str) -> dict[str, Any]:
    """Return what `explain --json` tells of a command line."""
    keys = operator.place.sim.accounts[account]
    done = operator.as_lookup(
        *("explain", "--json", "--access-key", keys.api_key, *words), EC2BRIDGE_REGION=REGION, **environment
    )
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (1 if "error" in told else 0)
    return told


def image(place: Place) -> str:
    return str(place.client().describe_images()["Images"][0]["ImageId"])


def done_by(place: Place, work: Any) -> list[tuple[str, dict[str, str]]]:
    """Return the changes that work became, with their parameters."""
    before = len(place.native)
    work()
    return [
        (call.command, dict(call.params))
        for call in place.native[before:]
        if call.command.startswith(CHANGES)
    ]


@pytest.mark.parametrize("zone", ["a", "b", "c"])
def test_a_launch_is_told_as_it_is_done(operator: Operator, zone: str) -> None:
    place, ami = operator.place, image(operator.place)
    ec2 = place.client()
    ec2.describe_subnets(
        Filters=[{"Name": "default-for-az", "Values": ["true"]}]
    )  # makes the one in the first zone
    ec2.describe_security_groups()  # CloudStack makes an account's default group when it is first listed
    place.run(place.sim.settle())
    before = {table.name: table.version for table in place.sim.cloud.tables}
    told = explained(
        operator,
        *("run-instances", "--image-id", ami, "--instance-type", "t3.nano", "--count", "2"),
        *("--placement", f"AvailabilityZone={REGION}{zone}", "--user-data", "secret words"),
        *("--block-device-mappings", "DeviceName=/dev/sdb,Ebs={VolumeSize=8}"),
        *("--tag-specifications", "ResourceType=instance,Tags=[{Key=a,Value=b}]"),
    )
    assert {table.name: table.version for table in place.sim.cloud.tables} == before
    assert "custom-constrained" in told["decided"]["instance type"]
    assert f"{REGION}{zone} is sim-" in told["decided"]["zone"]
    assert "secret" not in json.dumps(told)

    def launch() -> None:
        made = ec2.run_instances(
            ImageId=ami,
            InstanceType="t3.nano",
            MinCount=2,
            MaxCount=2,
            Placement={"AvailabilityZone": f"{REGION}{zone}"},
            UserData="secret words",
            BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 8}}],
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}],
        )
        ids = [instance["InstanceId"] for instance in made["Instances"]]
        ec2.get_waiter("instance_running").config.delay = 0
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
        ec2.get_waiter("volume_in_use").wait(
            Filters=[{"Name": "attachment.device", "Values": ["/dev/sdb"]}], WaiterConfig={"Delay": 1}
        )

    done = done_by(place, launch)
    wanted = {change["command"]: change["times"] for change in told["changes"]}
    counted = {command: sum(name == command for name, _ in done) for command in wanted}
    assert counted["deployVirtualMachine"] == wanted["deployVirtualMachine"] == 2
    assert {name for name, _ in done} - {"createFirewallRule", "createTags"} <= wanted.keys()
    for command in wanted.keys() - {"createTags"}:
        assert counted[command] == wanted[command], command
    [deploy] = [change["params"] for change in told["changes"] if change["command"] == "deployVirtualMachine"]
    really = next(params for command, params in done if command == "deployVirtualMachine")
    same = (
        "zoneid",
        "templateid",
        "serviceofferingid",
        "networkids",
        "details[0].ec2bridge.type",
        "details[0].memory",
    )
    assert {name: deploy.get(name) for name in same} == {name: really.get(name) for name in same}


def test_a_first_launch_would_make_its_network_first(operator: Operator) -> None:
    told = explained(
        operator,
        *("run-instances", "--image-id", image(operator.place), "--placement", f"AvailabilityZone={REGION}a"),
    )
    assert [change["command"] for change in told["changes"]] == ["createNetwork"]
    assert "deployVirtualMachine" in told["later"]
    assert operator.place.sim.cloud.tables["networks"].where(account="alice") == []


@pytest.mark.parametrize(
    ("words", "call", "members"),
    [
        ("create-vpc --cidr-block 10.0.0.0/16", "create_vpc", {"CidrBlock": "10.0.0.0/16"}),
        ("create-security-group --group-name g --description d", "create_security_group",
         {"GroupName": "g", "Description": "d"}),
        ("create-placement-group --group-name g --strategy spread", "create_placement_group",
         {"GroupName": "g", "Strategy": "spread"}),
        (f"create-volume --availability-zone {REGION}a --size 8", "create_volume",
         {"AvailabilityZone": f"{REGION}a", "Size": 8}),
    ],
)  # fmt: skip
def test_the_first_change_is_told_as_it_is_done(
    operator: Operator, words: str, call: str, members: dict[str, Any]
) -> None:
    [change] = explained(operator, *words.split())["changes"]
    command, params = done_by(operator.place, lambda: getattr(operator.place.client(), call)(**members))[0]
    assert change["command"] == command
    # Names have a part that each request makes anew.
    stable = {name: value for name, value in params.items() if "(ec2-" not in value}
    assert {name: change["params"][name] for name in stable} == stable


def test_a_refusal_is_told_as_the_client_would_hear_it(operator: Operator) -> None:
    told = explained(operator, "run-instances", "--image-id", "ami-00000000000000000")
    assert told["error"]["code"] == "InvalidAMIID.NotFound"
    unsupported = explained(
        operator, "run-instances", "--image-id", "ami-1", "--hibernation-options", "Configured=true"
    )
    assert unsupported["error"]["code"] == "UnsupportedOperation"
    assert "HibernationOptions.Configured" in unsupported["error"]["message"]
    wrong = explained(operator, "run-instances", "--image-id", "ami-1", "--count", "3:1")
    assert wrong["error"]["code"] == "InvalidParameterValue"


def test_a_missing_right_and_a_younger_release_are_told(operator: Operator) -> None:
    roles = operator.place.sim.cloud.tables["roles"]
    role = roles.first(name="User") or {}
    roles.update(role, _rules=sorted(operator.place.sim.cloud.rules(role) - {"createVPC"}))
    operator.place.sim.cloud.forget_rules(role)
    told = explained(operator, "create-vpc", "--cidr-block", "10.0.0.0/16")
    assert told["error"] == {
        "code": "UnauthorizedOperation",
        "message": "The user's role may not call createVPC.",
    }
    needs = explained(operator, "request-spot-instances", "--instance-count", "1")["needs"]
    assert needs == ["CloudStack 4.21 for A spot instance"]


def test_the_store_is_read_and_not_changed(operator: Operator) -> None:
    place = operator.place
    place.client().create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": image(place), "InstanceType": "m5.large"}
    )
    file = operator.folder / "store.sqlite"

    async def copy() -> None:
        """Put what the bridge keeps in memory into the file that the command reads."""
        target = Store(str(file))
        await target.start()
        for kind in await place.bridge.site.store.count_kinds():
            for account, entry in await place.bridge.site.store.everywhere(kind):
                await target.put(account, kind, entry.key, entry.value)
        await target.close()

    place.run(copy())
    before = sorted((path.name, path.read_bytes()) for path in operator.folder.iterdir())
    told = explained(
        operator,
        *("run-instances", "--launch-template", "LaunchTemplateName=web"),
        *("--placement", f"AvailabilityZone={REGION}c"),
    )
    assert "m5.large is the offering m5.large" in told["decided"]["instance type"]
    explained(
        operator,
        "create-launch-template",
        "--launch-template-name",
        "u",
        "--launch-template-data",
        "ImageId=ami-1",
    )
    assert sorted((path.name, path.read_bytes()) for path in operator.folder.iterdir()) == before


def test_for_a_terminal_and_without_a_key(operator: Operator) -> None:
    alice = operator.place.sim.accounts["alice"]
    words = ("create-key-pair", "--key-name", "k")
    done = operator.as_lookup("explain", "--access-key", alice.api_key, *words, EC2BRIDGE_REGION=REGION)
    assert done.exit_code == 0
    assert "  would call registerSSHKeyPair\n      name = k\n" in done.stdout
    nobody = operator.as_lookup("explain", *words, AWS_ACCESS_KEY_ID=None)
    assert nobody.exit_code == 2
    assert "Name the user's key: --access-key KEY." in nobody.output
    coffee = operator.run("explain", "make-coffee", "--now")
    assert coffee.exit_code == 1
    assert "AWS has no action called make-coffee." in coffee.output
    unserved = operator.as_lookup(
        "explain", "--access-key", alice.api_key, "create-transit-gateway", "--description", "x"
    )
    assert "CreateTransitGateway is not served" in unserved.output


def test_an_action_is_found_by_awsclis_name(operator: Operator) -> None:
    assert operator.run("explain", "run-instances").output == operator.run("explain", "RunInstances").output
    assert json.loads(operator.run("explain", "--json", "run-instances").output)["action"] == "RunInstances"


ID = "bfd3519f-e783-4bb6-ad1e-9ca736644062"
TEXT = (
    "2026-11-27 03:12:43,000 INFO ec2bridge.access: client=- request=00000000-0000-0000-0000-000000000000 action=X\n"
    f"2026-11-27 03:12:44,100 ERROR ec2bridge: request {ID}: RunInstances failed\n"
    "Traceback (most recent call last):\n"
    "ValueError: something\n"
    "2026-11-27 03:12:44,101 WARNING ec2bridge.access: client=192.0.2.44 account=286753964512 key=zu user=alice"
    " action=RunInstances ids=ami-1,i-2 status=500 code=InternalError ms=126.7 native=13 native_ms=104.3"
    f' request={ID} reason="it broke"\n'
    "2026-11-27 03:12:45,000 INFO ec2bridge: something else\n"
)


def test_a_request_is_found_in_a_log_of_text(operator: Operator) -> None:
    log = operator.folder / "log"
    log.write_text(TEXT)
    for words in (("--log", str(log), ID), (ID, "--log", str(log))):
        done = operator.run("explain", *words)
        assert done.exit_code == 0, done.output
        assert "RunInstances by alice (account 286753964512) from 192.0.2.44" in done.output
        assert "13 native calls, 104.3 of 126.7 ms" in done.output
        assert "touched ami-1, i-2" in done.output
        assert "was refused with InternalError (500)" in done.output
        assert "because: it broke" in done.output
        assert "ValueError: something" in done.output
        assert "something else" not in done.output
    missing = operator.run("explain", "--log", str(log), ID.replace("bfd", "000"))
    assert missing.exit_code == 1
    assert "The log has no request 000" in missing.output
    nowhere = operator.run("explain", "--log", "/no/log", ID)
    assert "The log /no/log cannot be read: No such file" in nowhere.output
    without = operator.run("explain", ID)
    assert without.exit_code == 2
    assert "needs --log FILE" in without.output


def test_a_request_is_found_in_a_log_as_the_bridge_writes_it(operator: Operator, caplog: Any) -> None:
    import logging

    from ec2bridge.serving import logs

    with caplog.at_level(logging.INFO, "ec2bridge.access"):
        answer = operator.place.client().describe_key_pairs()
    request = answer["ResponseMetadata"]["RequestId"]
    records = [record for record in caplog.records if record.name == "ec2bridge.access"]
    for formatter in (
        logs.Json(),
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"),
    ):
        lines = [formatter.format(record) for record in records]
        told = "\n".join(logged.explain(lines, request))
        assert "DescribeKeyPairs by alice" in told
        assert "was answered" in told


def test_the_log_may_come_from_the_standard_input(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from ec2bridge.__main__ import main

    done = CliRunner().invoke(main, ["explain", "--log", "-", ID], input=TEXT)
    assert "RunInstances by alice" in done.output
