"""Requests recorded from real clients, replayed in their order against the bridge and the embedded CloudStack.

The recordings were made against a stand-in: its ids, address and zone are exchanged for ours in the order in which they
appear, what a call made before what a description showed. All else goes out as the client sent it, signed as it signed.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV2Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from lxml import etree

from tests.conftest import Place

RECORDINGS = Path(__file__).parent / "client_requests"
REGION = "us-east-1"
ID = re.compile(r"\b(?:(?:[a-z]+)-[0-9a-f]{17}|127(?:\.\d+){3})\b")
MAKES = ("Create", "Run", "Import", "Allocate", "Associate", "Attach")
FLEETING = re.compile(
    r"<(?:name|state|status)>(pending|stopping|shutting-down|creating|attaching|detaching)<"
)

REFUSED = {
    # Clients look whether a name is free, and whether a thing is gone.
    ("DescribeKeyPairs", "InvalidKeyPair.NotFound"),
    ("DescribeVolumes", "InvalidVolume.NotFound"),
    ("DescribeRouteTables", "InvalidRouteTableID.NotFound"),
    # The provider revokes an IPv6 default rule that only accounts with IPv6 have.
    ("RevokeSecurityGroupEgress", "InvalidPermission.NotFound"),
    # euca2ools names an address of a VPC by its number, where AWS wants the allocation's id.
    ("ReleaseAddress", "InvalidParameterValue"),
}
"""Refusals that the recorded clients met with AWS as well, or ask for."""

CANNOT = {
    # CloudStack has nothing to take a snapshot of before a volume is attached for the first time.
    "opentofu-aws-provider-basic": {
        ("CreateSnapshot", "IncorrectState"),
        ("DescribeSnapshots", "InvalidSnapshot.NotFound"),
        ("DeleteSnapshot", "InvalidSnapshot.NotFound"),
    },
}
"""What a recording asks for and CloudStack cannot do, and what follows from it. This list should only shrink."""

GROUPED = ("ansible", "boto2-v2", "euca2ools", "jclouds", "opentofu-aws-provider-basic")
"""Recordings played in the zone whose network has security groups; the others want networks of their own."""


class Replay:
    """One recording's way through the bridge."""

    def __init__(self, place: Place, grouped: bool) -> None:
        keys = place.sim.accounts["alice"]
        self.keys = Credentials(keys.api_key, keys.secret_key)
        self.url = place.url + "/"
        self.session = URLLib3Session()
        self.ours: dict[str, str] = {}
        self.made: dict[str, list[str]] = defaultdict(list)
        self.shown: dict[str, list[str]] = defaultdict(list)
        ec2 = place.client(region_name=REGION)
        self.shown["ami"].append(ec2.describe_images()["Images"][0]["ImageId"])
        if not grouped:
            ec2.create_default_subnet(AvailabilityZone=f"{REGION}a")
        subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
        subnet = (max if grouped else min)(subnets, key=lambda subnet: str(subnet["AvailabilityZone"]))
        self.shown["subnet"].append(subnet["SubnetId"])
        self.shown["vpc"].append(subnet["VpcId"])
        self.ours[f"{REGION}a"] = subnet["AvailabilityZone"]

    def play(self, line: dict[str, Any]) -> tuple[str, str]:
        """Send one recorded request; return its action and the code of the refusal, or "ok"."""
        form = [(name, self.exchanged(value)) for name, value in line["form"]]
        action = dict(form)["Action"]
        code, body = self.send(line, form)
        self.learn(action, body)
        if code == "ok" and not action.startswith("Describe"):
            self.settle()
        return action, code

    def exchanged(self, value: str) -> str:
        """Put what is ours in place of the stand-in's."""
        return self.ours.get(value) or ID.sub(lambda found: self.exchange(found[0]), value)

    def exchange(self, theirs: str) -> str:
        if theirs not in self.ours:
            kind = kind_of(theirs)
            waiting = [
                ident for ident in self.made[kind] + self.shown[kind] if ident not in self.ours.values()
            ]
            if waiting:
                self.ours[theirs] = waiting[0]
        return self.ours.get(theirs, theirs)

    def send(self, line: dict[str, Any], form: list[tuple[str, str]]) -> tuple[str, str]:
        request = AWSRequest(line["method"], self.url, data=dict(form))
        request.headers["User-Agent"] = line["user_agent"]
        request.headers["Content-Type"] = line["content_type"]
        if line["auth"].startswith("v2"):
            names = ("SignatureMethod", "SignatureVersion", "Timestamp")
            request.data = {name: value for name, value in form if name not in names}
            SigV2Auth(self.keys).add_auth(request)
        else:
            _, region, service, _ = line["scope"].split("/")
            SigV4Auth(self.keys, service, region).add_auth(request)
        answer = self.session.send(request.prepare())
        found = re.search(r"<Code>(.*?)</Code>", answer.text)
        assert (answer.status_code == 200) == (found is None), answer.text
        return found[1] if found else "ok", answer.text

    def learn(self, action: str, body: str) -> None:
        """Take note of the ids and addresses of an answer, in their order."""
        for element in etree.fromstring(body.encode()).iter():
            text, name = element.text or "", etree.QName(element).localname
            if name.endswith("Id") and re.fullmatch(r"[a-z]+-[0-9a-f]{17}", text):
                # A machine's disks come with it, but no request has made them.
                made = action.startswith(MAKES) and (action, name) != ("RunInstances", "volumeId")
                (self.made if made else self.shown)[kind_of(text)].append(text)
            elif name == "publicIp":
                self.made["address"].append(text)

    def settle(self, seconds: float = 60) -> None:
        """Wait until nothing is on its way: the recorded client polled as long as its own cloud took."""
        deadline = time.monotonic() + seconds
        line = {"method": "POST", "user_agent": "test", "content_type": "application/x-www-form-urlencoded"}
        line |= {"auth": "v4-header", "scope": f"day/{REGION}/ec2/aws4_request"}
        for action in ("DescribeInstances", "DescribeVolumes", "DescribeSnapshots"):
            form = [("Action", action), ("Version", "2016-11-15")]
            if action == "DescribeSnapshots":
                form.append(("Owner.1", "self"))
            while FLEETING.search(self.send(line, form)[1]):
                assert time.monotonic() < deadline, f"{action} never settles"
                time.sleep(0.05)


def kind_of(ident: str) -> str:
    """The prefix of an id; addresses are a kind of their own."""
    return "address" if ident[0].isdigit() else ident.partition("-")[0]


def lines(recording: str) -> Iterator[dict[str, Any]]:
    for line in (RECORDINGS / f"{recording}.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


@pytest.mark.parametrize("recording", sorted(file.stem for file in RECORDINGS.glob("*.jsonl")))
def test_a_recorded_client_is_served(recording: str, make_place: Callable[..., Place]) -> None:
    replay = Replay(make_place({"region": REGION}), recording in GROUPED)
    refused = {told for line in lines(recording) if (told := replay.play(line))[1] != "ok"}
    assert refused <= REFUSED | CANNOT.get(recording, set())
