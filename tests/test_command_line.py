"""The command line as an operator meets it: init, check, coverage, explain, and what is said of wrong settings."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ec2bridge.__main__ import main
from ec2bridge.ec2 import releases
from tests.conftest import Place


@pytest.fixture
def ec2bridge(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command against the place, as its service account unless told otherwise."""

    def run(*words: str, account: str = "keylookup", **environment: str | None) -> Result:
        keys = place.sim.accounts[account]
        named = {
            "EC2BRIDGE_CLOUDSTACK_URL": place.sim.url,
            "EC2BRIDGE_SERVICE_API_KEY": keys.api_key,
            "EC2BRIDGE_SERVICE_SECRET_KEY": keys.secret_key,
            **environment,
        }
        return CliRunner().invoke(main, words, env=named, catch_exceptions=False)

    return run


def test_init_names_the_zones_and_its_file_can_be_used(
    ec2bridge: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "ec2bridge.toml"
    done = ec2bridge("init", "--output", str(file), EC2BRIDGE_REGION="pouet-1")
    assert done.exit_code == 0, done.output
    settings = tomllib.loads(file.read_text())
    assert sorted(settings["zones"]) == ["pouet-1a", "pouet-1b", "pouet-1c"]
    checked = ec2bridge("check", "--config", str(file))
    assert checked.exit_code == 0, checked.output
    assert "sim-adv" in checked.output


def test_init_leaves_a_file_that_exists_alone(ec2bridge: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "ec2bridge.toml"
    file.write_text("mine")
    done = ec2bridge("init", "--output", str(file))
    assert done.exit_code == 1
    assert "exists already" in done.output
    assert file.read_text() == "mine"


def test_check_finds_a_good_place_good(ec2bridge: Callable[..., Result]) -> None:
    done = ec2bridge("check")
    assert done.exit_code == 0, done.output
    assert "BAD" not in done.output
    assert "the look-up account expunges where users may not" in done.output
    kept = ec2bridge("check", EC2BRIDGE_EXPUNGE="false")
    assert "the settings keep the bridge from expunging" in kept.output


@pytest.mark.parametrize(
    ("account", "environment", "sentence"),
    [
        ("admin", {}, "its role also allows"),
        ("alice", {}, "does not show other users' keys"),
        ("keylookup", {"EC2BRIDGE_ZONES": "za=no-such-zone"}, "za = no-such-zone"),
        ("keylookup", {"EC2BRIDGE_SERVICE_SECRET_KEY": "wrong"}, "CloudStack answered 401"),
        ("keylookup", {"EC2BRIDGE_CLOUDSTACK_URL": "http://127.0.0.1:9/client/api"}, "could not be reached"),
    ],
)
def test_check_says_what_will_not_work(
    ec2bridge: Callable[..., Result], account: str, environment: dict[str, str], sentence: str
) -> None:
    done = ec2bridge("check", account=account, **environment)
    assert done.exit_code == 1
    assert sentence in done.output, done.output


def test_check_with_a_wrong_key_says_so_once(ec2bridge: Callable[..., Result]) -> None:
    done = ec2bridge("check", EC2BRIDGE_SERVICE_SECRET_KEY="wrong")
    assert done.exit_code == 1
    assert done.output.count("BAD") == 1
    assert "the secret key is not its own" in done.output


def test_init_and_check_with_somebody_elses_cloud(
    ec2bridge: Callable[..., Result], place: Place, tmp_path: Path
) -> None:
    alice, profiles = place.sim.accounts["alice"], tmp_path / "cloudstack.ini"
    profiles.write_text(f"[cloudstack]\nkey = {alice.api_key}\nsecret = {alice.secret_key}\n")
    nobody = {"EC2BRIDGE_SERVICE_API_KEY": None, "EC2BRIDGE_SERVICE_SECRET_KEY": None}
    file = tmp_path / "ec2bridge.toml"
    for words in (("init", "--output", str(file)), ("check", "--config", str(file))):
        done = ec2bridge(*words, "--credentials-file", str(profiles), **nobody)
        assert done.exit_code == 0, done.output
        assert "sim-adv" in done.output


def test_an_address_without_a_port_is_refused() -> None:
    for command, flag in (("simulator", "--listen"), ("demo", "--listen"), ("demo", "--cloudstack-listen")):
        done = CliRunner().invoke(main, [command, flag, "here"])
        assert done.exit_code == 2
        assert "'here' is not HOST:PORT" in done.output


def test_a_misspelt_setting_is_told_the_right_one(tmp_path: Path) -> None:
    file = tmp_path / "ec2bridge.toml"
    file.write_text('regoin = "us-east-1"')
    done = CliRunner().invoke(main, ["serve", "--config", str(file)])
    assert done.exit_code == 1
    assert "There is no setting called regoin; perhaps region is meant." in done.output


def test_serve_with_a_missing_setting_says_which() -> None:
    done = CliRunner().invoke(main, ["serve"], env={"EC2BRIDGE_CLOUDSTACK_URL": None})
    assert done.exit_code == 1
    assert "The setting cloudstack_url is missing" in done.output


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"EC2BRIDGE_LISTEN": "192.0.2.1:8788"}, "Cannot listen on 192.0.2.1:8788"),
        ({"EC2BRIDGE_STORE": "/nonexistent/store.sqlite"}, "/nonexistent/store.sqlite"),
        (
            {"EC2BRIDGE_TLS_CERTIFICATE": "/dev/null", "EC2BRIDGE_TLS_KEY": "/dev/null"},
            "The TLS certificate /dev/null",
        ),
    ],
)
def test_serve_that_cannot_start_says_why(
    ec2bridge: Callable[..., Result], changed: dict[str, str], sentence: str
) -> None:
    done = ec2bridge("serve", **{"EC2BRIDGE_STORE": "memory", **changed})
    assert done.exit_code == 1
    assert sentence in done.output, done.output


@pytest.mark.parametrize("need", releases.NEEDS, ids=lambda need: f"{need.command}.{need.parameter}")
def test_explain_tells_from_which_release_on(need: releases.Need) -> None:
    for action in need.actions:
        told = CliRunner().invoke(main, ["explain", action]).output
        assert f"Needs CloudStack {need.since}: {need.what[0].lower()}{need.what[1:]}" in " ".join(
            told.split()
        )


def test_coverage_tells_every_action() -> None:
    rows: list[dict[str, Any]] = json.loads(CliRunner().invoke(main, ["coverage", "--json"]).output)
    by_name = {row["action"]: row for row in rows}
    assert len(by_name) > 800
    assert by_name["RunInstances"]["effect"] == "served"
    assert "ImageId" in by_name["RunInstances"]["honours"]
    assert "deployVirtualMachine" in by_name["RunInstances"]["native"]
    assert by_name["DescribeTransitGateways"]["effect"] == "empty"


def test_explain_says_what_becomes_of_an_action() -> None:
    assert "deployVirtualMachine" in CliRunner().invoke(main, ["explain", "runinstances"]).output
    assert "UnsupportedOperation" in CliRunner().invoke(main, ["explain", "CreateTransitGateway"]).output
    unknown = CliRunner().invoke(main, ["explain", "MakeCoffee"])
    assert unknown.exit_code == 1
    assert "AWS has no action called MakeCoffee" in unknown.output


def test_a_settings_file_that_was_not_asked_for_is_pointed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without = CliRunner().invoke(main, ["check"], env={"EC2BRIDGE_CLOUDSTACK_URL": None})
    (tmp_path / "ec2bridge.toml").touch()
    beside = CliRunner().invoke(main, ["check"], env={"EC2BRIDGE_CLOUDSTACK_URL": None})
    assert "--config ec2bridge.toml" not in without.output
    assert "--config ec2bridge.toml" in beside.output
