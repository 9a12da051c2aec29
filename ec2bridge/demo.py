"""The demo: the embedded CloudStack, a bridge in front of it, and a tour through the real endpoint with boto3.

Nothing here is a short cut: the bridge talks to the embedded CloudStack over HTTP, and boto3 to the bridge.
"""

import asyncio
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ec2bridge import config, server
from ec2bridge.app import Bridge
from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.exchange import Exchange
from ec2bridge.page.browser import History
from ec2bridge.simulator.server import Simulator

Watcher = Callable[[Exchange, float, list[NativeCall]], None]

PORTS = 20
"""Ports that are tried, one after the other."""
REGION = "us-east-1"  # Terraform's provider and others know AWS's own regions only


@dataclass(frozen=True, slots=True)
class Options:
    """What `ec2bridge demo` was asked for."""

    listen: str
    cloudstack_listen: str
    tour: bool
    stay: bool
    env_file: Path | None
    data: Path | None
    release: str


class TourFailed(Exception):
    """A step of the tour did not show what it should; the text says which."""


async def play(options: Options) -> int:
    """Serve, show, tour, and stay until Ctrl-C; the exit code says whether the tour held."""
    async with AsyncExitStack() as stack:
        host, port = config.host_and_port(options.cloudstack_listen)
        simulator = Simulator(path=str(options.data) if options.data else None, version=options.release)
        try:
            await simulator.start(host, port)
        except OSError as error:
            raise config.SettingsError(server.cannot_listen(options.cloudstack_listen, error)) from None
        stack.push_async_callback(simulator.close)
        simulator.cloud.settings["network.guest.cidr.limit"] = 16  # AWS's own largest subnet
        service = simulator.accounts["keylookup"]
        settings = config.load(
            cloudstack_url=simulator.url,
            service_api_key=service.api_key,
            service_secret_key=service.secret_key,
            region=REGION,
            listen=options.listen,
            store=f"{options.data}.bridge" if options.data else "memory",
        )
        history = History()
        url, bridge = await next_free(stack, settings, history)
        watched: list[Watcher] = [history.add]

        def saw(exchange: Exchange, seconds: float, native: list[NativeCall]) -> None:
            for watch in watched:
                watch(exchange, seconds, native)

        bridge.trace = saw
        environment = await asyncio.to_thread(describe_place, url, simulator)
        show(environment)
        if options.env_file:
            write_secrets(options.env_file, shell_lines(environment) + own_commands())
            shown = options.env_file if options.env_file.is_absolute() else f"./{options.env_file}"
            click.echo(f"Keys and endpoint stand in a file for your shell, too:  . {shown}\n")
        held = True
        if options.tour:
            tour = Tour(environment)
            watched.append(tour.saw)
            held = await asyncio.to_thread(tour.play)
            watched.remove(tour.saw)
        if options.stay:
            watched.append(tell)
            click.echo(f"Serving at {url} until Ctrl-C; a browser finds there how to use it.")
            click.echo("Each EC2 call, and the native calls that it becomes:")
            await server.until_stopped()
        return 0 if held else 1


async def next_free(stack: AsyncExitStack, settings: config.Settings, history: History) -> tuple[str, Bridge]:
    """Serve at the wanted port, or at the next one that is free, and say so."""
    host, wanted = config.host_and_port(settings.listen)
    for port in range(wanted, wanted + PORTS):
        there = settings.model_copy(update={"listen": f"{host}:{port}"})
        try:
            served = await stack.enter_async_context(server.listening(there, history))
        except config.SettingsError:
            if not wanted or port == wanted + PORTS - 1:
                raise
            click.echo(f"Port {port} is taken; trying {port + 1}.")
        else:
            return served
    raise AssertionError("the last port either serves or raises")


def client(environment: dict[str, str]) -> Any:
    """Return an ordinary boto3 client of the endpoint."""
    return boto3.client(
        "ec2",
        endpoint_url=environment["AWS_ENDPOINT_URL_EC2"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
        config=Config(retries={"max_attempts": 1}),
    )


def describe_place(url: str, simulator: Simulator) -> dict[str, str]:
    """Return what a shell needs to use the endpoint: its URL, keys, an image, and a zone with VPCs and Elastic IPs.

    It is where a launch goes that names no zone. The URL is set for what is served alone: AWS_ENDPOINT_URL would send
    every AWS service here.
    """
    alice = simulator.accounts["alice"]
    environment = {
        "AWS_ENDPOINT_URL_EC2": url,
        "AWS_ENDPOINT_URL_STS": url,
        "AWS_ENDPOINT_URL_SSM": url,
        "AWS_ACCESS_KEY_ID": alice.api_key,
        "AWS_SECRET_ACCESS_KEY": alice.secret_key,
        "AWS_DEFAULT_REGION": REGION,
    }
    ec2 = client(environment)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    # Looking for default subnets makes those that are missing: an account has them from its first day, as on AWS.
    default = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    zone = min(subnet["AvailabilityZone"] for subnet in default)
    environment |= {"EC2BRIDGE_DEMO_IMAGE": image, "EC2BRIDGE_DEMO_ZONE": zone}
    environment["EC2BRIDGE_DEMO_CLOUDSTACK_URL"] = simulator.url
    for name, account in simulator.accounts.items():
        prefix = f"EC2BRIDGE_DEMO_{name.upper().replace('-', '_')}"
        environment[f"{prefix}_API_KEY"] = account.api_key
        environment[f"{prefix}_SECRET_KEY"] = account.secret_key
    return environment


def shell_lines(environment: dict[str, str]) -> str:
    """Return the environment as lines that a shell can source."""
    return "".join(f"export {name}='{value}'\n" for name, value in environment.items())


def own_commands() -> str:
    """Return the line that has a shell find `ec2bridge`, where it lies in a virtual environment that is not active."""
    beside = Path(sys.executable).parent
    if shutil.which("ec2bridge") or not (beside / "ec2bridge").exists():
        return ""
    return f'export PATH={shlex.quote(str(beside))}:"$PATH"\n'


def write_secrets(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whatever it was before."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def show(environment: dict[str, str]) -> None:
    """Print endpoint, keys, and lines to paste."""
    place = {name: environment[name] for name in environment if name.startswith("AWS_")}
    click.secho("An EC2 endpoint in front of an embedded CloudStack", bold=True)
    click.echo(f"\n{shell_lines(place)}")
    click.secho("awscli", bold=True)
    # The option, since awscli before 2.13 does not know the variable and would go to AWS.
    aws = f"aws --endpoint-url {environment['AWS_ENDPOINT_URL_EC2']} ec2"
    click.echo(f"  {aws} describe-availability-zones")
    click.echo(
        f"  {aws} run-instances --image-id {environment['EC2BRIDGE_DEMO_IMAGE']} --instance-type t2.micro"
        f" --placement AvailabilityZone={environment['EC2BRIDGE_DEMO_ZONE']}"
    )
    click.echo(f"  {aws} describe-instances --filters Name=instance-state-name,Values=running\n")
    click.secho("boto3", bold=True)
    click.echo(
        "  import boto3\n"
        f"  ec2 = boto3.client('ec2', endpoint_url='{environment['AWS_ENDPOINT_URL_EC2']}', region_name='{REGION}',\n"
        f"                     aws_access_key_id='{environment['AWS_ACCESS_KEY_ID']}',\n"
        f"                     aws_secret_access_key='{environment['AWS_SECRET_ACCESS_KEY']}')\n"
        "  print(ec2.describe_instances()['Reservations'])\n"
    )
    click.echo(f"CloudStack's own API is at {environment['EC2BRIDGE_DEMO_CLOUDSTACK_URL']}\n")


@dataclass(slots=True)
class Tour:
    """A user's first day: a key pair, a group with a rule, two machines, tags, stop, terminate, and all of it gone."""

    environment: dict[str, str]
    native: list[NativeCall] = field(default_factory=list)
    ec2: Any = None

    def saw(self, _: Exchange, __: float, calls: list[NativeCall]) -> None:
        """Take note of the native calls of the request that was just answered."""
        self.native = calls

    def play(self) -> bool:
        """Play the tour; False, with the reason printed, when a step did not hold."""
        self.ec2 = client(self.environment)
        click.secho("The tour: each EC2 call, and the native calls that it became", bold=True)
        try:
            self.steps()
        except (TourFailed, ClientError, BotoCoreError) as error:
            click.secho(f"\nThe tour went wrong: {error}", fg="red", err=True)
            return False
        click.secho("\nThe tour went as it should.\n", fg="green")
        return True

    def steps(self) -> None:
        """The story itself."""
        self.call("create_key_pair", KeyName="tour", KeyType="ed25519")
        group = self.call("create_security_group", GroupName="tour", Description="of the tour")["GroupId"]
        self.call(
            "authorize_security_group_ingress",
            GroupId=group,
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
            ],
        )
        launched = self.call(
            "run_instances",
            ImageId=self.environment["EC2BRIDGE_DEMO_IMAGE"],
            InstanceType="t2.micro",
            MinCount=2,
            MaxCount=2,
            KeyName="tour",
            SecurityGroupIds=[group],
            Placement={"AvailabilityZone": self.environment["EC2BRIDGE_DEMO_ZONE"]},
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "tour"}]}],
        )
        ids = [instance["InstanceId"] for instance in launched["Instances"]]
        self.until(ids, "running")
        self.call("create_tags", Resources=ids[:1], Tags=[{"Key": "role", "Value": "first"}])
        tagged = self.call("describe_instances", Filters=[{"Name": "tag:role", "Values": ["first"]}])
        expect(instances(tagged)[0]["InstanceId"] == ids[0], "the tagged machine is found by its tag")
        self.call("stop_instances", InstanceIds=ids[:1])
        self.until(ids[:1], "stopped")
        self.call("terminate_instances", InstanceIds=ids)
        self.until(ids, "terminated")
        self.call("delete_security_group", GroupId=group)
        self.call("delete_key_pair", KeyName="tour")
        left = self.call("describe_key_pairs", Filters=[{"Name": "key-name", "Values": ["tour"]}])
        expect(not left["KeyPairs"], "the key pair is gone")

    def call(self, name: str, *, quiet: bool = False, **members: Any) -> dict[str, Any]:
        """Make one EC2 call, and print it with the native calls that it became."""
        started = time.perf_counter()
        answer: dict[str, Any] = getattr(self.ec2, name)(**members)
        if not quiet:
            action = "".join(part.capitalize() for part in name.split("_"))
            tell_call(action, time.perf_counter() - started, self.native)
        return answer

    def until(self, ids: list[str], state: str, seconds: float = 60) -> None:
        """Describe the machines until all are in the state, as every client does."""
        deadline = time.monotonic() + seconds
        while True:
            found = instances(self.call("describe_instances", quiet=True, InstanceIds=ids))
            states = {instance["State"]["Name"] for instance in found}
            if states == {state}:
                break
            expect(
                time.monotonic() < deadline,
                f"the machines are {state} within {seconds:g} s (they are {states})",
            )
            time.sleep(0.2)
        self.call("describe_instances", InstanceIds=ids)
        for instance in found:
            facts = (
                instance["InstanceId"],
                state,
                instance["InstanceType"],
                instance.get("PrivateIpAddress", ""),
            )
            click.echo(f"      {'  '.join(facts).rstrip()}")


def tell(exchange: Exchange, seconds: float, native: list[NativeCall]) -> None:
    """Print a call that a client made."""
    what = exchange.action if exchange.code == "ok" else f"{exchange.action}  {exchange.code}"
    tell_call(what, seconds, native)


def tell_call(what: str, seconds: float, native: list[NativeCall]) -> None:
    """Print one EC2 call, its time, and the native calls that it became with theirs."""
    click.echo(f"\n  {click.style(what, bold=True)}  {1000 * seconds:.0f} ms")
    for call in native:
        failed = f"  ({call.error.errortext})" if call.error else ""
        click.echo(f"      {call.command}  {1000 * call.seconds:.0f} ms{failed}")


def instances(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the machines of a DescribeInstances answer."""
    return [instance for reservation in answer["Reservations"] for instance in reservation["Instances"]]


def expect(held: bool, sentence: str) -> None:
    """Raise TourFailed with the sentence that did not hold."""
    if not held:
        raise TourFailed(f"it should be that {sentence}.")
