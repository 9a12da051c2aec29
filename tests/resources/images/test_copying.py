"""Images in further zones: the answer comes when they are there, and tells what they failed for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import REGION, Place
from tests.faulty import KILLS, SILENCE, behind, kill_during
from tests.launching import GROUPED, code_of, ids, launch, tags, until

pytestmark = KILLS


def image(ec2: Any) -> str:
    [ident] = ids(launch(ec2))
    until(ec2, "running", ident)
    made = str(ec2.create_image(InstanceId=ident, Name="golden")["ImageId"])
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig={"Delay": 1})
    return made


def copy(ec2: Any, source: str) -> Any:
    return ec2.copy_image(
        SourceImageId=source,
        SourceRegion=REGION,
        Name="golden",
        DestinationAvailabilityZone=GROUPED,
        TagSpecifications=[tags("image", role="web")],
    )


def zones_of(place: Place) -> set[str]:
    [row] = [row for row in place.sim.cloud.tables["templates"] if row["name"] == "golden"]
    return set(row["_zones"])


def test_a_copy_that_fails_is_told_and_can_be_asked_for_again(place: Place, ec2: Any) -> None:
    source = image(ec2)
    before = zones_of(place)
    place.sim.faults.add("job-fails", "copyTemplate")
    with pytest.raises(ClientError) as caught:
        copy(ec2, source)
    assert (code_of(caught), zones_of(place)) == ("InternalError", before)
    [shown] = ec2.describe_images(ImageIds=[source])["Images"]
    assert (shown["State"], shown.get("Tags", [])) == ("available", [])
    assert copy(ec2, source)["ImageId"] == source
    assert len(zones_of(place) - before) == 1
    [shown] = ec2.describe_images(ImageIds=[source])["Images"]
    assert shown["Tags"] == [{"Key": "role", "Value": "web"}]


def test_a_copy_whose_bridge_died_is_gone_on_with_by_who_asks_again(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    source = image(front.client())
    before = zones_of(cloud)
    way.next("createTags", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: copy(front.client(), source))
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=600)
    ec2 = heir.client()
    # Its first sweep has been by: nobody but who asks again takes the record up.
    monkeypatch.setattr(journal, "LEASE", 1.0)
    again = heir.commands(lambda: copy(ec2, source))
    assert "copyTemplate" not in again
    assert len(zones_of(cloud) - before) == 1
    [shown] = ec2.describe_images(ImageIds=[source])["Images"]
    assert shown["Tags"] == [{"Key": "role", "Value": "web"}]
    assert list(heir.run(heir.bridge.site.store.everywhere(journal.KIND))) == []
