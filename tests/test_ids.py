"""Ids have AWS's shape, are the same everywhere, and are refused in AWS's words."""

import re
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ec2bridge.ids import KINDS, Kind, ec2_id, is_own, is_uuid, kind_of, long_digits, own_uuid

UUID_TEXT = "0357db1e-e8dc-48b8-a730-af6b774d9c06"


def test_an_id_is_a_prefix_and_the_first_digits_of_the_uuid() -> None:
    assert ec2_id("i", UUID_TEXT) == "i-0357db1ee8dc48b8a"
    assert ec2_id("igw", UUID_TEXT) == "igw-0357db1ee8dc48b8a"


def test_a_uuid_in_capitals_is_the_same_object() -> None:
    assert ec2_id("vol", UUID_TEXT.upper()) == ec2_id("vol", UUID_TEXT)


def test_old_numeric_ids_get_digits_of_their_own_for_each_kind() -> None:
    assert ec2_id("i", "7") == f"i-{long_digits('instance', '7')}"
    assert ec2_id("i", "7")[2:] != ec2_id("vol", "7")[4:]


@given(st.uuids(), st.sampled_from(list(KINDS.values())))
def test_every_id_has_the_shape_that_scripts_check(uuid: UUID, kind: Kind) -> None:
    value = ec2_id(kind.prefix, str(uuid))
    assert re.fullmatch(r"[a-z-]+-[0-9a-f]{17}", value)
    assert kind.is_id(value)
    assert kind_of(value) is kind


@pytest.mark.parametrize("value", ["i-12345678", "i-0357db1ee8dc48b8a", "i-0357DB1EE8DC48B8A"])
def test_long_and_short_ids_are_well_formed(value: str) -> None:
    assert KINDS["instance"].is_id(value)


@pytest.mark.parametrize(
    "value", ["", "i-", "i-1234567", "i-xyz45678", "vol-12345678", "i", UUID_TEXT, "i-12345678 "]
)
def test_other_shapes_are_not(value: str) -> None:
    assert not KINDS["instance"].is_id(value)


def test_kinds_are_told_apart_by_their_whole_prefix() -> None:
    assert kind_of("eni-attach-12345678") is KINDS["network-interface-attachment"]
    assert kind_of("eni-12345678") is KINDS["network-interface"]
    assert kind_of("bogus-12345678") is None
    assert kind_of("") is None


@pytest.mark.parametrize(
    ("kind", "value", "code", "message"),
    [
        (
            "instance",
            "i-12345678",
            "InvalidInstanceID.NotFound",
            "The instance ID 'i-12345678' does not exist",
        ),
        ("image", "ami-12345678", "InvalidAMIID.NotFound", "The image id '[ami-12345678]' does not exist"),
        ("volume", "vol-12345678", "InvalidVolume.NotFound", "The volume 'vol-12345678' does not exist."),
        ("security-group", "sg-1", "InvalidGroup.NotFound", "The security group 'sg-1' does not exist"),
    ],
)
def test_what_is_missing_is_named(kind: str, value: str, code: str, message: str) -> None:
    error = KINDS[kind].missing(value)
    assert (error.code, error.message, error.status) == (code, message, 400)


def test_several_that_are_missing_are_named_together() -> None:
    assert KINDS["image"].missing("ami-1", "ami-2").message == "The image ids '[ami-1, ami-2]' do not exist"
    assert KINDS["instance"].missing("i-1", "i-2").message == "The instance IDs 'i-1, i-2' do not exist"


def test_what_is_malformed_is_named() -> None:
    assert KINDS["instance"].refused("web").code == "InvalidInstanceID.Malformed"
    assert KINDS["instance"].refused("i-0").code == "InvalidInstanceID.NotFound"
    assert KINDS["route-table"].refused("vpc-00000000").code == "InvalidRouteTableID.NotFound"
    assert KINDS["dhcp-options"].refused("example").code == "InvalidDhcpOptionID.NotFound"
    assert KINDS["subnet"].refused("example").message == "The subnet ID 'example' does not exist"
    assert KINDS["security-group"].refused("web").message == 'Invalid id: "web" (expecting "sg-...")'
    assert KINDS["volume"].refused("web").message == (
        "Value (web) for parameter volumeId is invalid. Expected: 'vol-...'."
    )


def test_uuids_are_known_by_their_shape() -> None:
    assert is_uuid(UUID_TEXT)
    assert not is_uuid("7")
    assert not is_uuid(UUID_TEXT.replace("-", ""))


def test_what_the_bridge_alone_has_is_of_version_8() -> None:
    own = own_uuid()
    assert (UUID(own).version, UUID(own).variant) == (8, RFC_4122)
    assert own != own_uuid()
    assert is_own(own)


@pytest.mark.parametrize(
    "other",
    [
        "4fa6a101-f86b-46a7-b581-39ec517018de",
        "0357db1e-e8dc-18b8-a730-af6b774d9c06",
        "00000000000000800000",
        "7",
        "",
    ],
)
def test_nothing_of_cloudstacks_is_taken_for_that(other: str) -> None:
    assert not is_own(other)
