"""What the scoreboard shows: one row a client, with a mark for each capability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.compat.capabilities import CAPABILITIES
from tests.compat.lab import EVERYDAY, Client, Outcome
from tests.compat.registry import CLIENTS

COLUMNS = (*EVERYDAY, "page")
"""The capabilities that are columns; what a client shows beyond them is told in words."""

GROUPS = {
    "clients": "SDKs and command lines",
    "tools": "Tools",
    "cloudstack": "CloudStack's own clients",
    "scenarios": "Eucalyptus' scenarios",
}
"""Group → its heading."""

TABLES = ("clients", "cloudstack")
"""The groups whose clients play the everyday story, so that the capabilities are columns."""

SCENARIOS = Client(
    "eucalyptus-scenarios",
    "Python, pytest",
    lambda: None,
    list,
    covers=(),
    install="make compat plays them when all clients are asked for",
    group="scenarios",
)
"""tests/compat/euca as a row: what Eucalyptus' suites check of an EC2 cloud, written afresh with boto3."""

ADVICE = (
    "Compare what you do with the client's page. If it is the same, the bridge is at fault: tell its maintainers,"
    " with the client's log from the report."
)
"""What a user should do about a red mark."""


@dataclass(frozen=True)
class Row:
    """One client on the board."""

    client: str
    language: str
    group: str
    page: str
    install: str
    version: str
    seconds: int
    capabilities: dict[str, str]
    """Capability → passed, failed or absent."""
    reasons: dict[str, str]
    """Failed capability → why."""

    @property
    def state(self) -> str:
        """failed, absent or passed, of the whole row."""
        marks = self.capabilities.values()
        return next((mark for mark in ("failed", "absent") if mark in marks), "passed")

    @property
    def more(self) -> dict[str, str]:
        """What stands in words: all that is no column."""
        columns = COLUMNS if self.group in TABLES else ()
        return {name: mark for name, mark in self.capabilities.items() if name not in columns}


def row(client: Client, outcome: Outcome | None) -> Row:
    """Return a client's row; without an outcome it is absent."""
    told = (client.name, client.language, client.group, client.page, client.install)
    if outcome is None:
        return Row(*told, "absent", 0, dict.fromkeys(client.shows, "absent"), {})
    marks = {name: "failed" if why else "passed" for name, why in outcome.results.items()}
    reasons = {name: why for name, why in outcome.results.items() if why}
    return Row(*told, outcome.version, round(outcome.seconds), marks, reasons)


def rows(outcomes: Mapping[str, Outcome], absent: Sequence[Client]) -> list[Row]:
    """Return a row for each client that was played or is absent, in the registry's order."""
    shown = [client for client in (*CLIENTS, SCENARIOS) if client.name in outcomes or client in absent]
    return [row(client, outcomes.get(client.name)) for client in shown]


def grouped(found: Sequence[Row]) -> dict[str, list[Row]]:
    """Return heading → rows, without the groups that have none."""
    groups = {
        heading: [entry for entry in found if entry.group == group] for group, heading in GROUPS.items()
    }
    return {heading: entries for heading, entries in groups.items() if entries}


def counted(found: Sequence[Row]) -> dict[str, int]:
    """Return passed, failed, absent → how many capabilities."""
    marks = [mark for entry in found for mark in entry.capabilities.values()]
    return {mark: marks.count(mark) for mark in ("passed", "failed", "absent")}


def summary(found: Sequence[Row]) -> str:
    """Return the board in one sentence."""
    states = [entry.state for entry in found]
    count = counted(found)
    absent = f", {states.count('absent')} absent" if "absent" in states else ""
    return (
        f"{states.count('passed')} of {len(found)} hold in all that they played{absent}:"
        f" {count['passed']} capabilities passed, {count['failed']} failed."
    )


def legend(found: Sequence[Row]) -> dict[str, str]:
    """Return what stands behind the names on the board."""
    names = {name for entry in found for name in entry.capabilities}
    return {name: told for name, told in CAPABILITIES.items() if name in names}
