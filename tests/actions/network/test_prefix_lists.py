"""Managed prefix lists: named sets of ranges with versions."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.resources import prefix_lists
from tests.conftest import Place
from tests.launching import code_of, tags

RANGES = [{"Cidr": "192.0.2.0/24", "Description": "office"}, {"Cidr": "198.51.100.0/24"}]
SHOWN = [{**RANGES[0]}, {**RANGES[1], "Description": ""}]


def made(ec2: Any, **changed: Any) -> dict[str, Any]:
    request = {"PrefixListName": "us", "AddressFamily": "IPv4", "MaxEntries": 5, "Entries": RANGES, **changed}
    shown: dict[str, Any] = ec2.create_managed_prefix_list(**request)["PrefixList"]
    return shown


def described(ec2: Any, **request: Any) -> list[dict[str, Any]]:
    return list(ec2.describe_managed_prefix_lists(**request)["PrefixLists"])


def entries(ec2: Any, ident: str, **request: Any) -> list[dict[str, Any]]:
    return list(ec2.get_managed_prefix_list_entries(PrefixListId=ident, **request)["Entries"])


def refusal(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**request)
    return code_of(error)


def test_create_describe_and_delete(ec2: Any) -> None:
    answer = made(ec2, TagSpecifications=[tags("prefix-list", app="shop")])
    ident, owner = answer["PrefixListId"], answer["OwnerId"]
    assert ident.startswith("pl-")
    assert (answer["State"], answer["Version"], answer["MaxEntries"]) == ("create-in-progress", 1, 5)
    assert answer["PrefixListArn"].endswith(f":{owner}:prefix-list/{ident}")
    assert answer["Tags"] == [{"Key": "app", "Value": "shop"}]
    assert described(ec2) == [{**answer, "State": "create-complete"}]
    assert entries(ec2, ident) == SHOWN
    assert ec2.get_managed_prefix_list_associations(PrefixListId=ident)["PrefixListAssociations"] == []
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "team", "Value": "red"}])
    told = ec2.describe_tags(Filters=[{"Name": "resource-type", "Values": ["prefix-list"]}])["Tags"]
    assert {(tag["ResourceId"], tag["Key"]) for tag in told} == {(ident, "app"), (ident, "team")}
    gone = ec2.delete_managed_prefix_list(PrefixListId=ident)["PrefixList"]
    assert (gone["PrefixListId"], gone["State"]) == (ident, "delete-in-progress")
    assert described(ec2) == []
    assert ec2.describe_tags()["Tags"] == []
    assert refusal(ec2.delete_managed_prefix_list, PrefixListId=ident) == "InvalidPrefixListID.NotFound"
    assert refusal(ec2.describe_managed_prefix_lists, PrefixListIds=[ident]) == "InvalidPrefixListID.NotFound"


def test_lists_are_found_by_name_and_tags_and_paged(ec2: Any) -> None:
    made(ec2)
    marked = [tags("prefix-list", app="shop")]
    other = made(ec2, PrefixListName="them", Entries=[], AddressFamily="IPv6", TagSpecifications=marked)
    for name, value in (("prefix-list-name", "th*"), ("tag:app", "shop"), ("tag-key", "app")):
        found = described(ec2, Filters=[{"Name": name, "Values": [value]}])
        assert [one["PrefixListId"] for one in found] == [other["PrefixListId"]]
    first = ec2.describe_managed_prefix_lists(MaxResults=1)
    second = ec2.describe_managed_prefix_lists(MaxResults=1, NextToken=first["NextToken"])
    assert {one["PrefixListName"] for one in first["PrefixLists"] + second["PrefixLists"]} == {"us", "them"}


def test_the_lists_are_the_accounts_own(place: Place) -> None:
    ident = made(place.client())["PrefixListId"]
    bob = place.client("bob")
    assert described(bob) == []
    call = bob.get_managed_prefix_list_entries
    assert refusal(call, PrefixListId=ident) == "InvalidPrefixListID.NotFound"


def test_other_entries_are_a_new_version(ec2: Any) -> None:
    ident = made(ec2)["PrefixListId"]
    answer = ec2.modify_managed_prefix_list(
        PrefixListId=ident,
        CurrentVersion=1,
        AddEntries=[{"Cidr": "203.0.113.7/24", "Description": "new"}],
        RemoveEntries=[{"Cidr": "192.0.2.0/24"}],
    )["PrefixList"]
    assert (answer["Version"], answer["State"]) == (2, "modify-in-progress")
    assert described(ec2)[0]["State"] == "modify-complete"
    assert entries(ec2, ident) == [SHOWN[1], {"Cidr": "203.0.113.0/24", "Description": "new"}]
    assert entries(ec2, ident, TargetVersion=1) == SHOWN
    # A name and a size are of the list, not of a version.
    ec2.modify_managed_prefix_list(PrefixListId=ident, PrefixListName="them", MaxEntries=2)
    [shown] = described(ec2)
    assert (shown["Version"], shown["PrefixListName"], shown["MaxEntries"]) == (2, "them", 2)
    restored = ec2.restore_managed_prefix_list_version(
        PrefixListId=ident, PreviousVersion=1, CurrentVersion=2
    )["PrefixList"]
    assert (restored["Version"], restored["State"]) == (3, "restore-in-progress")
    assert described(ec2)[0]["State"] == "restore-complete"
    assert entries(ec2, ident) == SHOWN
    assert entries(ec2, ident, TargetVersion=2)[0] == SHOWN[1]


def test_a_change_that_does_not_fit_is_refused(ec2: Any) -> None:
    ident = made(ec2, MaxEntries=2)["PrefixListId"]
    new, old = {"Cidr": "203.0.113.0/24"}, {"Cidr": "192.0.2.0/24"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"CurrentVersion": 2, "AddEntries": [new]}, "PrefixListVersionMismatch"),
        ({"CurrentVersion": 1, "AddEntries": [new]}, "PrefixListMaxEntriesExceeded"),
        ({"CurrentVersion": 1, "AddEntries": [old]}, "InvalidPrefixListModification"),
        ({"CurrentVersion": 1, "RemoveEntries": [new]}, "InvalidPrefixListModification"),
        ({"CurrentVersion": 1, "RemoveEntries": [old, old]}, "InvalidPrefixListModification"),
        ({"CurrentVersion": 1, "RemoveEntries": [old], "AddEntries": [old]}, "InvalidPrefixListModification"),
        ({"CurrentVersion": 1, "AddEntries": [new], "MaxEntries": 9}, "InvalidParameterCombination"),
        ({"MaxEntries": 1}, "PrefixListMaxEntriesExceeded"),
        ({"MaxEntries": 1001}, "InvalidParameterValue"),
        ({"IpamPrefixListResolverSyncEnabled": True}, "UnsupportedOperation"),
    ]
    for changed, code in wrong:
        assert refusal(ec2.modify_managed_prefix_list, PrefixListId=ident, **changed) == code, changed
    restore = ec2.restore_managed_prefix_list_version
    for versions, code in (((1, 2), "PrefixListVersionMismatch"), ((7, 1), "InvalidParameterValue")):
        request = {"PrefixListId": ident, "PreviousVersion": versions[0], "CurrentVersion": versions[1]}
        assert refusal(restore, **request) == code
    assert refusal(ec2.get_managed_prefix_list_entries, PrefixListId=ident, TargetVersion=2) == (
        "InvalidParameterValue"
    )
    assert entries(ec2, ident) == SHOWN
    assert described(ec2)[0]["Version"] == 1


def test_a_list_that_cannot_be_is_refused(ec2: Any) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"Entries": [{"Cidr": "2001:db8::/32"}]}, "InvalidParameterValue"),
        ({"Entries": [{"Cidr": "192.0.2.1"}]}, "InvalidParameterValue"),
        ({"Entries": [RANGES[0], RANGES[0]]}, "InvalidParameterValue"),
        ({"Entries": [{**RANGES[0], "Description": "d" * 256}]}, "InvalidParameterValue"),
        ({"AddressFamily": "IPX"}, "InvalidParameterValue"),
        ({"PrefixListName": "com.amazonaws.us"}, "InvalidParameterValue"),
        ({"MaxEntries": 0}, "InvalidParameterValue"),
        ({"MaxEntries": 1}, "PrefixListMaxEntriesExceeded"),
    ]
    for changed, code in wrong:
        with pytest.raises(ClientError) as error:
            made(ec2, **changed)
        assert code_of(error) == code, changed
    assert described(ec2) == []


def test_the_oldest_versions_make_room() -> None:
    found: dict[str, Any] = {"version": 1, "versions": {"1": []}}
    wide = [{"cidr": f"10.0.{n}.0/24", "description": "d" * 255} for n in range(200)]
    for _ in range(8):
        prefix_lists.add_version(found, wide)
    assert found["version"] == 9
    assert prefix_lists.current(found) == wide
    assert "1" not in found["versions"]
    assert 3 <= len(found["versions"]) < 8
