"""The metrics of a place, read with Prometheus' own parser."""

import logging
from collections.abc import Callable
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Place

Samples = dict[str, dict[str, float]]


def shown(
    make_place: Callable[..., Place], caplog: pytest.LogCaptureFixture, **settings: str
) -> tuple[Place, Callable[[], Samples]]:
    """Return a place that shows metrics, and what reads them: name → labels' values → value."""
    caplog.set_level(logging.INFO, logger="ec2bridge")
    place = make_place({"metrics_listen": "127.0.0.1:0", **settings})
    url = next(text.split()[-1] for text in caplog.messages if text.startswith("metrics are at"))

    def scrape() -> Samples:
        with urlopen(url) as answer:
            text = answer.read().decode()
        found: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[",".join(sample.labels.values())] = sample.value
        return found

    return place, scrape
