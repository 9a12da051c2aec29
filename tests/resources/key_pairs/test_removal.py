"""A key pair deleted when a call of CloudStack's goes wrong: gone with all that is known of it, or as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, SILENCE, behind, kill_during
from tests.launching import tags

pytestmark = KILLS

LINE = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGw5V2m6VGtcXhWc6YzXJb5VnF2ZcXb2p0bZ1X8vJ3kQ laptop"
REFUSAL = {"errorcode": 530, "errortext": "Something went wrong."}


def pairs(ec2: Any) -> list[Any]:
    return sorted(ec2.describe_key_pairs()["KeyPairs"], key=lambda pair: str(pair["KeyName"]))


def bring(ec2: Any, *names: str) -> list[Any]:
    """Import one key under several names."""
    for name in names:
        marked = [tags("key-pair", role=name)]
        ec2.import_key_pair(KeyName=name, PublicKeyMaterial=LINE, TagSpecifications=marked)
    return pairs(ec2)


@pytest.mark.parametrize("command", ["deleteSSHKeyPair", "registerSSHKeyPair"])
@pytest.mark.parametrize("mode", [LOST_ANSWER, REFUSAL])
def test_a_key_pair_goes_or_stays_with_its_other_names(
    make_place: Callable[..., Place], command: str, mode: Any
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    first, *others = before = bring(ec2, "a", "b", "c")
    way.next(command, mode)
    if mode == REFUSAL:
        with pytest.raises(ClientError):
            ec2.delete_key_pair(KeyName="a")
        assert pairs(ec2) == before
    assert ec2.delete_key_pair(KeyName="a")["KeyPairId"] == first["KeyPairId"]
    assert pairs(ec2) == others
    # What the store had of the first does not outlive it.
    assert {tag["Value"] for tag in ec2.describe_tags()["Tags"]} == {"b", "c"}


@pytest.mark.parametrize("command", ["deleteSSHKeyPair", "registerSSHKeyPair"])
def test_sent_again_it_goes_on_where_a_bridge_died(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    _, *others = bring(front.client(), "a", "b", "c")
    way.next(command, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: front.client().delete_key_pair(KeyName="a"))
    monkeypatch.setattr(journal, "LEASE", 3.0)
    heir, _ = behind(make_place, cloud, store=store)
    ec2 = heir.client()
    ec2.delete_key_pair(KeyName="a")
    assert pairs(ec2) == others
    assert {tag["Value"] for tag in ec2.describe_tags()["Tags"]} == {"b", "c"}
