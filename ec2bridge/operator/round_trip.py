"""`check --launch`: a key pair, a group, the smallest machine, and all gone again, through the bridge's layers."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from ec2bridge.app import Bridge
from ec2bridge.auth.verify import Verified
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.exchange import Exchange
from ec2bridge.operator.findings import Finding, Report, bad, note, ok
from ec2bridge.resources.instance_types import size_of, type_table
from ec2bridge.store import StoreError
from ec2bridge.wire.model import operation

Members = dict[str, Any]

PATIENCE = 600.0
"""Seconds that a machine may take to run, and to be gone."""
POLL = 1.0


class RoundTrip:
    """One user's first machine; what was made is removed whatever happens."""

    def __init__(self, bridge: Bridge, who: Credentials, ctx: Context, zone: str | None) -> None:
        self.bridge, self.who, self.ctx, self.zone = bridge, who, ctx, zone
        self.name = f"ec2bridge-check-{uuid.uuid4().hex[:8]}"
        self.group = self.instance = ""
        self.key = False

    async def play(self, report: Report) -> None:
        """Do all of it, each step a finding; stop at the first that fails, and take back."""
        steps: tuple[tuple[str, Callable[[], Awaitable[Finding | list[Finding]]]], ...] = (
            ("launch: a key pair", self._make_key),
            ("launch: a security group", self._make_group),
            ("launch: the smallest machine", self._launch),
            ("launch: it runs", self._runs),
        )
        for title, step in steps:
            await report.look(title, "", step)
            if report.found[-1].level == "bad":
                break
        await report.look("launch: it is gone again", "", self._terminate)
        await report.look("launch: group and key pair are gone", "", self._remove)

    async def call(self, action: str, **request: Any) -> Any:
        """Have the bridge perform a request, as if it had come over the wire."""
        op = operation(action)
        if op is None:
            raise LookupError(action)
        verified = Verified(self.who, [], "ec2", self.bridge.site.settings.region)
        return await self.bridge.perform(
            op, request, verified, Exchange(str(uuid.uuid4())), self.ctx.endpoint
        )

    async def _make_key(self) -> Finding:
        try:
            await self.call("CreateKeyPair", KeyName=self.name, KeyType="rsa")
        except (Ec2Error, StoreError) as error:
            return _refused(error)
        self.key = True
        return ok(self.name)

    async def _make_group(self) -> Finding:
        try:
            made = await self.call(
                "CreateSecurityGroup", GroupName=self.name, Description="ec2bridge check --launch"
            )
        except (Ec2Error, StoreError) as error:
            return _refused(error)
        self.group = made["GroupId"]
        return ok(self.group)

    async def _launch(self) -> Finding:
        try:
            image, kind = await self._image(), await self._type()
            where = {"Placement": {"AvailabilityZone": self.zone}} if self.zone else {}
            made = await self.call(
                "RunInstances",
                ImageId=image["ImageId"],
                InstanceType=kind,
                MinCount=1,
                MaxCount=1,
                KeyName=self.name,
                SecurityGroupIds=[self.group],
                ClientToken=self.name,
                TagSpecifications=[
                    {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": self.name}]}
                ],
                **where,
            )
        except (Ec2Error, StoreError) as error:
            return _refused(error)
        self.instance = made["Instances"][0]["InstanceId"]
        return ok(f"{self.instance}, {kind} of {image['Name']}")

    async def _image(self) -> Members:
        filters = [{"Name": "state", "Values": ["available"]}]
        images: list[Members] = (await self.call("DescribeImages", Filters=filters))["Images"]
        if not images:
            raise Ec2Error("InvalidAMIID.NotFound", "There is no image that this user may launch")
        return min(images, key=_disk)

    async def _type(self) -> str:
        table = await type_table(self.ctx)
        sized = [(size.memory, size.cpus, row["name"]) for row in table.offerings if (size := size_of(row))]
        aws = [(size.memory, size.cpus, name) for name, size in table.aws.items() if table.serving(name)]
        smallest = min(sized or aws, default=None)
        if smallest is None:
            raise Ec2Error("Unsupported", "No offering has a size")
        return str(smallest[2])

    async def _runs(self) -> Finding:
        started = time.monotonic()
        state = await self._until("running")
        if state == "running":
            return ok(f"after {time.monotonic() - started:.0f} s")
        return bad(f"it is {state}", f"see what CloudStack says of it: cmk list events keyword={self.name}")

    async def _until(self, wanted: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                found = await self.call("DescribeInstances", InstanceIds=[self.instance])
                state = str(found["Reservations"][0]["Instances"][0]["State"]["Name"])
            except Ec2Error as error:
                state = "terminated" if error.code == "InvalidInstanceID.NotFound" else str(error)
            if state in (wanted, "terminated") or time.monotonic() > deadline:
                return state
            await asyncio.sleep(POLL)

    async def _terminate(self) -> Finding:
        if not self.instance:
            return ok("there was none")
        try:
            await self.call("TerminateInstances", InstanceIds=[self.instance])
            state = await self._until("terminated")
        except (Ec2Error, StoreError) as error:
            return bad(
                f"{self.instance} could not be terminated: {error}", f"remove it: {self.name} in CloudStack"
            )
        return (
            ok(self.instance)
            if state == "terminated"
            else bad(f"it is {state}", f"remove {self.name} in CloudStack")
        )

    async def _remove(self) -> list[Finding]:
        found = []
        wanted = [("DeleteSecurityGroup", {"GroupId": self.group})] if self.group else []
        wanted += [("DeleteKeyPair", {"KeyName": self.name})] if self.key else []
        for action, request in wanted:
            if error := await self._gone(action, request):
                found.append(note(f"{action}: {error}", f"remove {self.name} in CloudStack"))
        return found or [ok(self.name)]

    async def _gone(self, action: str, request: Members) -> Ec2Error | None:
        """Delete, again while the machine's end still holds what is to go."""
        deadline = time.monotonic() + PATIENCE / 10
        while True:
            try:
                await self.call(action, **request)
            except Ec2Error as error:
                if error.code != "DependencyViolation" or time.monotonic() > deadline:
                    return error
                await asyncio.sleep(POLL)
            else:
                return None


def _refused(error: Exception) -> Finding:
    code = f"{error.code}: " if isinstance(error, Ec2Error) else ""
    return bad(
        f"{code}{error}",
        "the findings above say what is missing; else `ec2bridge explain run-instances …` does",
    )


def _disk(image: Members) -> int:
    sizes = [
        mapping.get("Ebs", {}).get("VolumeSize") or 0 for mapping in image.get("BlockDeviceMappings") or ()
    ]
    return int(sum(sizes))
