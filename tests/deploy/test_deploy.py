"""What is deployed with, through its own tools: promtool, systemd-analyze, haproxy, helm, hadolint and schemas.

These need programs of Debian's (`make deploy-test` names them), so `make test` leaves them out.
"""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ec2bridge import __version__, config
from ec2bridge.simulator.seed import demo_key

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
PLAIN = [
    "settings.cloudstack_url=https://cloud.example/client/api",
    "secrets.EC2BRIDGE_STORE=postgresql://db/ec2",
]
CASES = {
    "two replicas": PLAIN,
    "one replica with a file": [PLAIN[0], "replicas=1", "persistence.enabled=true"],
    "everything": [
        *PLAIN,
        "zones.us-east-1a=sim-adv",
        "settings.default_networks.sim-adv=0b9f",
        "settings.trusted_proxies={10.0.0.0/8,192.0.2.1}",
        "settings.enforce_groups_in_vpcs=false",
        "cloudstackCa=PEM",
        "tlsSecret=ec2-tls",
        "ingress.enabled=true",
        "ingress.host=ec2.example",
        "ingress.tlsSecret=ec2-tls",
        "service.type=LoadBalancer",
    ],
    "a secret of one's own": [PLAIN[0], "existingSecret=ours", "metrics.enabled=false"],
}


def run(*words: str | Path, **environment: str) -> str:
    """Run a program that must succeed, and return what it says."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rendered(*values: str) -> list[dict[str, Any]]:
    sets = [word for value in values for word in ("--set", value)]
    text = run("helm", "template", "release", DEPLOY / "helm/ec2bridge", "--kube-version", "1.33.0", *sets)
    return [document for document in yaml.safe_load_all(text) if document]


def test_prometheus_takes_the_rules_and_they_fire_when_they_must() -> None:
    folder = DEPLOY / "prometheus"
    assert "rules found" in run("promtool", "check", "rules", folder / "alerts.yaml")
    run("promtool", "check", "config", folder / "prometheus.yaml")
    assert "SUCCESS" in run("promtool", "test", "rules", folder / "alerts.test.yaml")


def test_the_proxy_takes_its_configuration() -> None:
    addresses = {"LISTEN": ":8788", "BRIDGE_1": "127.0.0.1:1", "BRIDGE_2": "127.0.0.1:2"}
    assert "valid" in run("haproxy", "-c", "-f", DEPLOY / "compose/haproxy.cfg", **addresses)


def test_systemd_takes_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    unit = tmp_path / "ec2bridge.service"
    text = (DEPLOY / "systemd/ec2bridge.service").read_text()
    unit.write_text(text.replace("/opt/ec2bridge/bin/ec2bridge", "/bin/true"))
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""
    assert "OK" in run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert run("hadolint", ROOT / "Dockerfile") == ""


@pytest.mark.parametrize("case", CASES)
def test_the_charts_objects_are_kubernetes(case: str, tmp_path: Path) -> None:
    documents = rendered(*CASES[case])
    for number, document in enumerate(documents):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(document))
        run("kubernetes-validate", "--strict", "--version", "1.33", file)
    kinds = {document["kind"] for document in documents}
    assert {"Deployment", "Service", "ConfigMap"} <= kinds


@pytest.mark.parametrize("case", CASES)
def test_the_charts_settings_are_ours(case: str) -> None:
    documents = {document["kind"]: document for document in rendered(*CASES[case])}
    settings = tomllib.loads(documents["ConfigMap"]["data"]["ec2bridge.toml"])
    loaded = config.load(**settings, service_api_key="key", service_secret_key="secret")
    assert loaded.cloudstack_url == "https://cloud.example/client/api"
    if case == "everything":
        assert loaded.zones == {"us-east-1a": "sim-adv"}
        assert loaded.default_networks == {"sim-adv": "0b9f"}
        assert [str(network) for network in loaded.trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32"]
    [container] = documents["Deployment"]["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        assert variable["name"].removeprefix(config.PREFIX).lower() in config.Settings.model_fields


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([PLAIN[0]], "several replicas share a PostgreSQL"),
        ([*PLAIN, "persistence.enabled=true"], "persistence is for one replica"),
        ([PLAIN[0], "replicas=1"], "the store would be lost with the pod"),
        (["replicas=1"], "cloudstack_url"),
        ([*PLAIN, "secrets.AWS_KEY=x"], "AWS_KEY"),
        ([*PLAIN, "replica=1"], "replica"),
        ([*PLAIN, "ingress.enabled=true"], "the name that clients sign for"),
    ],
)
def test_the_chart_refuses_what_would_not_work(values: list[str], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        rendered(*values)


def test_helm_finds_nothing_in_the_chart() -> None:
    sets = [word for value in PLAIN for word in ("--set", value)]
    run("helm", "lint", "--strict", DEPLOY / "helm/ec2bridge", "--kube-version", "1.33.0", *sets)


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    return loaded


def test_the_compose_files_settings_are_ours() -> None:
    environment = compose()["services"]["bridge-1"]["environment"]
    plain = {
        name.removeprefix(config.PREFIX).lower(): re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        for name, value in environment.items()
    }
    settings = config.load(**plain)
    assert settings.service_api_key == demo_key("keylookup api key")
    assert settings.service_secret_key is not None
    assert settings.service_secret_key.get_secret_value() == demo_key("keylookup secret key")
    assert settings.store == "postgresql://ec2bridge:ec2bridge@postgresql/ec2bridge"


def test_compose_takes_its_file() -> None:
    read = yaml.safe_load(run("compose-check", DEPLOY / "compose/compose.yaml"))
    assert set(read["services"]) == {"bridge-1", "bridge-2", "postgresql", "proxy", "simulator"}


def test_the_versions_are_one() -> None:
    chart = yaml.safe_load((DEPLOY / "helm/ec2bridge/Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == __version__


def test_yamllint_finds_nothing() -> None:
    rules = "{extends: default, rules: {line-length: {max: 160}, document-start: disable, braces: disable,"
    rules += " brackets: disable, comments: {min-spaces-from-content: 1}}}"
    files = [*DEPLOY.glob("compose/*.yaml"), *DEPLOY.glob("prometheus/*.yaml"), *DEPLOY.glob("helm/*/*.yaml")]
    run("yamllint", "--strict", "-d", rules, *files)


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    from ec2bridge.serving.metrics import Metrics

    board = json.loads((DEPLOY / "grafana/ec2bridge.json").read_text())
    asked = re.findall(
        r"\b(?:ec2bridge|process)_\w+", json.dumps([panel["targets"] for panel in board["panels"]])
    )
    rules = (DEPLOY / "prometheus/alerts.yaml").read_text()
    asked += re.findall(r"\b(?:ec2bridge|process)_\w+", rules)
    known = {family.name for family in Metrics().registry.collect()} | STATE
    unknown = {name for name in asked if re.sub(r"_(total|bucket|count|sum)$", "", name) not in known}
    assert unknown == set()


STATE = {
    "ec2bridge_cache_entries",
    "ec2bridge_certificate_expires_timestamp_seconds",
    "ec2bridge_cloudstack_clock_offset_seconds",
    "ec2bridge_cloudstack_up",
    "ec2bridge_jobs_waiting",
    "ec2bridge_service_key_valid",
    "ec2bridge_store_entries",
    "ec2bridge_store_up",
    "ec2bridge_tasks",
}
"""What is shown of a running bridge alone."""
