"""Machines that were terminated within the last hour cost no more than those that have not changed."""

from typing import Any

from ec2bridge.resources.instances import cache
from ec2bridge.resources.machines import records
from tests.conftest import Place
from tests.launching import described, ids, launch, started, until


def memory(place: Place) -> cache.Memory:
    """What the bridge remembers of the account's last listing."""
    [kept] = place.bridge.site.caches["instances-seen"].values()
    assert isinstance(kept, cache.Memory)
    return kept


def test_they_are_translated_once(place: Place, ec2: Any) -> None:
    gone = ids(started(ec2, 3))
    ec2.terminate_instances(InstanceIds=gone)
    until(ec2, "terminated", *gone)
    [living] = ids(started(ec2))
    assert {one["InstanceId"] for one in described(ec2)} == {*gone, living}
    before = memory(place).whole
    assert before is not None
    described(ec2)
    again = memory(place).whole
    assert again is not None
    assert all(one is other for one, other in zip(before[1], again[1], strict=True))
    # Whatever else is written to the store, and whoever else is on the way.
    ids(launch(ec2))
    described(ec2)
    seen = {seen.item["InstanceId"]: seen.item for seen in memory(place).seen.values()}
    for item in before[1]:
        if item["InstanceId"] in gone:
            assert seen[item["InstanceId"]] is item


def test_no_more_is_kept_of_them_than_is_shown(place: Place, ec2: Any) -> None:
    [gone] = ids(started(ec2))
    ec2.terminate_instances(InstanceIds=[gone])
    [machine] = until(ec2, "terminated", gone)
    assert machine["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    [entry] = place.run(place.bridge.site.store.list(place.store_owner(), records.KIND))
    assert set(entry.value) == {"phase", "row", "reason", "at"}
