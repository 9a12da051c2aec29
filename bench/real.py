"""`make bench ARGS="--cloudstack-url URL --keys FILE"`: what the bridge adds in front of your own management server.

A bridge is started in front of it, with one user's keys. The same client asks the bridge and CloudStack in turns:
listings of one machine and of many, launches of one and of many, and the first use of the key. What CloudStack is asked
beside the bridge are the very calls that the bridge makes. All that was made is taken away at the end, also after
Ctrl-C: machines are known by the run's name, in their own names and in the launches' tokens.
"""

import argparse
import configparser
import contextlib
import json
import re
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import limits, progress
from bench.limits import Limit
from bench.progress import doing
from bench.servers import METRICS, REGION, Server, Target, native, process, signed
from ec2bridge.ids import ec2_id

Row = dict[str, Any]

DETAILS = "nics,secgrp,tmpl,servoff,affgrp"
"""What the bridge has listVirtualMachines tell."""
STARTS = 3
PATIENCE = 900.0
"""Seconds that machines may take to run, or to be gone."""
POLL = 0.05
_LIVING = ("Starting", "Running", "Stopping", "Stopped", "Migrating")
_CALLS = re.compile(r'^ec2bridge_cloudstack_seconds_(count|sum)\{command="(\w+)"[^}]*\} (\S+)$', re.MULTILINE)


class CloudStack:
    """The management server, asked with one user's keys."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.url, self.keys = url, (key, secret)
        self.target = Target(Server("CloudStack", None, url), urlsplit(url).path)

    def prepared(self, command: str, **params: str) -> Callable[[], bytes]:
        """Return what sends one call again and again."""
        return partial(self.target.send, *native(*self.keys, command, **params))

    def call(self, command: str, **params: str) -> Row:
        """Return the answer to one call."""
        answer: Row = next(iter(json.loads(self.prepared(command, **params)()).values()))
        return answer

    def rows(self, command: str, **params: str) -> list[Row]:
        """Return the rows of a listing."""
        return next((value for value in self.call(command, **params).values() if isinstance(value, list)), [])


class Bridge:
    """The bridge in front of it, asked with the same keys."""

    def __init__(self, server: Server, keys: tuple[str, str]) -> None:
        self.server, self.keys = server, keys
        self.target = Target(server)

    def prepared(self, action: str, **form: str) -> Callable[[], bytes]:
        """Return what sends one request again and again."""
        body, headers = signed(self.server.url + "/", *self.keys, Action=action, **form)
        return partial(self.target.send, body, headers)

    def ask(self, action: str, **form: str) -> str:
        """Return the answer to one request."""
        return self.prepared(action, **form)().decode()

    def native_calls(self) -> dict[str, tuple[float, float]]:
        """Return command → how often CloudStack was asked, and how long that took."""
        page = Target(Server("metrics", None, f"http://{METRICS}"), "/metrics").get().decode()
        found: dict[str, dict[str, float]] = {}
        for what, command, value in _CALLS.findall(page):
            sums = found.setdefault(command, {"count": 0.0, "sum": 0.0})
            sums[what] += float(value)
        return {command: (sums["count"], sums["sum"]) for command, sums in found.items() if sums["count"]}


@dataclass(frozen=True, slots=True)
class Ground:
    """What is launched, and where; both APIs are told the same."""

    zone: Row
    template: Row
    offering: Row
    network: Row | None

    @property
    def form(self) -> dict[str, str]:
        """Members of RunInstances."""
        kind = {"ImageId": ec2_id("ami", self.template["id"]), "InstanceType": self.offering["id"]}
        if self.network:
            return {**kind, "SubnetId": ec2_id("subnet", self.network["id"])}
        return {**kind, "Placement.AvailabilityZone": self.zone["name"]}

    @property
    def params(self) -> dict[str, str]:
        """Parameters of deployVirtualMachine."""
        found = {"zoneid": self.zone, "templateid": self.template, "serviceofferingid": self.offering}
        params = {name: str(row["id"]) for name, row in found.items()}
        return {**params, "networkids": self.network["id"]} if self.network else params

    def __str__(self) -> str:
        network = f", network {self.network['name']}" if self.network else ""
        return f"zone {self.zone['name']}, template {self.template['name']}, offering {self.offering['name']}{network}"


@dataclass(slots=True)
class Waits:
    """Milliseconds of one kind of work."""

    walls: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Time one more."""
        started = time.perf_counter()
        yield
        self.walls.append(1000 * (time.perf_counter() - started))

    @property
    def p50(self) -> float:
        return statistics.median(self.walls)

    @property
    def p99(self) -> float:
        return sorted(self.walls)[int(len(self.walls) * 0.99)]


class Run:
    """One run: what it makes it takes away."""

    def __init__(self, cloud: CloudStack, bridge: Bridge, ground: Ground, report: "Report") -> None:
        self.cloud, self.bridge, self.ground, self.report = cloud, bridge, ground, report
        self.name = f"bench-{uuid.uuid4().hex[:8]}"
        self.number = 0

    def launch(self, count: int) -> list[str]:
        """RunInstances; returns the ids."""
        self.number += 1
        with uninterrupted():
            told = self.bridge.ask(
                "RunInstances",
                **self.ground.form,
                MinCount=str(count),
                MaxCount=str(count),
                ClientToken=f"{self.name}-{self.number}",
            )
        return re.findall(r"<instanceId>(i-[0-9a-f]+)</instanceId>", told)

    def deploy(self) -> str:
        """deployVirtualMachine; returns the uuid."""
        self.number += 1
        name = f"{self.name}-{self.number}"
        with uninterrupted():
            return str(self.cloud.call("deployVirtualMachine", **self.ground.params, name=name)["id"])

    def machines(self) -> list[Row]:
        """Return the machines of this run that CloudStack lists, however they were launched."""
        told = self.bridge.ask(
            "DescribeInstances", **{"Filter.1.Name": "client-token", "Filter.1.Value.1": f"{self.name}-*"}
        )
        launched = set(re.findall(r"<instanceId>(i-[0-9a-f]+)</instanceId>", told))
        rows = self.cloud.rows("listVirtualMachines", details="min")
        return [
            row
            for row in rows
            if row["state"] not in ("Destroyed", "Expunging")
            and (row["name"].startswith(self.name) or ec2_id("i", row["id"]) in launched)
        ]

    def running(self, uuids: set[str]) -> None:
        """Wait until CloudStack says of all of them that they run."""
        one = {"id": next(iter(uuids))} if len(uuids) == 1 else {}
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            rows = self.cloud.rows("listVirtualMachines", details="min", **one)
            states = {row["id"]: row["state"] for row in rows if row["id"] in uuids}
            if broken := [uuid for uuid in uuids if states.get(uuid) not in _LIVING]:
                raise SystemExit(f"{len(broken)} machines failed: {states.get(broken[0], 'gone')}")
            if all(state == "Running" for state in states.values()):
                return
            time.sleep(POLL)
        raise SystemExit(f"After {PATIENCE:.0f} s {len(uuids)} machines do not run yet.")

    def uuids(self, ids: list[str]) -> set[str]:
        """Return CloudStack's ids of instances."""
        rows = self.cloud.rows("listVirtualMachines", details="min")
        return {row["id"] for row in rows if ec2_id("i", row["id"]) in ids}

    def take_away(self) -> None:
        """Terminate what this run has launched, through the bridge: it expunges where the user may not."""
        ends = time.monotonic() + PATIENCE
        while left := self.machines():
            if time.monotonic() > ends:
                raise SystemExit(f"{len(left)} machines of {self.name} are still there: {left[0]['name']} …")
            going = [ec2_id("i", row["id"]) for row in left if row["state"] != "Stopping"]
            if going:
                form = {f"InstanceId.{number}": ident for number, ident in enumerate(going, 1)}
                self.bridge.ask("TerminateInstances", **form)
            time.sleep(0.5)

    def listings(self, machines: int, polls: int) -> None:
        """Measure DescribeInstances beside the calls that it rests on."""
        page = {"page": "1", "pagesize": "500"}
        works = {
            "DescribeInstances": self.bridge.prepared("DescribeInstances"),
            "listVirtualMachines": self.cloud.prepared("listVirtualMachines", details=DETAILS, **page),
            "listVolumes": self.cloud.prepared("listVolumes", **page),
            "listVirtualMachines without details=": self.cloud.prepared("listVirtualMachines", **page),
        }
        waits = in_turns(works, polls)
        asked = waits.pop("DescribeInstances")
        shown = len(re.findall(rb"<item><instanceId>i-", works["DescribeInstances"]()))
        name = f"DescribeInstances, {machines}" + (f" ({shown} shown)" if shown != machines else "")
        slower = max(waits["listVirtualMachines"].p50, waits["listVolumes"].p50)
        for beside, other in waits.items():
            self.report.add(name, asked, beside, other)
        self.report.limits.append(
            Limit(f"{name}, p50, to the slower of its native calls", asked.p50 / slower, 1.05)
        )

    def launches(self, machines: int, polls: int, rounds: int) -> None:
        """Measure launches and listings of one machine, of many, and again of one beside one by CloudStack."""
        doing("launching one machine, and listing it")
        self.running(self.uuids(self.launch(1)))
        self.listings(1, polls)
        self.take_away()
        doing(f"launching {machines} machines, and listing them")
        answered, until = Waits(), Waits()
        with until.one():
            with answered.one():
                ids = self.launch(machines)
            self.running(self.uuids(ids))
        self.listings(machines, polls)
        doing(f"taking {machines} machines away")
        self.take_away()
        doing(f"launching one machine {rounds} times, by either API")
        ours, ours_until, theirs, theirs_until = Waits(), Waits(), Waits(), Waits()
        for _ in range(rounds):
            with theirs_until.one():
                with theirs.one():
                    made = self.deploy()
                self.running({made})
            with ours_until.one():
                with ours.one():
                    ids = self.launch(1)
                self.running(self.uuids(ids))
        doing("taking them away")
        self.take_away()
        one, many = "RunInstances, 1", f"RunInstances, {machines}"
        turns = f"deployVirtualMachine, {machines} in turn (from {rounds})"
        in_turn, in_turn_until = (
            Waits([machines * sum(waits.walls) / rounds]) for waits in (theirs, theirs_until)
        )
        self.report.add(one, ours, "deployVirtualMachine", theirs)
        self.report.add(f"{one}, until it runs", ours_until, "deployVirtualMachine", theirs_until)
        self.report.add(many, answered, turns, in_turn)
        self.report.add(f"{many}, until all run", until, turns, in_turn_until)
        self.report.limits += [
            Limit("RunInstances of one, p50, to deployVirtualMachine", ours.p50 / theirs.p50, 1.05),
            Limit("the same until the machine runs", ours_until.p50 / theirs_until.p50, 1.05),
            Limit(f"RunInstances of {machines} to {machines} deployments in turn, until they run",
                  until.p50 / in_turn_until.p50, 0.25),
        ]  # fmt: skip


@dataclass(slots=True)
class Report:
    """The tables."""

    lines: list[str] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    def add(self, what: str, waits: Waits, beside: str, other: Waits) -> None:
        """One more line."""
        self.lines.append(
            f"| {what} | {waits.p50:.0f} | {waits.p99:.0f} | {beside} | {other.p50:.0f} | {other.p99:.0f} "
            f"| {waits.p50 / other.p50:.2f} |"
        )

    def __str__(self) -> str:
        head = "| request | p50 ms | p99 ms | beside | p50 ms | p99 ms | ratio of p50 |"
        return "\n".join([head, "| --- | ---: | ---: | --- | ---: | ---: | ---: |", *self.lines])


def in_turns(works: dict[str, Callable[[], bytes]], times: int) -> dict[str, Waits]:
    """Have each done so many times, one after the other, after a warm-up."""
    waits = {what: Waits() for what in works}
    for work in works.values():
        work()
    for _ in range(times):
        for what, work in works.items():
            with waits[what].one():
                work()
    return waits


def chosen(what: str, rows: list[Row], named: str | None) -> Row:
    """Return the row that is named, or the only one there is."""
    found = [row for row in rows if named is None or named in (row["id"], row["name"])]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(row["name"] for row in rows)) or "none"
    word = (
        f"there is no {what} {named!r}" if named is not None and not found else f"there are several {what}s"
    )
    raise SystemExit(
        f"{word if rows else f'there is no {what}'}: name one with --{what} (there are: {names})"
    )


def ground_of(cloud: CloudStack, options: argparse.Namespace) -> Ground:
    """Find zone, template, offering and network, each by itself where there is but one."""
    zone = chosen("zone", cloud.rows("listZones", available="true"), options.zone)
    ready = cloud.rows("listTemplates", templatefilter="executable", zoneid=zone["id"])
    template = chosen("template", [row for row in ready if row.get("isready")], options.template)
    offerings = [
        row for row in cloud.rows("listServiceOfferings", zoneid=zone["id"]) if not row.get("iscustomized")
    ]
    offering = chosen("offering", offerings, options.offering)
    if zone["networktype"] == "Basic":
        return Ground(zone, template, offering, None)
    networks = cloud.rows("listNetworks", zoneid=zone["id"], canusefordeploy="true")
    return Ground(zone, template, offering, chosen("network", networks, options.network))


def profile(file: Path, name: str | None) -> tuple[str, str]:
    """Return the keys of one section of a file such as ~/.cloudstack.ini; the only one, if none is named."""
    parser = configparser.ConfigParser(interpolation=None)
    if not parser.read(file):
        raise SystemExit(f"{file} cannot be read")
    keys = {
        section: (key, secret)
        for section in parser.sections()
        if (key := parser[section].get("key") or parser[section].get("apikey"))
        and (secret := parser[section].get("secret") or parser[section].get("secretkey"))
    }
    if name is None and len(keys) == 1:
        return next(iter(keys.values()))
    if name not in keys:
        raise SystemExit(f"{file}: choose a section with --profile (there are: {', '.join(keys) or 'none'})")
    return keys[name]


def settings(options: argparse.Namespace, folder: Path) -> dict[str, str]:
    """Return the environment of the bridge: with a look-up account where one is named, else with the file alone."""
    found = {
        "EC2BRIDGE_CLOUDSTACK_URL": options.cloudstack_url,
        "EC2BRIDGE_REGION": REGION,
        "EC2BRIDGE_LISTEN": "127.0.0.1:0",
        "EC2BRIDGE_STORE": str(folder / "bridge.sqlite"),
        "EC2BRIDGE_LOG_LEVEL": "WARNING",
        "EC2BRIDGE_METRICS_LISTEN": METRICS,
    }
    if options.look_up is None:
        return {**found, "EC2BRIDGE_CREDENTIALS_FILE": str(options.keys)}
    key, secret = profile(options.keys, options.look_up)
    return {**found, "EC2BRIDGE_SERVICE_API_KEY": key, "EC2BRIDGE_SERVICE_SECRET_KEY": secret}


def started(environment: dict[str, str]) -> contextlib.AbstractContextManager[Server]:
    """Start a bridge."""
    return process("bridge", [sys.executable, "-m", "ec2bridge", "serve"], r"at (http\S+)", **environment)


def first_use(environment: dict[str, str], keys: tuple[str, str], other: tuple[str, str]) -> str:
    """Measure a key's first request to bridges that have answered another's, and say what CloudStack was asked."""
    first, second, calls = Waits(), Waits(), dict[str, tuple[float, float]]()
    for _ in range(STARTS):
        with started(environment) as server:
            bridge = Bridge(server, keys)
            with contextlib.suppress(SystemExit):  # what any first request brings: the models of EC2's API
                Bridge(server, other).ask("DescribeRegions")
            before = bridge.native_calls()
            for waits in (first, second):
                with waits.one():
                    bridge.ask("DescribeRegions")
            calls = {
                command: (count - before.get(command, (0, 0))[0], spent - before.get(command, (0, 0))[1])
                for command, (count, spent) in bridge.native_calls().items()
            }
    asked = ", ".join(
        f"{count:.0f} {command} of {1000 * spent / count:.0f} ms"
        for command, (count, spent) in calls.items()
        if count
    )
    return (
        f"The first use of a key: DescribeRegions in {first.p50:.0f} ms, the second in {second.p50:.1f} ms"
        f" (medians of {STARTS} bridges). CloudStack was asked for: {asked or 'nothing'}."
    )


def interrupted(*_: Any) -> None:
    """End the run as Ctrl-C does, so that all is taken away."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until a launch is answered: one of which nobody knows could not be taken away."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def run(options: argparse.Namespace) -> int:
    """Measure, take away, and print; 1 if a ratio does not hold."""
    signal.signal(signal.SIGTERM, interrupted)
    progress.expect(7)
    keys = profile(options.keys, options.profile)
    cloud = CloudStack(options.cloudstack_url, *keys)
    ground = ground_of(cloud, options)
    print(f"{options.cloudstack_url}: {ground}\n", flush=True)
    with contextlib.ExitStack() as stack:
        environment = settings(options, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        doing("the first use of a key")
        other = profile(options.keys, options.look_up) if options.look_up else ("made-up", "made-up")
        used = first_use(environment, keys, other)
        bridge = Bridge(stack.enter_context(started(environment)), keys)
        report = Report()
        here = Run(cloud, bridge, ground, report)
        try:
            here.launches(options.machines, options.polls, options.rounds)
        finally:
            # A second Ctrl-C is not to leave machines behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            doing(f"looking for what is left of {here.name}")
            # A connection on which an answer was waited for is of no use any more.
            here.cloud, here.bridge = CloudStack(cloud.url, *keys), Bridge(bridge.server, keys)
            here.take_away()
    print(f"{report}\n\n{used}\n\n{limits.table(report.limits)}")
    return int(not all(limit.holds for limit in report.limits))
