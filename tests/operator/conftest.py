"""The command line against an embedded CloudStack that may lack something."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ec2bridge import config, server
from ec2bridge.__main__ import main
from tests.conftest import Place


class Operator:
    """Who has an hour, an administrator's keys, and an empty folder."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder, self.file = place, folder, folder / "ec2bridge.toml"
        self.environment: dict[str, str | None] = {
            "EC2BRIDGE_CLOUDSTACK_URL": place.sim.url,
            "EC2BRIDGE_STORE": str(folder / "store.sqlite"),
            "EC2BRIDGE_LISTEN": "127.0.0.1:0",
        }

    def run(self, *words: str, **environment: str | None) -> Result:
        """Run a command; `environment` adds to what is set."""
        return CliRunner().invoke(
            main, words, env={**self.environment, **environment}, catch_exceptions=False
        )

    def as_lookup(self, *words: str, **environment: str | None) -> Result:
        """Run a command with the keys of the look-up account that the place has."""
        keys = self.place.sim.accounts["keylookup"]
        named = {"EC2BRIDGE_SERVICE_API_KEY": keys.api_key, "EC2BRIDGE_SERVICE_SECRET_KEY": keys.secret_key}
        return self.run(*words, **named, **environment)

    def init(self, *words: str, **environment: str | None) -> Result:
        """Run `init` with the administrator's keys."""
        admin = self.place.sim.accounts["admin"]
        return self.run(
            *("init", "--output", str(self.file), "--admin-key", admin.api_key, *words),
            EC2BRIDGE_ADMIN_SECRET_KEY=admin.secret_key,
            **environment,
        )

    def findings(
        self, *words: str, code: int | None = None, **environment: str | None
    ) -> list[dict[str, str]]:
        """Run `check --json` with the file of `init`, and return what it found."""
        done = self.run("check", "--config", str(self.file), "--json", *words, **environment)
        told = json.loads(done.stdout)
        assert done.exit_code == (0 if told["ok"] else 1)
        assert code is None or done.exit_code == code, done.stdout
        found: list[dict[str, str]] = told["findings"]
        return found

    def serve(self, account: str = "alice") -> Any:
        """Serve with the file of `init`, and return a client."""

        async def start() -> str:
            settings = config.load(self.file, listen="127.0.0.1:0", store="memory")
            url, _ = await self.place.stack.enter_async_context(server.listening(settings))
            return url

        return self.place.client(account, endpoint_url=self.place.run(start()))


@pytest.fixture
def operator(place: Place, tmp_path: Path) -> Operator:
    """An operator in front of a cloud that lacks nothing."""
    return Operator(place, tmp_path)


@pytest.fixture
def operator_of(make_place: Callable[..., Place], tmp_path: Path) -> Callable[..., Operator]:
    """A function that makes a cloud and its operator."""
    return lambda **cloud: Operator(make_place(**cloud), tmp_path)


def only(found: list[dict[str, str]], check: str, level: str = "bad", zone: str = "") -> dict[str, str]:
    """Return the one finding of a check and level."""
    [finding] = [
        finding
        for finding in found
        if (finding["check"], finding["level"]) == (check, level) and zone in finding.get("zone", "")
    ]
    return finding


def bad(found: list[dict[str, str]]) -> list[str]:
    """Return the titles of what will not work."""
    return [finding["check"] for finding in found if finding["level"] == "bad"]
