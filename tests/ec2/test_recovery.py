"""Records without a bearer: taken up with the keys that they were begun with, or with those of the next request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, SILENCE, behind, eventually, kill_during
from tests.launching import ADVANCED

pytestmark = KILLS


@pytest.fixture
def left(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Place, str]:
    """A cloud in which a bridge has died while it made a volume, and the store of that bridge."""
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    way.next("createTags", SILENCE)
    tag = {"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}
    with pytest.raises(Exception, match=r"."):
        kill_during(
            front,
            way,
            lambda: front.client().create_volume(AvailabilityZone=ADVANCED, Size=5, TagSpecifications=[tag]),
        )
    monkeypatch.setattr(journal, "LEASE", 1.0)

    async def lose_the_key() -> None:
        kept = front.bridge.site.store
        for owner, entry in await kept.everywhere(journal.KIND):
            await kept.put(owner, journal.KIND, entry.key, {**entry.value, "access_key": "gone"})

    front.run(lose_the_key())
    return cloud, store


def test_a_record_whose_key_is_gone_waits_for_the_accounts_next_request(
    make_place: Callable[..., Place], left: tuple[Place, str], caplog: pytest.LogCaptureFixture
) -> None:
    cloud, store = left
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    recovery = heir.bridge.recovery
    assert recovery is not None
    eventually(lambda: bool(recovery.waiting))
    assert "waits for the next request" in caplog.text
    assert "gone" in caplog.text
    heir.client("bob").describe_regions()
    assert recovery.waiting == {heir.store_owner("alice")}
    ec2: Any = heir.client()
    assert len(ec2.describe_volumes()["Volumes"]) in (0, 1)
    eventually(lambda: not ec2.describe_volumes()["Volumes"])
    assert recovery.waiting == set()


def test_no_secret_is_written(left: tuple[Place, str]) -> None:
    cloud, store = left
    written = b"".join(path.read_bytes() for path in Path(store).parent.glob("store.sqlite*"))
    assert b"CreateVolume" in written
    for keys in cloud.sim.accounts.values():
        assert keys.secret_key.encode() not in written
