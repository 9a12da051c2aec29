"""Listing machines, and their life: start, stop, reboot, destroy, expunge, recover."""

from __future__ import annotations

from ec2bridge.simulator import machines
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.commands import nics, tags
from ec2bridge.simulator.commands import volumes as volume_commands
from ec2bridge.simulator.errors import ApiError, invalid
from ec2bridge.simulator.machine_start import power_on
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now

GONE = ("Destroyed", "Expunging")
DETAIL_NAMES = machines.GROUPS | {"all", "min"}
EXPUNGED = {"securitygroup": [], "nic": [], "affinitygroup": [], "deleteprotection": False, "tags": []}
NO_EXPUNGE = "Account does not have permission for expunging."
EXPUNGE_BY_ADMIN = (
    "Expunging a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set."
)


@command("listVirtualMachines", id="machines")
def list_machines(call: Call) -> Answer:
    if call.text("id") and call.words("ids"):
        raise invalid("Specify either id or ids but not both parameters")
    groups = _detail_groups(call)
    rows = [row for row in call.visible(call.cloud.tables["machines"]) if _sees(call, row)]
    rows = call.matching(
        rows, "zoneid", "templateid", "serviceofferingid", "hypervisor", "groupid", "userid", "name"
    )

    def render(machine: Row) -> Row:
        row = machines.show_again(call.cloud, machine, call.caller.is_admin, groups)
        if call.flag("userdata") and machine["_userdata"]:
            return {**row, "userdata": machine["_userdata"]}
        return row

    return call.page("virtualmachine", [row for row in rows if _wanted(call, row)], render)


def _detail_groups(call: Call) -> frozenset[str]:
    words = call.words("details")
    for word in words:
        if word not in DETAIL_NAMES:
            raise invalid(
                f"The details parameter contains a non permitted value. The allowed values are {DETAIL_NAMES}"
            )
    if not words or "all" in words:
        return machines.GROUPS
    return frozenset(words) & machines.GROUPS


def _sees(call: Call, machine: Row) -> bool:
    """Users see destroyed machines only where the operator lets them."""
    destroyed = machine["state"] == "Destroyed"
    return not destroyed or call.caller.is_admin or bool(call.cloud.settings["allow.user.view.destroyed.vm"])


def _wanted(call: Call, machine: Row) -> bool:
    state = call.text("state")
    if state == "Present":
        if machine["state"] in GONE:
            return False
    elif state and machine["state"] != state:
        return False
    group = call.text("securitygroupid")
    if group and group not in machine["_groups"]:
        return False
    affinity = call.text("affinitygroupid")
    if affinity and affinity not in machine["_affinitygroups"]:
        return False
    return _in_network(call, machine)


def _in_network(call: Call, machine: Row) -> bool:
    wanted, vpc = call.text("networkid"), call.text("vpcid")
    if not wanted and not vpc:
        return True
    here = [nic["networkid"] for nic in machines.nics_of(call.cloud, machine)]
    if wanted and wanted not in here:
        return False
    networks = call.cloud.tables["networks"]
    return not vpc or any((networks.get(network) or {}).get("vpcid") == vpc for network in here)


@command("listNics")
def list_nics(call: Call) -> Answer:
    machine = call.needed("virtualmachineid")
    running = machine["state"] in ("Running", "Stopping")
    wanted = [nic for nic in machines.nics_of(call.cloud, machine) if call.text("nicid") in (None, nic["id"])]
    if call.text("networkid"):
        wanted = [nic for nic in wanted if nic["networkid"] == call.text("networkid")]

    def render(nic: Row) -> Row:
        row = machines.show_nic(call.cloud, nic, running)
        if not row["secondaryip"]:
            del row["secondaryip"]
        return {**row, "virtualmachineid": machine["id"]}

    return call.page("nic", wanted, render)


# Its life


def shown(call: Call, machine: Row) -> Row:
    return {"virtualmachine": machines.show(call.cloud, machine, admin=call.caller.is_admin)}


def change(call: Call, machine: Row, **fields: object) -> None:
    call.cloud.tables["machines"].update(machine, **fields, lastupdated=now())


@command("startVirtualMachine", id="machines")
def start(call: Call) -> Answer:
    machine = call.needed("id")

    async def work() -> Row:
        if machine.get("_removed"):
            raise invalid(f"unable to find a virtual machine with id {machine['_number']}")
        if machine["state"] == "Running":
            raise invalid(f"The virtual machine {machine['id']} ({machine['name']}) is already running")
        if machine["state"] in GONE:
            raise ApiError(
                530,
                None,
                f'Unable to orchestrate the start of VM instance {{"instanceName":"{machines.instance_name(machine)}"'
                f',"uuid":"{machine["id"]}"}}.',
            )
        await power_on(call, machine)
        return shown(call, machine)

    return call.submit(work, kind="VirtualMachine", instance=machine["id"], weight=0.3)


@command("stopVirtualMachine", id="machines")
def stop(call: Call) -> Answer:
    machine = call.needed("id")

    async def work() -> Row:
        _refuse_gone(machine)
        await power_off(call, machine)
        return shown(call, machine)

    return call.submit(work, kind="VirtualMachine", instance=machine["id"], weight=0.3)


async def power_off(call: Call, machine: Row) -> None:
    if machine["state"] == "Running":
        change(call, machine, state="Stopping")
        await call.cloud.pause(0.4)
        for nic in machines.nics_of(call.cloud, machine):
            call.cloud.tables["nics"].update(nic, _released=True)
        change(call, machine, state="Stopped")


def _refuse_gone(machine: Row) -> None:
    if machine.get("_removed"):
        raise invalid(f"unable to find a virtual machine with id {machine['_number']}")


@command("rebootVirtualMachine", id="machines")
def reboot(call: Call) -> Answer:
    machine = call.needed("id")

    def work() -> Row:
        _refuse_gone(machine)
        if machine["state"] != "Running":
            raise invalid(
                f"The Instance {machine['id']} ({machine['name']}) is not running, unable to reboot it"
            )
        change(call, machine)
        return shown(call, machine)

    return call.submit(work, kind="VirtualMachine", instance=machine["id"])


@command("destroyVirtualMachine", id="machines")
def destroy(call: Call) -> Answer:
    machine = call.needed("id")
    volumes = call.entities("volumeids")
    was_gone = machine["state"] in GONE

    async def work() -> Row:
        if not was_gone and machine["state"] in GONE:
            # Another destruction was at work when this one was accepted: only one that begins after it succeeds.
            raise ApiError(530, None, "Failed to destroy vm with specified vmId")
        if machine.get("_removed"):
            raise invalid("Unable to find a virtual machine with specified vmId")
        if call.flag("expunge") and not may_expunge(call):
            raise ApiError(530, None, NO_EXPUNGE)
        _refuse_protected(machine)
        _refuse_while_copied(call, machine)
        await power_off(call, machine)
        for volume in volumes:
            volume_commands.leave_for_dead(call.cloud, volume)
        if machine["state"] not in GONE:
            _detach_data(call, machine)
            change(call, machine, state="Destroyed")
        answer = shown(call, machine)
        if call.flag("expunge"):
            await wipe(call, machine)
            # Nothing is left to show of it.
            return {"virtualmachine": dict(EXPUNGED)}
        return answer

    return call.submit(work, kind="VirtualMachine", instance=machine["id"], weight=0.3)


def _refuse_protected(machine: Row) -> None:
    if machine["deleteprotection"]:
        raise invalid(
            f"Instance [id = {machine['id']}, name = {machines.instance_name(machine)}] has delete protection enabled "
            "and cannot be deleted."
        )


def _refuse_while_copied(call: Call, machine: Row) -> None:
    roots = {v["id"] for v in machines.volumes_of(call.cloud, machine) if v["type"] == "ROOT"}
    if any(s["volumeid"] in roots and s["state"] == "BackingUp" for s in call.cloud.tables["snapshots"]):
        raise ApiError(
            530,
            None,
            "There is/are unbacked up Snapshot(s) on ROOT volume, Instance destroy is not permitted, "
            "please try again later.",
        )


def _detach_data(call: Call, machine: Row) -> None:
    """Data disks outlive their machine."""
    for volume in machines.volumes_of(call.cloud, machine):
        if volume["type"] != "ROOT":
            for key in ("virtualmachineid", "deviceid", "attached"):
                volume.pop(key, None)
            call.cloud.tables["volumes"].save(volume)


def may_expunge(call: Call) -> bool:
    return call.caller.is_admin or bool(call.cloud.settings["allow.user.expunge.recover.vm"])


@command("expungeVirtualMachine", id="machines")
def expunge(call: Call) -> Answer:
    machine = call.needed("id")
    was_removed = machine.get("_removed")

    async def work() -> Row:
        if not may_expunge(call):
            raise ApiError(530, None, EXPUNGE_BY_ADMIN)
        if was_removed:
            raise invalid("Unable to find a virtual machine with specified vmId")
        if machine.get("_removed"):
            # It was there when this was accepted: another expunction was faster.
            raise ApiError(530, None, "Failed to expunge vm with specified vmId")
        if machine["state"] not in (*GONE, "Error"):
            raise invalid("Please destroy vm with specified vmId before expunge")
        await wipe(call, machine)
        return {"success": True}

    return call.submit(work, kind="VirtualMachine", instance=machine["id"], weight=0.2)


async def wipe(call: Call, machine: Row) -> None:
    """Give back what a destroyed machine still holds: addresses, groups, name, root disk."""
    tables = call.cloud.tables
    change(call, machine, state="Expunging")
    await call.cloud.pause(0.3)
    _detach_data(call, machine)
    for volume in machines.volumes_of(call.cloud, machine):
        volume_commands.remove(call.cloud, volume)
    nics.release(call.cloud, machine)
    tags.forget(call.cloud, machine["id"])
    tables["machines"].remove(machine)


@command("recoverVirtualMachine", id="machines")
def recover(call: Call) -> Answer:
    machine = call.needed("id")
    if not may_expunge(call):
        text = "Recovering a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set."
        raise ApiError(531, 4365, text)
    if machine.get("_removed"):
        raise invalid(f"unable to find a virtual machine with id {machine['_number']}")
    if machine["state"] != "Destroyed":
        raise invalid(f"Vm with id {machine['id']} is not in the right state")
    call.limit("user_vm")
    change(call, machine, state="Stopped")
    row = shown(call, machine)["virtualmachine"]
    return {"virtualmachine": {**row, "instancename": machines.instance_name(machine), "arch": "x86_64"}}
