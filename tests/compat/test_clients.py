"""Each client, each capability: what its program said of it."""

import pytest

from tests.compat.lab import Client, Outcome

pytestmark = pytest.mark.timeout(2400)


def test_client(client: Client, capability: str, outcome: Outcome) -> None:
    reason = outcome.results[capability]
    assert reason is None, (
        f"{client.name} {outcome.version}: {capability}: {reason}\n\n{outcome.output[-6000:]}"
    )
