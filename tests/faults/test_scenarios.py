"""Every action that changes something has its story."""

from tests.faults import scenarios


def test_each_action_that_changes_something_has_a_scenario():
    told = {scenario.action for scenario in scenarios.load().values()}
    assert told == set(scenarios.changing_actions())
