"""The recorded calls, and how an answer is held against the recorded one.

Ids differ from run to run, so they are paired as they appear: the recorded answer and the simulator's are walked side
by side. What a clock or a statistics collector decides is left out; everything else counts, extra fields too.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

from ec2bridge.simulator.machines import STATS
from ec2bridge.simulator.seed import AccountSeed, Seed, load_facts

TESTS = Path(__file__).parent.parent
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBER = re.compile(r"(?<![\w.\-])\d+(?![\w.])|(?<=\bi-\d-)\d+|(?<=\bi-)\d+(?=-)|(?<=_)\d{14}\b")
# A template's unique name is made from its owner and a random part.
UNIQUE_NAME = re.compile(r'"uniqueName":"[^"]*"')
# Values that a collector adds some time after the machine has started.
COLLECTED = frozenset(STATS)
# Fields whose values are compared too: they are what a client decides by.
TELLING = frozenset(
    (
        "acltype",
        "action",
        "allocationstate",
        "cidr",
        "cidrlist",
        "cpunumber",
        "deleteprotection",
        "destroyed",
        "deviceid",
        "egressdefaultpolicy",
        "endport",
        "format",
        "forvpc",
        "icmpcode",
        "icmptype",
        "intervaltype",
        "isdefault",
        "isfeatured",
        "ispublic",
        "isready",
        "issourcenat",
        "isstaticnat",
        "jobinstancetype",
        "jobresultcode",
        "keypairs",
        "memory",
        "netmask",
        "networktype",
        "number",
        "passwordenabled",
        "privateport",
        "protocol",
        "publicport",
        "securitygroupsenabled",
        "size",
        "startport",
        "state",
        "success",
        "templatetype",
        "traffictype",
        "type",
        "vmstate",
    )
)
# Maps whose keys are data, not fields of an answer.
FREE_FORM = frozenset({"details"})


def calls(folder: str) -> list[dict[str, Any]]:
    """Every recorded call in the order of `seq`."""
    files = (TESTS / folder).glob("*.jsonl")
    lines = (line for path in files for line in path.read_text("utf-8").splitlines())
    return sorted((json.loads(line) for line in lines), key=lambda call: call["seq"])


def account_of(call: dict[str, Any]) -> str:
    """The look-up account's name on the recorded 4.23 is not the one that its recordings use."""
    return "ec2svc2" if call["as"] == "keylookup" and "apiKey" in call["request"] else str(call["as"])


def unsubmitted(call: dict[str, Any], pairs: Pairs) -> bool:
    """A poll of a job whose submission was not recorded: there is nothing to hold it against."""
    job = call["request"].get("jobid", "")
    return (
        call["request"].get("command") == "queryAsyncJobResult"
        and call["status"] == 200
        and not pairs.known(job)
    )


def inner(body: Any) -> Any:
    return next(iter(body.values()))


def recorded_seed(recorded: list[dict[str, Any]]) -> Seed:
    """The cloud as it stood before the first recorded call, with its accounts and the ids that calls name."""
    by_seq = {call["seq"]: call for call in recorded}
    users = {row["username"]: row for row in inner(by_seq[71]["body"])["user"]}
    keys = {account_of(call): call["request"]["apiKey"] for call in recorded if "apiKey" in call["request"]}
    roles = {
        "admin": "Root Admin",
        "ec2svc2": "Key Look-up",
        "keylookup-too-narrow": "Key Look-up, too narrow",
    }
    accounts = []
    for name in ("admin", "alice", "bob", "ec2svc2", "keylookup-too-narrow"):
        user = users.get(name, {})
        accounts.append(
            AccountSeed(
                name,
                roles.get(name, "User"),
                api_key=keys.get(name, user.get("apikey", "")),
                account_id=user.get("accountid", ""),
                user_id=user.get("id", ""),
            )
        )
    return Seed(
        accounts=tuple(accounts),
        facts=load_facts(),
        extra_offerings=False,
        extra_images=False,
        rows={"networks": [_network(by_seq)], **_machines(by_seq)},
    )


def recorded_seed_4_20(recorded: list[dict[str, Any]]) -> Seed:
    """The accounts of the recorded 4.20.3; its zones, offerings and images are paired by their names."""
    by_case = {call["case"]: call for call in recorded}
    bob = inner(by_case["by-key"]["body"])["user"]
    keys = inner(by_case["keys"]["body"])["userkeys"]
    facts = copy.deepcopy(load_facts())
    _name_networks(facts["networks"], inner(by_case["networks"]["body"])["network"])
    return Seed(
        accounts=(
            AccountSeed("admin", "Root Admin"),
            AccountSeed("bob", "User", keys["apikey"], keys["secretkey"], bob["accountid"], bob["id"]),
            AccountSeed("keylookup", "Key Look-up"),
        ),
        facts=facts,
        extra_offerings=False,
        extra_images=False,
        rows={"ostypes": inner(by_case["os"]["body"])["ostype"]},
    )


def recorded_seed_named(recorded: list[dict[str, Any]]) -> Seed:
    """The accounts of a recorded 4.20.3 of which nothing more is known; all else is paired by its name."""
    by_case = {call["case"]: call for call in recorded}
    return Seed(
        accounts=(
            AccountSeed("admin", "Root Admin"),
            AccountSeed("alice", "User"),
            AccountSeed("bob", "User"),
            AccountSeed("keylookup", "Key Look-up"),
        ),
        facts=load_facts(),
        extra_offerings=False,
        extra_images=False,
        rows={"ostypes": inner(by_case["os"]["body"])["ostype"]} if "os" in by_case else {},
    )


NETWORK = ("id", "name", "displaytext", "cidr", "gateway", "netmask", "networkdomain")


def _name_networks(ours: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> None:
    """Networks that stood before are paired by their zone and kind, and named alike."""
    for network in ours:
        for other in recorded:
            if (other["zonename"], other["type"]) == (network["zonename"], network["type"]):
                network.update({field: other[field] for field in NETWORK if field in other})


def _machines(by_seq: dict[int, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The machines that ran before, with their NICs and root disks."""
    machines = [row for row in inner(by_seq[262]["body"])["virtualmachine"] if row["name"].startswith("q-")]
    disks = {row["vmname"]: row for row in inner(by_seq[509]["body"])["volume"]}
    rows: dict[str, list[dict[str, Any]]] = {"machines": [], "nics": [], "volumes": [], "securitygroups": []}
    for machine in machines:
        own = {key: value for key, value in machine.items() if key not in COLLECTED}
        groups = own.pop("securitygroup")
        owner = {key: own[key] for key in ("account", "domainid", "domain", "domainpath")}
        for group in groups:
            if group["id"] not in {row["id"] for row in rows["securitygroups"]}:
                names = {key: group[key] for key in ("id", "name", "description")}
                rows["securitygroups"].append({**names, **owner})
        for nic in own.pop("nic"):
            rows["nics"].append({**nic, "_machine": own["id"], "_secondary": []})
        internal = {"_custom": False, "_userdata": None, "_affinitygroups": [], "_placed": True}
        rows["machines"].append({**own, **internal, "_groups": [group["id"] for group in groups]})
        rows["volumes"].append({**disks[own["name"]], "attached": own["created"]})
    return rows


def _network(by_seq: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """The isolated network that stood before."""
    rows = inner(by_seq[842]["body"])["network"]
    return dict(next(row for row in rows if row["name"] == "alice-iso"), _vlan=254)


class Pairs:
    """Recorded ids and the simulator's ids for the same things."""

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        """Public addresses and second ones of interfaces, which each cloud takes from ranges in its own order."""

    def ours(self, text: str) -> str:
        if text in self._addresses:
            return self._addresses[text]
        return UUID.sub(lambda match: self._ours.get(match[0], match[0]), text)

    def learn(self, recorded: Any, answer: Any) -> None:
        if isinstance(recorded, dict) and isinstance(answer, dict):
            if recorded.keys() & {"issourcenat", "nicid"} and "ipaddress" in recorded.keys() & answer.keys():
                self._addresses[recorded["ipaddress"]] = answer["ipaddress"]
            for key in recorded.keys() & answer.keys():
                self.learn(recorded[key], answer[key])
        elif isinstance(recorded, list) and isinstance(answer, list):
            for left, right in self.match(recorded, answer):
                self.learn(left, right)
        elif _is_id(recorded) and _is_id(answer):
            self._ours.setdefault(recorded, answer)

    def match(self, recorded: list[Any], answer: list[Any]) -> list[tuple[Any, Any]]:
        """Rows of two lists that are the same thing: by id, else by name, else by place."""
        left = [row for row in recorded if isinstance(row, dict)]
        right = [row for row in answer if isinstance(row, dict)]
        pairs = []
        for row in list(left):
            same = next((other for other in right if self._same(row, other)), None)
            if same is not None:
                left.remove(row)
                right.remove(same)
                pairs.append((row, same))
        return pairs + (list(zip(left, right, strict=True)) if len(left) == len(right) else [])

    def known(self, text: str) -> bool:
        return text in self._ours

    def _same(self, row: dict[str, Any], other: dict[str, Any]) -> bool:
        if row.get("type") == other.get("type") == "ROOT" and "vmname" in row:
            # A root disk is named after its machine's number in the database.
            return bool(row["vmname"] == other.get("vmname"))
        if "id" in row and row["id"] in self._ours:
            same = self._ours[row["id"]] == other.get("id")
            return same and row.get("zoneid") == other.get("zoneid")
        if "id" in row and row.get("id") == other.get("id"):
            return bool(row.get("zoneid") == other.get("zoneid"))
        machine = row.get("virtualmachineid")
        if machine in self._ours:
            # Volumes are named after database ids, which differ.
            same = self._ours[machine] == other.get("virtualmachineid")
            return same and row.get("deviceid") == other.get("deviceid")
        name = row.get("name")
        return name is not None and not UUID.search(str(name)) and name == other.get("name")


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None


class Comparison:
    """What is different between a recorded answer and ours."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.found: list[str] = []

    def errors(self, recorded: dict[str, Any], answer: dict[str, Any]) -> None:
        for key in ("errorcode", "cserrorcode"):
            if recorded.get(key) != answer.get(key):
                self.found.append(f"{key}: {answer.get(key)} for {recorded.get(key)}")
        theirs, ours = (
            self._plain(self.pairs.ours(recorded["errortext"])),
            self._plain(answer.get("errortext", "")),
        )
        if theirs != ours:
            self.found.append(f"errortext: {answer.get('errortext')!r} for {recorded['errortext']!r}")

    @staticmethod
    def _plain(text: str) -> str:
        return NUMBER.sub("#", UNIQUE_NAME.sub('"uniqueName":#', text))

    def fields(self, recorded: Any, answer: Any, where: str = "") -> None:
        """Field names all the way down."""
        if isinstance(recorded, dict) and isinstance(answer, dict):
            self._names(recorded, answer, where)
            for key in recorded.keys() & answer.keys():
                if key not in FREE_FORM:
                    self.fields(recorded[key], answer[key], f"{where}.{key}")
                if key in TELLING and recorded[key] != answer[key]:
                    self.found.append(f"{where}.{key} is {answer[key]!r} for {recorded[key]!r}")
        elif isinstance(recorded, list) and isinstance(answer, list):
            if bool(recorded) != bool(answer):
                self.found.append(f"{where}: {len(answer)} rows for {len(recorded)}")
            for left, right in self.pairs.match(recorded, answer):
                self.fields(left, right, f"{where}[]")
        elif type(recorded) is not type(answer) and {type(recorded), type(answer)} != {int, float}:
            self.found.append(f"{where}: {answer!r} for {recorded!r}")

    def _names(self, recorded: dict[str, Any], answer: dict[str, Any], where: str) -> None:
        missing = recorded.keys() - answer.keys() - COLLECTED
        extra = answer.keys() - recorded.keys() - COLLECTED
        if missing:
            self.found.append(f"{where}: without {', '.join(sorted(missing))}")
        if extra:
            self.found.append(f"{where}: with {', '.join(sorted(extra))}")
