"""`init && check && serve` in front of clouds that have everything, and of such that lack something."""

import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from ec2bridge import config
from ec2bridge.__main__ import main
from ec2bridge.operator import cloud, local, lookup_account
from ec2bridge.simulator import apis
from ec2bridge.simulator.seed import Seed, load_facts
from ec2bridge.store import Store
from tests.operator.conftest import Operator, bad, only
from tests.serving.test_certificates import Authority, behind_tls
from tests.sockets import until_closed

ADVANCED = "us-east-1a"


def seed(**changed: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Seed:
    """Return the usual world with tables changed, and nothing added to them."""
    facts = json.loads(json.dumps(load_facts()))
    return Seed(
        facts={**facts, **{table: change(facts[table]) for table, change in changed.items()}},
        extra_offerings=False,
    )


def alice(operator: Operator) -> tuple[str, str]:
    return "--access-key", operator.place.sim.accounts["alice"].api_key


def test_a_whole_cloud_is_served_after_init_and_check(operator: Operator) -> None:
    done = operator.init()
    assert done.exit_code == 0, done.output
    assert operator.file.stat().st_mode & 0o777 == 0o600
    settings = config.load(operator.file)
    assert settings.service_secret_key is not None
    assert settings.service_secret_key.get_secret_value() not in done.output
    assert operator.place.sim.accounts["admin"].secret_key not in operator.file.read_text()
    found = operator.findings(*alice(operator), code=0)
    assert only(found, "VPCs", "ok", ADVANCED)["text"].startswith("of the offering")
    assert "#   Debian GNU/Linux 12: /aws/service/debian/release/{12,bookworm}" in operator.file.read_text()
    assert "#   Rocky Linux 9: none" in operator.file.read_text()
    assert "names tell an image" in only(found, "images' parameters", "ok", "")["text"]
    zones = operator.serve().describe_availability_zones()["AvailabilityZones"]
    assert {zone["ZoneName"] for zone in zones} == set(settings.zones)


def test_the_made_account_may_do_what_the_bridge_needs_and_no_more(operator: Operator) -> None:
    operator.init()
    role = operator.place.sim.cloud.tables["roles"].first(name="ec2bridge")
    assert role is not None
    allowed = operator.place.sim.cloud.rules(role)
    users = operator.place.sim.cloud.rules(operator.place.sim.cloud.tables["roles"].first(name="User") or {})
    assert allowed - users == {"getUser", "listVlanIpRanges"}
    # From 4.23 on a secret is shown only to who may do all that its owner may.
    known = {name for name in users if apis.find(name, operator.place.sim.cloud.release)}
    assert known <= allowed
    assert role["type"] == "Admin"


def test_a_rule_for_a_command_that_is_no_more_is_left_out(operator: Operator) -> None:
    roles = operator.place.sim.cloud.tables["roles"]
    users = roles.first(name="User") or {}
    gone = {"id": "1", "rule": "listTrafficMonitorsOfOld", "permission": "allow"}
    kept = {"id": "2", "rule": "list*", "permission": "allow"}
    roles.update(users, _permissions=[gone, kept])
    done = operator.init()
    assert done.exit_code == 0, done.output
    rules = [rule["rule"] for rule in (roles.first(name="ec2bridge") or {})["_permissions"]]
    assert "list*" in rules
    assert "listTrafficMonitorsOfOld" not in rules


def test_a_name_that_is_taken_is_told(operator: Operator) -> None:
    operator.init()
    again = operator.init("--output", str(operator.folder / "other.toml"))
    assert again.exit_code == 1
    assert "There is a role or an account ec2bridge already" in again.output


def test_the_commands_for_cloudmonkey_make_the_same_role(operator: Operator) -> None:
    told = operator.run("init", "--show-commands", "--account-name", "lookup").output
    assert "cmk create role name=lookup type=Admin" in told
    for command in ("getUser", "getUserKeys", "listUserKeys", "expungeVirtualMachine"):
        assert f"cmk create rolepermission roleid=$ROLE permission=allow rule={command} " in told
    assert not operator.file.exists()


CMK = """\
#!{python}
import json, sys
from cs import CloudStack
verb, noun, *words = sys.argv[3:]  # after -o json
cloud = CloudStack(endpoint={url!r}, key={key!r}, secret={secret!r})
names = {{api["name"].lower(): api for api in cloud.listApis()["api"]}}
api = names[verb + noun]
given = dict(word.split("=", 1) for word in words)
print(json.dumps(getattr(cloud, api["name"])(fetch_result=api["isasync"], **given)))
"""
"""What CloudMonkey does with these words, by another client of CloudStack's."""


@pytest.mark.skipif(shutil.which("jq") is None, reason="the commands need jq")
def test_the_commands_for_cloudmonkey_make_an_account_that_check_finds_good(operator: Operator) -> None:
    roles, rules = operator.place.sim.cloud.tables["roles"], operator.place.sim.cloud.rules
    users = roles.first(name="User") or {}
    roles.update(users, _rules=["deployVirtualMachine", "listUsers", "listVPCs"])
    operator.place.sim.cloud.forget_rules(users)
    admin = operator.place.sim.accounts["admin"]
    stand_in = operator.folder / "cmk"
    stand_in.write_text(
        CMK.format(
            python=sys.executable, url=operator.place.sim.url, key=admin.api_key, secret=admin.secret_key
        )
    )
    stand_in.chmod(0o700)
    script = operator.run("init", "--show-commands", "--account-name", "lookup").output
    made = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PATH": f"{operator.folder}:{os.environ['PATH']}"},
    )
    assert made.returncode == 0, made.stderr
    keys = dict(
        line.split("=", 1) for line in made.stdout.splitlines() if line.startswith("EC2BRIDGE_SERVICE")
    )
    role = roles.first(name="lookup") or {}
    wanted = {command for command, _ in lookup_account.OWN} | {"deployVirtualMachine", "listVPCs"}
    assert rules(role) == {name for name in wanted if apis.find(name, operator.place.sim.cloud.release)}
    done = operator.run("init", "--output", str(operator.file), **keys)
    assert done.exit_code == 0, done.output
    found = operator.findings(code=0, **keys)
    told = only(found, "the look-up account reads users' keys", "ok")["text"]
    assert told == ("listUserKeys" if "listUserKeys" in rules(role) else "getUser and getUserKeys")


def test_an_administrators_secret_that_nobody_tells_is_asked_for_in_words(operator: Operator) -> None:
    done = operator.run("init", "--output", str(operator.file), "--admin-key", "KEY")
    assert done.exit_code == 2
    assert "set EC2BRIDGE_ADMIN_SECRET_KEY" in done.output


def test_init_with_keys_that_are_no_administrators_says_so(operator: Operator) -> None:
    keys = operator.place.sim.accounts["alice"]
    done = operator.run(
        *("init", "--output", str(operator.file), "--admin-key", keys.api_key),
        EC2BRIDGE_ADMIN_SECRET_KEY=keys.secret_key,
    )
    assert done.exit_code == 1
    assert "It takes the keys of a root administrator" in done.output
    assert not operator.file.exists()


def test_without_security_groups_the_shared_network_is_told_of(operator_of: Callable[..., Operator]) -> None:
    operator = operator_of(
        seed=seed(
            zones=lambda rows: [
                {**row, "networktype": "Advanced", "securitygroupsenabled": False} for row in rows
            ]
        )
    )
    assert operator.init().exit_code == 0
    found = operator.findings(*alice(operator), code=1)
    shared = only(found, "security groups", zone="us-east-1c")
    assert "on the shared networks sg-shared nothing enforces them" in shared["text"]
    assert "isolated networks or VPCs" in shared["fix"]


def test_offerings_that_no_type_has_the_size_of_are_shown_with_what_to_do(
    operator_of: Callable[..., Operator],
) -> None:
    operator = operator_of(
        seed=seed(
            serviceofferings=lambda rows: [
                {**row, "name": f"plan {number}", "memory": 1000 + number}
                for number, row in enumerate(rows)
                if not row["iscustomized"]
            ]
        )
    )
    written = operator.init()
    assert "none: no offering has the size of a type of AWS's." in written.output
    assert "#   plan 0 (" in written.output
    found = operator.findings(*alice(operator), code=1)
    assert only(found, "instance types", zone=ADVANCED)["fix"].startswith("make offerings of AWS's sizes")
    assert "plan 0" in only(found, "instance types", "note")["text"]
    own = operator.folder / "mappings"
    own.mkdir()
    (own / "instance-types.yaml").write_text(
        "cpu_speed: 1000\nfamilies:\n  own:\n    sizes:\n      small: [1, 1000]\n", encoding="utf-8"
    )
    cured = operator.findings(*alice(operator), EC2BRIDGE_MAPPINGS=str(own))
    assert "instance types" not in bad(cured)


def test_without_a_vpc_offering_the_advice_cures_it(operator_of: Callable[..., Operator]) -> None:
    operator = operator_of(
        seed=seed(vpcofferings=lambda rows: [{**row, "state": "Disabled"} for row in rows])
    )
    assert operator.init().exit_code == 0
    found = operator.findings(*alice(operator), code=1)
    assert bad(found) == ["VPCs"]
    assert "cmk update vpcoffering id=… state=Enabled" in only(found, "VPCs", zone=ADVANCED)["fix"]
    table = operator.place.sim.cloud.tables["vpcofferings"]
    for row in table:
        table.update(row, state="Enabled")
    operator.findings(*alice(operator), code=0)


def test_without_an_offering_for_tiers_and_default_networks_each_is_told(
    operator_of: Callable[..., Operator],
) -> None:
    operator = operator_of(
        seed=seed(networkofferings=lambda rows: [row for row in rows if row["guestiptype"] != "Isolated"])
    )
    written = operator.init()
    assert "There is none to choose from (none is enabled that has" in written.output
    found = operator.findings(*alice(operator), code=1)
    assert sorted(bad(found)) == ["VPCs", "the default subnet"]
    assert "none for their tiers" in only(found, "VPCs", zone=ADVANCED)["text"]


def test_a_role_without_a_command_is_told_by_action(operator: Operator) -> None:
    operator.init()
    tables = operator.place.sim.cloud.tables
    role = tables["roles"].first(name="User") or {}
    lacking = {"createVPC", "createFirewallRule", "replaceNetworkACLList"}
    tables["roles"].update(role, _rules=sorted(operator.place.sim.cloud.rules(role) - lacking))
    operator.place.sim.cloud.forget_rules(role)
    found = operator.findings(*alice(operator), code=1)
    missing = [finding for finding in found if finding["check"] == "the role's commands"]
    [vpc] = [finding for finding in missing if finding["text"].startswith("createVPC is missing: CreateVpc")]
    assert "rule=createVPC permission=allow" in vpc["fix"]
    groups = [finding["text"] for finding in found if finding["check"] == "security groups"]
    assert any("the role lacks createFirewallRule" in text for text in groups)
    assert any("VPCs: not enforced, the role lacks replaceNetworkACLList" in text for text in groups)


@pytest.mark.parametrize(("ahead", "level"), [(3600, "bad"), (90, "note")])
def test_a_wrong_clock_is_told(operator: Operator, ahead: int, level: str) -> None:
    operator.init()
    operator.place.run(clock_ahead(operator, ahead))
    found = operator.findings(code=1 if level == "bad" else 0)
    told = only(found, "the clock", level)
    assert re.search("1:00:0|0:59:5" if ahead == 3600 else "0:01:[23]", told["text"])
    assert "ahead of this machine's" in told["text"]
    assert "NTP" in told["fix"]


async def clock_ahead(operator: Operator, seconds: int) -> None:
    """Put a server before CloudStack whose clock is ahead, and have the operator's settings name it."""

    async def forward(request: web.Request) -> web.Response:
        kind = {"Content-Type": request.headers["Content-Type"]}
        body = await request.read()
        async with (
            aiohttp.ClientSession() as session,
            session.post(operator.place.sim.url, data=body, headers=kind) as got,
        ):
            headers = {"Date": formatdate(time() + seconds, usegmt=True)}
            return web.Response(status=got.status, body=await got.read(), headers=headers)

    app = web.Application(client_max_size=4 << 20)
    app.router.add_post("/client/api", forward)
    server = TestServer(app)
    await server.start_server()
    operator.place.stack.push_async_callback(server.close)
    operator.environment["EC2BRIDGE_CLOUDSTACK_URL"] = str(server.make_url("/client/api"))


@pytest.mark.parametrize(
    ("store", "sentence", "fix"),
    [
        ("{folder}/none/store.sqlite", "there is no folder {folder}/none", "mkdir -p {folder}/none"),
        ("{folder}/half.sqlite", "has no tables: it looks like a copy", "ec2bridge store restore"),
        ("{folder}/text.sqlite", "file is not a database", "ec2bridge store restore"),
        ("postgresql://nobody@127.0.0.1:9/none", "does not answer: ", "start PostgreSQL"),
    ],
)
def test_a_dead_store_is_told(operator: Operator, store: str, sentence: str, fix: str) -> None:
    folder = operator.folder
    operator.init()
    (folder / "half.sqlite").write_bytes(half())
    (folder / "text.sqlite").write_text("not a database at all" * 100)
    found = operator.findings(code=1, EC2BRIDGE_STORE=store.format(folder=folder))
    told = only(found, "the store")
    assert sentence.format(folder=folder) in told["text"]
    assert told["fix"].startswith(fix.format(folder=folder))
    assert bad(found) == ["the store"]


def half() -> bytes:
    """A store's file as a copy without its log has it: SQLite's head and no tables."""
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        connection = sqlite3.connect(file.name)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("VACUUM")
        connection.close()
        return Path(file.name).read_bytes()


def test_a_locked_store_is_told(operator: Operator) -> None:
    operator.init()
    file = operator.folder / "store.sqlite"

    async def make() -> None:
        store = Store(str(file))
        await store.start()
        await store.close()

    operator.place.run(make())
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        told = only(operator.findings(code=1), "the store")
    finally:
        connection.execute("ROLLBACK")
        connection.close()
    assert "database is locked" in told["text"]
    assert "fuser" in told["fix"]
    assert "schema" in only(operator.findings(code=0), "the store", "ok")["text"]


def test_a_private_ca_is_told_and_named_in_the_file(operator: Operator, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    url = behind_tls(operator.place, authority.issue())
    refused = operator.init(EC2BRIDGE_CLOUDSTACK_URL=url)
    assert refused.exit_code == 1
    assert "the setting cloudstack_ca names a private CA" in refused.output
    done = operator.init("--cloudstack-ca", str(authority.file), EC2BRIDGE_CLOUDSTACK_URL=url)
    assert done.exit_code == 0, done.output
    assert config.load(operator.file).cloudstack_ca == authority.file
    operator.findings(code=0, EC2BRIDGE_CLOUDSTACK_URL=None)
    until_closed(int(url.split(":")[2].partition("/")[0]))


def test_each_setting_is_looked_at_or_needs_no_look() -> None:
    looked = [name for _, _, names in (*local.LOOKS, *cloud.LOOKS) for name in names]
    assert len(looked) == len(set(looked))
    assert set(looked) & set(local.NO_LOOK) == set()
    assert set(looked) | set(local.NO_LOOK) == set(config.Settings.model_fields)


def test_init_where_a_person_sits_asks(operator: Operator) -> None:
    admin = operator.place.sim.accounts["admin"]
    answers = (operator.place.sim.url, "eu-west-1", "127.0.0.1:0", "", admin.api_key, admin.secret_key)
    said, code = at_a_terminal(("init", "--output", str(operator.file)), answers)
    assert code == 0, said
    assert "A root administrator's API key, used once and kept nowhere" in said
    assert admin.secret_key not in said
    settings = config.load(operator.file)
    assert (settings.region, settings.cloudstack_url) == ("eu-west-1", operator.place.sim.url)
    assert "eu-west-1c" in settings.zones
    assert settings.service_api_key not in (None, admin.api_key)


def at_a_terminal(words: tuple[str, ...], answers: tuple[str, ...]) -> tuple[str, int]:
    """Run a command at a terminal of its own, and answer each question as it comes; return what was seen."""
    outside, inside = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EC2BRIDGE_")}
    # On the standard output colours would stand between the words.
    process = subprocess.Popen(
        [sys.executable, "-m", "ec2bridge", *words],
        **dict.fromkeys(("stdin", "stdout", "stderr"), inside),
        env=environment,
        start_new_session=True,
    )
    os.close(inside)
    said, left = b"", list(answers)
    with suppress(OSError):  # the other side has gone
        while read := os.read(outside, 4096):
            said += read
            if left and said.rstrip(b" ").endswith(b":"):
                os.write(outside, left.pop(0).encode() + b"\n")
                said += b"\n"
    os.close(outside)
    return said.decode(), process.wait(30)


def test_place_is_left_as_it_was(operator: Operator) -> None:
    operator.init()
    before = operator.place.sim.cloud.tables.version
    operator.findings(*alice(operator))
    assert operator.place.sim.cloud.tables.version == before
    assert not (operator.folder / "store.sqlite").exists()


def test_a_round_trip_leaves_nothing(operator: Operator) -> None:
    operator.init()
    found = operator.findings(*alice(operator), "--launch", "--zone", ADVANCED, code=0)
    launched = [finding for finding in found if finding["check"].startswith("launch")]
    assert [finding["level"] for finding in launched] == ["ok"] * 6
    tables = operator.place.sim.cloud.tables
    assert tables["machines"].where(account="alice") == []
    assert tables["keypairs"].where(account="alice") == []
    assert [row["name"] for row in tables["securitygroups"].where(account="alice")] == ["default"]


def test_a_round_trip_that_cannot_be_says_why_and_cleans_up(operator: Operator) -> None:
    operator.init()
    operator.place.sim.cloud.default_limits["user_vm"] = 0
    found = operator.findings(*alice(operator), "--launch", "--zone", ADVANCED, code=1)
    assert "no instances are allowed (the limit is 0)" in only(found, "quotas")["text"]
    assert "InstanceLimitExceeded" in only(found, "launch: the smallest machine")["text"]
    assert [finding["text"] for finding in found if finding["check"] == "launch: it is gone again"] == [
        "there was none"
    ]
    assert operator.place.sim.cloud.tables["keypairs"].where(account="alice") == []


def test_a_round_trip_needs_somebodys_key(operator: Operator) -> None:
    done = operator.as_lookup("check", "--launch")
    assert done.exit_code == 2
    assert "--launch needs --access-key" in done.output


def test_an_administrators_key_shows_the_limits_that_users_do_not_see(operator: Operator) -> None:
    operator.init()
    admin = operator.place.sim.accounts["admin"]
    assert (
        "--admin-key" in only(operator.findings(*alice(operator)), "subnet size and user data", "note")["fix"]
    )
    asked = ("--admin-key", admin.api_key)
    found = operator.findings(*alice(operator), *asked, EC2BRIDGE_ADMIN_SECRET_KEY=admin.secret_key)
    told = only(found, "subnet size and user data", "note")
    assert "is a /22; clients that ask for a /16 are refused" in told["text"]
    operator.place.sim.cloud.settings.update({"network.guest.cidr.limit": 16, "vm.userdata.max.length": 1000})
    found = operator.findings(*alice(operator), *asked, EC2BRIDGE_ADMIN_SECRET_KEY=admin.secret_key)
    assert "user data may have 1000 bytes" in only(found, "subnet size and user data", "note")["text"]


def test_a_users_key_that_nobody_knows_is_told(operator: Operator) -> None:
    operator.init()
    told = only(operator.findings("--access-key", "nobody", code=1), "the user's key")
    assert "CloudStack knows no such key" in told["text"]
    wrong = operator.findings(*alice(operator), code=1, AWS_SECRET_ACCESS_KEY="wrong")
    assert "401" in only(wrong, "the user's key")["text"]


def test_check_for_a_terminal_has_each_fix_below_its_sentence(operator: Operator) -> None:
    operator.init()
    done = operator.run("check", "--config", str(operator.file), EC2BRIDGE_STORE="/nowhere/store")
    assert done.exit_code == 1
    assert "BAD   the store: there is no folder /nowhere\n       → mkdir -p /nowhere" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("1 will not work, 0 to know.")


def test_json_has_wrong_settings_too() -> None:
    done = CliRunner().invoke(main, ["check", "--json"], env={"EC2BRIDGE_CLOUDSTACK_URL": None})
    assert done.exit_code == 1
    assert "cloudstack_url is missing" in json.loads(done.stdout)["findings"][0]["text"]
