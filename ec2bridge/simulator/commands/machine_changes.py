"""Changing machines: names, details, groups, sizes, keys, passwords, user data."""

from __future__ import annotations

from ec2bridge.simulator import machines
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.commands import security_groups
from ec2bridge.simulator.commands.deploy import (
    check_name,
    check_user_data,
    custom_size,
    key_details,
    key_pairs,
    name_taken,
    taken_names,
)
from ec2bridge.simulator.commands.machines import change, shown
from ec2bridge.simulator.errors import ApiError, invalid
from ec2bridge.simulator.passwords import password_enabled, set_password
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

NOTHING_KEPT = (
    "No password found for Instance [{}]. When the Instance's SSH keypair is changed, the current encrypted password "
    "is removed due to inconsistency in the encryption, as the new SSH keypair is different from which the password "
    "was encrypted. To get a new password, it must be reseted."
)


def _refuse_removed(machine: Row) -> None:
    if machine.get("_removed"):
        raise invalid(f"Unable to find virtual machine with id {machine['_number']}")


@command("updateVirtualMachine", id="machines")
def update(call: Call) -> Answer:
    machine = call.needed("id")
    _refuse_removed(machine)
    check_name(call)
    check_user_data(call)
    fields: Row = {**_names(call, machine), **_switches(call), **_new_details(call, machine)}
    if call.text("securitygroupids") or call.text("securitygroupnames"):
        fields["_groups"] = _new_groups(call, machine)
    call.cloud.tables["machines"].update(machine, **fields)
    return shown(call, machine)


def _names(call: Call, machine: Row) -> Row:
    fields: Row = {}
    name = call.text("name")
    if name is not None:
        for nic in machines.nics_of(call.cloud, machine):
            network = call.cloud.tables["networks"].get(nic["networkid"])
            if network is not None and name.lower() in taken_names(call, network, but=machine["id"]):
                raise name_taken(name, network)
        fields.update(name=name, displayname=name)
    if call.text("displayname"):
        fields["displayname"] = call.text("displayname")
    return fields


def _switches(call: Call) -> Row:
    fields: Row = {}
    if call.text("deleteprotection") is not None:
        fields["deleteprotection"] = call.flag("deleteprotection")
    if call.text("haenable") is not None:
        fields["haenable"] = call.flag("haenable")
    if call.text("userdata") is not None:
        fields["_userdata"] = call.text("userdata")
    os_type = call.entity("ostypeid")
    if os_type is not None:
        fields.update(ostypeid=os_type["id"], osdisplayname=os_type["name"])
    return fields


def _new_details(call: Call, machine: Row) -> Row:
    """New details replace all the old ones, the key pair's name with them."""
    if call.flag("cleanupdetails"):
        return {"details": {}, "keypairs": ""}
    details = call.details()
    if not details:
        return {}
    if machine["_custom"] and "cpunumber" not in {key.lower() for key in details}:
        raise call.internal(
            'Cannot invoke "String.equals(Object)" because the return value of "java.util.Map.get(Object)" is null'
        )
    return {"details": details, "keypairs": details.get("SSH.KeyPairNames", "")}


def _new_groups(call: Call, machine: Row) -> list[str]:
    if machine["state"] != "Stopped":
        raise call.internal(
            f"Virtual machine must be stopped prior to update security groups {machine['id']}"
        )
    names = call.words("securitygroupnames")
    groups = call.entities("securitygroupids") or security_groups.by_names(call, names)
    return [group["id"] for group in groups]


# Size


def _resize(call: Call, machine: Row) -> None:
    offering = call.needed("serviceofferingid")
    if machine["serviceofferingid"] == offering["id"] and not offering["iscustomized"]:
        raise invalid(
            f"Not upgrading vm {machines.label(machine)} since it already has the requested service offering "
            f"({offering['name']})"
        )
    if machine["state"] == "Running":
        raise ApiError(
            530,
            None,
            f"Unable to scale {machines.label(machine)} as it does not have tools to support dynamic scaling.",
        )
    if machine["state"] != "Stopped":
        raise invalid(
            f"Unable to upgrade virtual machine {machines.label(machine)} in state {machine['state']}"
        )
    size = {key: offering.get(key) for key in ("cpunumber", "cpuspeed", "memory")}
    details = machine["details"]
    if offering["iscustomized"]:
        size = custom_size(call.details(), offering)
        details = {**details, **call.details()}
    change(
        call,
        machine,
        serviceofferingid=offering["id"],
        serviceofferingname=offering["name"],
        details=details,
        _custom=offering["iscustomized"],
        **size,
    )


@command("scaleVirtualMachine", id="machines")
def scale(call: Call) -> Answer:
    machine = call.needed("id")

    def work() -> Row:
        _resize(call, machine)
        return shown(call, machine)

    return call.submit(work, kind="VirtualMachine", instance=machine["id"])


@command("changeServiceForVirtualMachine", id="machines")
def change_service(call: Call) -> Answer:
    machine = call.needed("id")
    _resize(call, machine)
    return shown(call, machine)


# Keys and passwords


def _refuse_running(machine: Row, what: str) -> None:
    if machine["state"] != "Stopped":
        raise invalid(f"Vm {machines.label(machine)} should be stopped to do {what} reset")


@command("resetSSHKeyForVirtualMachine", id="machines")
def reset_key(call: Call) -> Answer:
    machine = call.needed("id")

    def work() -> Row:
        pairs = key_pairs(call)
        _refuse_running(machine, "SSH Key")
        details = {**machine["details"], **key_details(pairs)}
        names = ",".join(pair["name"] for pair in pairs)
        change(call, machine, details=details, keypairs=names)
        call.cloud.tables["machines"].update(machine, _password=None)
        return shown(call, machine)

    return call.submit(work, kind="VirtualMachine", instance=machine["id"])


@command("resetPasswordForVirtualMachine", id="machines")
def reset_password(call: Call) -> Answer:
    machine = call.needed("id")

    def work() -> Row:
        if not password_enabled(call, machine):
            raise invalid("Fail to reset password for the Instance, the Template is not password enabled")
        _refuse_running(machine, "password")
        password = set_password(call, machine, chosen=call.text("password"))
        answer = shown(call, machine)
        answer["virtualmachine"]["password"] = password
        return answer

    return call.submit(work, kind="VirtualMachine", instance=machine["id"])


@command("getVMPassword", id="machines")
def get_password(call: Call) -> Answer:
    machine = call.needed("id")
    if not machine.get("_password"):
        raise invalid(NOTHING_KEPT.format(machines.label(machine)))
    return {"password": {"encryptedpassword": machine["_password"]}}


# User data and affinity


@command("getVirtualMachineUserData")
def get_user_data(call: Call) -> Answer:
    machine = call.needed("virtualmachineid")
    _refuse_removed(machine)
    document = {"userdata": machine["_userdata"]} if machine["_userdata"] else {}
    return {"virtualmachineuserdata": {"virtualmachineid": machine["id"], **document}}


@command("resetUserDataForVirtualMachine", id="machines")
def reset_user_data(call: Call) -> Answer:
    machine = call.needed("id")
    _refuse_running(machine, "UserData")
    check_user_data(call)
    call.cloud.tables["machines"].update(machine, _userdata=call.text("userdata"))
    return shown(call, machine)


@command("updateVMAffinityGroup", id="machines")
def update_affinity(call: Call) -> Answer:
    machine = call.needed("id")
    groups = call.entities("affinitygroupids")
    names = call.words("affinitygroupnames")
    found = [call.cloud.tables["affinitygroups"].first(name=name, **call.owner()) for name in names]
    if None in found:
        raise invalid("Unable to find group by name " + names[found.index(None)])

    def work() -> Row:
        if machine["state"] != "Stopped":
            raise invalid(
                f"Unable update affinity groups of the virtual machine {machines.label(machine)} in state "
                f"{machine['state']}; make sure the virtual machine is stopped"
            )
        ids = [group["id"] for group in [*groups, *found] if group]
        call.cloud.tables["machines"].update(machine, _affinitygroups=ids)
        return shown(call, machine)

    return call.submit(work, kind="VirtualMachine", instance=machine["id"])


@command("restoreVirtualMachine")
def restore(call: Call) -> Answer:
    machine = call.needed("virtualmachineid")

    def work() -> Row:
        if machine["state"] not in ("Running", "Stopped"):
            raise invalid(f"Vm {machines.label(machine)} is not in a state that can be restored")
        if not machines.volumes_of(call.cloud, machine):
            raise ApiError(530, None, "Index 0 out of bounds for length 0")
        change(call, machine)
        return shown(call, machine)

    return call.submit(work, kind="VirtualMachine", instance=machine["id"])


@command("listInstanceGroups", id="instancegroups")
def list_groups(call: Call) -> Answer:
    rows = call.matching(call.visible(call.cloud.tables["instancegroups"]), "name")
    return call.page("instancegroup", [{**row, "hasannotations": False} for row in rows])
