"""`ec2bridge explain`: what a request would become, told without making it.

The action itself runs, with the caller's keys, on a copy of the store, and with an account that lets reads through,
writes down the first change and goes no further: what is told is what would be done. A launch is told to its end, from
the plan that RunInstances makes.
"""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ec2bridge import store_files
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.calls import SECRETS, collect_calls
from ec2bridge.cloudstack.errors import CloudStackError, to_ec2
from ec2bridge.cloudstack.params import flatten
from ec2bridge.config import Settings, SettingsError
from ec2bridge.ec2 import registry, releases
from ec2bridge.ec2.context import READS, Context, DryRunAccount, DryRunReached
from ec2bridge.ec2.own_store import OwnStore
from ec2bridge.errors import Ec2Error
from ec2bridge.operator.standing import context, credentials, reached, standing
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.launches import launch_templates
from ec2bridge.resources.launches.deploy import scope
from ec2bridge.resources.launches.leases import lease
from ec2bridge.resources.launches.network import secondary_addresses
from ec2bridge.resources.launches.plan import DEFAULT_TYPE, Launch, plan
from ec2bridge.resources.tags import resource_tags
from ec2bridge.store import StoreError
from ec2bridge.wire import parse
from ec2bridge.wire.command_line import Form
from ec2bridge.wire.model import Operation

Row = dict[str, Any]

SQLITE_FILE = "store.sqlite"


@dataclass(slots=True)
class Explanation:
    """What a request would become."""

    action: str
    decided: dict[str, str] = field(default_factory=dict)
    """What was decided, by what it is: the offering, the network, the zone."""
    reads: list[str] = field(default_factory=list)
    """The commands that were asked meanwhile."""
    changes: list[Row] = field(default_factory=list)
    """`command` and `params` of each change, in order; `times` where it is made several times."""
    later: list[str] = field(default_factory=list)
    """Commands that may follow, whose parameters rest on what the changes before them answer."""
    needs: list[str] = field(default_factory=list)
    """The releases of CloudStack that parts of the request need."""
    error: dict[str, str] = field(default_factory=dict)
    """`code`, `message` of the refusal, if it would be refused."""

    def as_dict(self) -> Row:
        """Return the explanation as JSON shows it."""
        names = ("action", "decided", "reads", "changes", "later", "needs", "error")
        return {name: value for name in names if (value := getattr(self, name))}

    def lines(self) -> list[str]:
        """Return the explanation for a terminal."""
        told = [self.action]
        width = max(map(len, self.decided), default=0)
        told += [f"  {name:<{width}}  {value}" for name, value in self.decided.items()]
        told += [f"  needs {need}" for need in self.needs]
        if self.reads:
            told.append(f"  asks CloudStack: {', '.join(dict.fromkeys(self.reads))}")
        for change in self.changes:
            times = f"  (× {change['times']})" if change.get("times", 1) != 1 else ""
            told.append(f"  would call {change['command']}{times}")
            told += [f"      {name} = {value}" for name, value in change["params"].items()]
        if self.later:
            told.append(f"  and then, with what that answers: {', '.join(self.later)}")
        if self.error:
            told.append(f"  would be refused: {self.error['code']}: {self.error['message']}")
        elif not self.changes:
            told.append("  would change nothing")
        return told


@dataclass(slots=True)
class Telling(DryRunAccount):
    """The caller's account, which lets reads through, writes down the first change and ends the action there."""

    told: list[Row] = field(default_factory=list)

    async def call(self, command: str, **params: Any) -> Row:
        if command.startswith(READS):
            return await self.real.call(command, **params)
        return self._tell(command, params)

    async def submit(self, command: str, **params: Any) -> Row:
        return self._tell(command, params)

    async def job(self, command: str, **params: Any) -> Row:
        params.pop("timeout", None)
        return self._tell(command, params)

    def _tell(self, command: str, params: Row) -> Row:
        self.told.append({"command": command, "params": shown(params)})
        raise DryRunReached


def shown(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a call as they go over the wire, without what is secret."""
    flat = flatten(params)
    return {name: f"({len(value)} characters)" if name in SECRETS else value for name, value in flat.items()}


async def explain(settings: Settings, access_key: str, op: Operation, form: Form) -> Explanation:
    """Say what a request would become if that key's owner sent it; raises SettingsError when nothing can be said."""
    registry.load()
    told = Explanation(op.name)
    entry = registry.find(op.name)
    if entry is None:
        raise SettingsError(f"{op.name} is not served: `ec2bridge explain {op.name}` says why.")
    try:
        request = parse.parse(op, form)
        registry.check_members(entry, request, lenient=(lambda _: None) if settings.lenient else None)
    except Ec2Error as error:
        return _refused(told, error)
    told.needs = [
        f"CloudStack {need.since} for {need.what}"
        for need in releases.needed_by(op.name)
        if not (members := need.actions[op.name]) or any(member in request for member in members)
    ]
    async with (
        _copied(settings) as copied,
        reached(copied) as cloud,
        standing(copied, cloud, store=True) as bridge,
    ):
        who = await credentials(bridge, access_key)
        try:
            with collect_calls() as calls:
                ctx = await context(bridge, who, op.name, request)
                account = Telling(ctx.account.real)
                ctx.account, ctx.store = account, OwnStore(bridge.site.store, ctx.identity)
                await _told(told, ctx, entry, request)
        except CloudStackError as error:
            return _refused(told, await to_ec2(error, Account(cloud, who), bridge.site.mappings.errors))
        except Ec2Error as error:
            return _refused(told, error)
        finally:
            told.reads = [call.command for call in calls if call.command.startswith(READS)]
    return told


def _refused(told: Explanation, error: Ec2Error) -> Explanation:
    told.error = {"code": error.code, "message": error.message}
    return told


async def _told(told: Explanation, ctx: Context, entry: registry.Action, request: Row) -> None:
    denied = [command for command in entry.native if not await ctx.account.may_call(command)]
    if denied:
        raise Ec2Error("UnauthorizedOperation", f"The user's role may not call {', '.join(denied)}.")
    try:
        if entry.name == "RunInstances":
            await _launch(told, ctx, request)
            return
        await entry.handler(ctx, request)
    except DryRunReached:
        pass
    told.changes += ctx.account.told
    made = {change["command"] for change in told.changes}
    if made:
        told.later = [
            command for command in entry.native if not command.startswith(READS) and command not in made
        ]


async def _launch(told: Explanation, ctx: Context, request: Row) -> None:
    """Tell a launch to its end."""
    request, _ = await launch_templates.applied(ctx, request)
    launch = await plan(ctx, request)
    launch.params |= await lease(ctx, request)
    told.decided = await _decisions(ctx, request, launch)
    calls = told.changes
    public = launch.nics.public

    def add(command: str, params: Mapping[str, Any], times: int = launch.most) -> None:
        calls.append({"command": command, "params": shown(params), "times": times})

    if public:
        add("associateIpAddress", scope(launch))
    named = {"name": f"{launch.stem}-…", "details": launch.details}
    add("deployVirtualMachine", {**named, **launch.params, **launch.nics.params()})
    marks = {resource_tags.RESERVED + name: value for name, value in launch.marks.items()}
    if tags := {**launch.tags["instance"], **marks}:
        pairs = [{"key": key, "value": value} for key, value in tags.items()]
        add("createTags", {"resourcetype": "UserVm", "tags": pairs}, 1)
    if launch.protect:
        add("updateVirtualMachine", {"deleteprotection": True})
    if public:
        add("enableStaticNat", {"ipaddressid": "(the address)", "virtualmachineid": "(the machine)"})
    for wanted in launch.nics.wanted:
        for address in secondary_addresses(wanted):
            add("addIpToNic", {"ipaddress": address})
    for volume in launch.disks.extra:
        add("createVolume", {"zoneid": launch.zone.uuid, **volume["params"]})
        add("attachVolume", {"deviceid": volume.get("number")})
    if launch.groups and public:
        told.later.append("createFirewallRule for each rule of the groups")
    if tiers.vpcs_of(launch.nics.rows) and ctx.settings.enforce_groups_in_vpcs:
        told.later.append("createNetworkACL for the rules of the groups, where the tier has none yet")


async def _decisions(ctx: Context, request: Row, launch: Launch) -> dict[str, str]:
    offering, custom = launch.params["serviceofferingid"], launch.details
    rows = await ctx.account.list("listServiceOfferings", id=offering)
    size: Row = {name: custom[name] for name in ("cpuNumber", "memory", "cpuSpeed") if name in custom}
    name = rows[0]["name"] if rows else offering
    chosen = f"{name} ({offering}){f', customised: {_listed(size)}' if size else ''}"
    nets = [f"{row.get('name')} ({row['id']}, {row.get('cidr')})" for row in launch.nics.rows]
    return {
        "instance type": f"{request.get('InstanceType') or DEFAULT_TYPE} is the offering {chosen}",
        "zone": f"{launch.zone.name} is {launch.zone.native_name} ({launch.zone.uuid})",
        "network": "; ".join(nets) or "the zone's own",
        "image": f"{request['ImageId']} is the template {launch.params['templateid']}",
        "public address": "one is acquired and mapped by static NAT"
        if launch.nics.public
        else "none is acquired",
        "machines": f"{launch.least} to {launch.most}" if launch.least < launch.most else str(launch.most),
    }


def _listed(values: Row) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


@asynccontextmanager
async def _copied(settings: Settings) -> AsyncIterator[Settings]:
    """Yield the settings with a copy of the store, as of now: an action may write to it what it likes."""
    try:
        file = store_files.file_of(settings.store)
    except StoreError:
        # In memory, or in PostgreSQL: what lies there is not seen, and is not needed but for what only the store has.
        yield settings.model_copy(update={"store": "memory"})
        return
    if not file.exists():
        yield settings.model_copy(update={"store": "memory"})
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / SQLITE_FILE
        try:
            store_files.backup(file, copy)
        except StoreError as error:
            raise SettingsError(str(error)) from None
        yield settings.model_copy(update={"store": str(copy)})
