"""Each error that a real management server gave becomes the EC2 error that a client can act on."""

import json
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable, readable, to_ec2, translate
from ec2bridge.mapping import ErrorTable, load_mappings

RECORDED = json.loads((Path(__file__).parent / "recorded_errors.json").read_text(encoding="utf-8"))
TABLE = load_mappings().errors

# A null pointer and an index out of bounds: CloudStack's own mistakes, which no client can do anything about.
INTERNAL = {"updateLoadBalancerRule", "restoreVirtualMachine"}


def error_of(recorded: dict[str, Any]) -> CloudStackError:
    return CloudStackError(
        recorded["command"],
        recorded["status"],
        recorded["errorcode"],
        recorded["cserrorcode"],
        recorded["errortext"],
    )


@pytest.mark.parametrize(
    "recorded", RECORDED, ids=lambda recorded: f"{recorded['seq']}-{recorded['command']}"
)
def test_a_recorded_error_has_its_ec2_code(recorded: dict[str, Any]) -> None:
    error = translate(error_of(recorded), TABLE)
    assert error.code == recorded["ec2"]
    assert (error.code == "InternalError") == (recorded["command"] in INTERNAL)
    assert len(error.message) > 15
    assert '{"' not in error.message, "CloudStack's own records are not for clients"


def test_every_row_of_the_table_is_used_or_guards_what_was_not_recorded() -> None:
    codes = {recorded["ec2"] for recorded in RECORDED}
    assert {
        "InvalidKeyPair.Duplicate",
        "InvalidKeyPair.NotFound",
        "InvalidGroup.Duplicate",
        "InvalidGroup.NotFound",
        "DependencyViolation",
        "InvalidInstanceID.NotFound",
        "IncorrectInstanceState",
        "InsufficientInstanceCapacity",
        "InsufficientAddressCapacity",
        "InstanceLimitExceeded",
        "InvalidPermission.Duplicate",
        "UnauthorizedOperation",
        "OperationNotPermitted",
        "VolumeInUse",
        "IncorrectState",
        "InvalidIPAddress.InUse",
        "InvalidVolume.ZoneMismatch",
    } <= codes


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("user_vm", "InstanceLimitExceeded"),
        ("cpu", "VcpuLimitExceeded"),
        ("memory", "InstanceLimitExceeded"),
        ("volume", "VolumeLimitExceeded"),
        ("primary_storage", "VolumeLimitExceeded"),
        ("snapshot", "SnapshotLimitExceeded"),
        ("public_ip", "AddressLimitExceeded"),
        ("network", "SubnetLimitExceeded"),
        ("vpc", "VpcLimitExceeded"),
        ("template", "ResourceLimitExceeded"),
    ],
)
def test_each_quota_has_its_own_code(kind: str, code: str) -> None:
    text = (
        f"Maximum amount of resources of Type = '{kind}', tag = 'null' for Account Name = alice in Domain Id = 1 "
        "is exceeded: Account Resource Limit = 4, Current Account Resource Amount = 4, "
        "Current Account Resource Reservation = 0, Requested Resource Amount = 1."
    )
    error = translate(CloudStackError("createSomething", 535, 535, 9999, text), TABLE)
    assert error.code == code
    assert "4" in error.message


def test_the_object_that_does_not_exist_is_named_by_its_ec2_id() -> None:
    text = (
        "Unable to execute API command startvirtualmachine due to invalid value. Invalid parameter id "
        "value=0357db1e-e8dc-48b8-a730-af6b774d9c06 due to incorrect long value format, or entity does not exist"
    )
    error = translate(CloudStackError("startVirtualMachine", 431, 431, 9999, text), TABLE)
    assert (error.code, error.message) == (
        "InvalidInstanceID.NotFound",
        "The instance ID 'i-0357db1ee8dc48b8a' does not exist",
    )


def test_records_in_a_sentence_are_replaced_by_names() -> None:
    text = 'Can\'t delete VPC VPC {"id":1,"name":"vpc1","uuid":"d7b89f9b-c06e-441a-af57-40572508429d"} as its used'
    assert readable(text) == "Can't delete VPC VPC 'vpc1' as its used"
    assert readable("a {brace} stays") == "a {brace} stays"
    assert readable("") == "it gave no reason"


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        # KVM takes no snapshots of running machines unless it is told to, and hides that from users ...
        (
            530,
            "Internal error executing command, please contact your system administrator",
            "IncorrectInstanceState",
        ),
        (
            530,
            "KVM Snapshot is not supported for Running VMs. It is disabled by default",
            "IncorrectInstanceState",
        ),
        # ... and one of a machine's volumes at a time.
        (
            431,
            "There is other active snapshot tasks on the instance to which the volume is attached, please try again",
            "SnapshotCreationPerVolumeRateExceeded",
        ),
    ],
)
def test_what_kvm_refuses_is_no_internal_error_that_clients_would_repeat(
    status: int, text: str, code: str
) -> None:
    assert translate(CloudStackError("createSnapshot", status, status, 4350, text), TABLE).code == code


def test_an_error_that_no_row_is_for_is_internal() -> None:
    table = ErrorTable.model_validate({"errors": [{"errorcode": 1, "code": "X"}]})
    error = translate(CloudStackError("listZones", 530, 530, 4250, "oops"), table)
    assert (error.code, error.status) == ("InternalError", 500)


def test_cloudstack_away_is_unavailable() -> None:
    error = translate(CloudStackUnavailable("listZones", "CloudStack could not be reached (X)"), TABLE)
    assert (error.code, error.status) == ("Unavailable", 503)
    assert error.message == "CloudStack could not be reached (X). Try again later."


class Caller:
    """An account whose key CloudStack takes, or does not take any more."""

    def __init__(self, valid: bool) -> None:
        self.credentials = Credentials("AKIA", "key", "secret")
        self.valid = valid

    async def is_key_valid(self) -> bool:
        return self.valid


UNVERIFIED = CloudStackError("listBackups", 401, 401, None, "unable to verify user credentials")


async def test_401_with_a_good_key_is_a_command_that_the_cloud_lacks() -> None:
    forgotten: list[str] = []
    error = await to_ec2(UNVERIFIED, Caller(valid=True), TABLE, on_bad_key=forgotten.append)
    assert error.code == "UnsupportedOperation"
    assert "listBackups" in error.message
    assert forgotten == []


async def test_401_with_a_bad_key_is_an_auth_failure_and_the_key_is_forgotten() -> None:
    forgotten: list[str] = []
    error = await to_ec2(UNVERIFIED, Caller(valid=False), TABLE, on_bad_key=forgotten.append)
    assert (error.code, error.status) == ("AuthFailure", 401)
    assert forgotten == ["AKIA"]
