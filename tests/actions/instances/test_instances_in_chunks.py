"""DescribeInstances of an account that is large: pages that cost their share, and filters that hold little."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.cloudstack import account
from ec2bridge.cloudstack.kept_ids import MANY
from ec2bridge.ids import ec2_id
from ec2bridge.resources.machines import volumes
from tests.conftest import Place
from tests.faulty import behind, eventually
from tests.launching import described, started, until


@pytest.fixture
def large(make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place where fifty machines are many, and ten of them not few; CloudStack's pages hold seven."""
    monkeypatch.setattr(account, "MANY", 20)
    monkeypatch.setattr(volumes, "FIRST", 10)
    place = make_place()
    place.bridge.site.cloud.pages.size = 7
    place.sim.populate("alice", 50)
    return place


def pages(ec2: Any, size: int, **asked: Any) -> Iterator[list[dict[str, Any]]]:
    paginator = ec2.get_paginator("describe_instances")
    for page in paginator.paginate(PaginationConfig={"PageSize": size}, **asked):
        yield [machine for held in page["Reservations"] for machine in held["Instances"]]


def ids(machines: list[dict[str, Any]]) -> list[str]:
    return [machine["InstanceId"] for machine in machines]


@pytest.mark.parametrize("size", [5, 7, 14, 20, 1000])
def test_pages_tell_what_the_whole_tells(large: Place, size: int) -> None:
    ec2 = large.client()
    whole = {m["InstanceId"]: m for page in pages(ec2, 6) for m in page}
    at_once = ec2.describe_instances()
    assert whole == {m["InstanceId"]: m for r in at_once["Reservations"] for m in r["Instances"]}
    told = list(pages(ec2, size))
    first = min(size, 10)
    rest = 50 - first
    assert [len(page) for page in told] == [
        first,
        *[size] * (rest // size),
        *([rest % size] if rest % size else []),
    ]
    assert {m["InstanceId"]: m for page in told for m in page} == whole
    assert sum(map(len, told)) == 50


def test_a_page_asks_for_its_machines_and_the_volumes_once(large: Place) -> None:
    ec2 = large.client()
    walk = pages(ec2, 14)
    assert len(next(walk)) == 10
    next(walk)
    asked = large.commands(lambda: next(walk))
    assert asked == ["listVirtualMachines"] * 4  # a look at the one row before, and three pages


def test_a_small_first_page_waits_for_the_volumes_of_its_machines_alone(large: Place) -> None:
    ec2 = large.client()
    walk = pages(ec2, 5)
    told, asked = [], []
    for _ in range(4):
        before = len(large.native)
        told.append(ids(next(walk)))
        calls = [call.params for call in large.native[before:] if call.command == "listVolumes"]
        asked.append([params.get("virtualmachineid") for params in calls])
    # Ten in two pages, then all fifty in CloudStack's pages of seven, and that is good for the rest.
    assert [[ec2_id("i", uuid) for uuid in one] for one in asked[:2]] == told[:2]
    assert asked[2:] == [[None] * 8, []]


def test_a_filter_finds_what_it_finds_in_the_whole(large: Place) -> None:
    ec2 = large.client()
    some = ids(described(ec2))[10:40:7]
    ec2.create_tags(Resources=some, Tags=[{"Key": "of", "Value": "these"}])
    asked = [{"Name": "tag:of", "Values": ["these"]}]
    found = ec2.describe_instances(Filters=asked)
    assert {m["InstanceId"] for r in found["Reservations"] for m in r["Instances"]} == set(some)
    # As on AWS, a page may be empty when what is left does not match.
    assert [ids(page) for page in pages(ec2, 5, Filters=asked)] in ([some], [some, []])
    assert ec2.describe_instances(Filters=[{"Name": "tag:of", "Values": ["none"]}])["Reservations"] == []


def test_machines_that_only_records_tell_of_come_last(large: Place) -> None:
    ec2 = large.client()
    gone = ids(started(ec2, MinCount=3, MaxCount=3))
    ec2.terminate_instances(InstanceIds=gone)
    until(ec2, "terminated", *gone)
    told = [ids(page) for page in pages(ec2, 13)]
    assert [len(page) for page in told] == [10, 13, 13, 13, 4]
    assert set(told[4][-3:]) == set(gone)
    assert len({ident for page in told for ident in page}) == 53


def test_a_machine_that_goes_between_two_pages_hides_no_other(large: Place) -> None:
    ec2 = large.client()
    walk = pages(ec2, 10)
    first = ids(next(walk))
    ec2.terminate_instances(InstanceIds=[first[-1], first[2]])
    until(ec2, "terminated", first[-1], first[2])
    rest = [ident for page in walk for ident in ids(page)]
    assert len(set(rest)) == len(rest)
    assert len(set(rest) - set(first)) == 40


def test_a_volume_that_is_attached_between_two_pages_is_told(large: Place) -> None:
    ec2 = large.client()
    walk = pages(ec2, 10)
    machine = next(walk)[0]
    volume = ec2.create_volume(Size=1, AvailabilityZone=machine["Placement"]["AvailabilityZone"])["VolumeId"]
    last = ids([machine for page in pages(ec2, 50) for machine in page])[-1]
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume])
    ec2.attach_volume(VolumeId=volume, InstanceId=last, Device="/dev/sdf")
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume])
    told = {m["InstanceId"]: m for page in walk for m in page}
    assert volume in [held["Ebs"]["VolumeId"] for held in told[last]["BlockDeviceMappings"]]


def test_ids_are_asked_for_as_ever(large: Place) -> None:
    ec2 = large.client()
    some = ids(next(pages(ec2, 50)))[:2]
    for asked in ({"InstanceIds": some}, {"Filters": [{"Name": "instance-id", "Values": some}]}):
        called = large.commands(lambda asked=asked: ec2.describe_instances(**asked))  # type: ignore[misc]
        assert sorted(called) == ["listVirtualMachines", "listVolumes", "listVolumes"]


def test_another_bridge_finds_one_of_many_by_its_id_without_a_listing_of_all(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    cloud.sim.populate("alice", MANY + 1)
    first, _ = behind(make_place, cloud, store=store)
    known = ids(described(first.client()))
    kept = first.bridge.site.store
    eventually(lambda: {"ids:instance", "ids:network-interface"} <= first.run(kept.count_kinds()).keys())
    second, _ = behind(make_place, cloud, store=store)
    assert set(ids(described(second.client(), InstanceIds=known[-3:]))) == {*known[-3:]}
    asked = [call.params for call in second.native if call.command == "listVirtualMachines"]
    assert len(asked) == 1
    assert len(asked[0]["ids"].split(",")) == 3
