"""Prometheus: ec2_sd_configs with `endpoint` finds machines and labels them; seen through its own HTTP API."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.request

from aws import aws, launched, machines
from story import (
    ACCESS_KEY,
    ENDPOINT,
    IMAGE,
    NAME,
    REGION,
    SECRET_KEY,
    TYPE,
    ZONE,
    finish,
    later,
    step,
    until,
)

CONFIG = """
scrape_configs:
  - job_name: machines
    ec2_sd_configs:
      - endpoint: %s
        region: %s
        access_key: %s
        secret_key: %s
        port: 9100
        refresh_interval: 2s
        filters:
          - name: tag:Name
            values: [%s]
          - name: instance-state-name
            values: [running]
"""

home = tempfile.mkdtemp(prefix="prometheus-")
later(shutil.rmtree, home)
with open(os.path.join(home, "prometheus.yml"), "w") as file:
    file.write(CONFIG % (ENDPOINT, REGION, ACCESS_KEY, SECRET_KEY, NAME))
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


def targets():
    url = "http://127.0.0.1:%d/api/v1/targets" % port
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = json.load(answer)["data"]["activeTargets"]
    except OSError:
        return {}
    return {
        target["discoveredLabels"]["__meta_ec2_instance_id"]: target["discoveredLabels"] for target in found
    }


with step("launch"):
    ids = sorted(launched(2, Name=NAME, role="test"))
    program = subprocess.Popen(
        [
            "prometheus",
            "--config.file=" + os.path.join(home, "prometheus.yml"),
            "--storage.tsdb.path=" + os.path.join(home, "data"),
            "--web.listen-address=127.0.0.1:%d" % port,
        ]
    )
    later(program.wait)
    later(program.terminate)

with step("describe"):
    until(lambda: sorted(targets()), ids, 90)

with step("labels"):
    known = {machine["InstanceId"]: machine for machine in machines(InstanceIds=ids)}
    for ident, labels in targets().items():
        machine = known[ident]
        expected = {
            "__address__": machine["PrivateIpAddress"] + ":9100",
            "__meta_ec2_private_ip": machine["PrivateIpAddress"],
            "__meta_ec2_ami": IMAGE,
            "__meta_ec2_instance_type": TYPE,
            "__meta_ec2_instance_state": "running",
            "__meta_ec2_availability_zone": ZONE,
            "__meta_ec2_region": REGION,
            "__meta_ec2_owner_id": machine["NetworkInterfaces"][0]["OwnerId"],
            "__meta_ec2_vpc_id": machine["VpcId"],
            "__meta_ec2_primary_subnet_id": machine["SubnetId"],
            "__meta_ec2_tag_Name": NAME,
            "__meta_ec2_tag_role": "test",
        }
        wrong = {name: labels.get(name) for name, value in expected.items() if labels.get(name) != value}
        assert not wrong, wrong
        assert labels["__meta_ec2_availability_zone_id"], labels

with step("terminate"):
    aws.terminate_instances(InstanceIds=ids)
    until(lambda: sorted(targets()), [], 90)

finish()
