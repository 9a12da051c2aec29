"""The repository's Jenkinsfile, run whole by a runner in Groovy: builds that hold, and builds that must not.

A build drives one client of the suite through `make compat`, in a workspace as an agent has it: a copy of the tree,
with what `make` installs already there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from story import ACCESS_KEY, ENDPOINT, IMAGE, REGION, SECRET_KEY, TYPE, ZONE, finish, say, step

ROOT = Path(__file__).parents[3]
RUNNER = Path(__file__).with_name("groovy") / "jenkinsfile.groovy"
LEFT = shutil.ignore_patterns(
    ".git", ".venv*", ".compat", "build", "dist", "compat-report", ".*_cache", ".hypothesis", "__pycache__"
)
place = Path(tempfile.mkdtemp(prefix="jenkinsfile-"))
workspace = place / "workspace"
named = {"ENDPOINT": ENDPOINT, "REGION": REGION, "IMAGE": IMAGE, "ZONE": ZONE, "INSTANCE_TYPE": TYPE}
named.update(KEYS="keys", INSTALL="false")
KEYS = {"CREDENTIALS_ID": "keys", "CREDENTIALS_USERNAME": ACCESS_KEY, "CREDENTIALS_PASSWORD": SECRET_KEY}
OURS = re.compile(r"AWS_|EC2BRIDGE_|MAKE|MFLAGS|PYTEST_|CREDENTIALS_")
"""What this process knows of its own endpoint, and of the `make` that runs it."""


def checked_out():
    """Make the workspace. Its interpreter has what the suite's has, so that `make` finds nothing to install."""
    shutil.copytree(ROOT, workspace, ignore=LEFT)
    venv.create(workspace / ".venv", with_pip=False, symlinks=True)
    there = next((workspace / ".venv").glob("lib/*/site-packages"))
    (there / "suite.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    (workspace / ".venv" / ".installed").touch()


def built(name, expected="SUCCESS", credentials=KEYS, **parameters):
    """Run a build; return its log and its archive, when it ends as expected."""
    clean = {key: value for key, value in os.environ.items() if not OURS.match(key)}
    words = [f"{key}={value}" for key, value in {"ONLY": "boto3", **parameters}.items()]
    archive = place / name
    ran = subprocess.run(
        [
            "java",
            "-cp",
            sys.argv[1],
            "groovy.ui.GroovyMain",
            str(RUNNER),
            str(workspace),
            str(archive),
            *words,
        ],
        env={**clean, **credentials},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    say("\n".join(f"  {name}: {line}" for line in ran.stdout.splitlines()))
    ending = ran.stdout.rstrip().rpartition("\n")[2]
    assert (ending, ran.returncode == 0) == (f"Finished: {expected}", expected == "SUCCESS"), ending
    return ran.stdout, archive / "compat-report"


def holds(log, report):
    """See that the build read the reports, and archived them."""
    assert re.search(r"^Test results: [1-9]\d* tests, 0 failed$", log, re.MULTILINE), "no report was read"
    board = json.loads((report / "board.json").read_text())
    assert (report / "junit.xml").exists()
    assert (report / "board.html").exists()
    assert "boto3" in json.dumps(board)


with step("embedded"):
    checked_out()
    holds(*built("embedded"))

with step("endpoint"):
    log, report = built("endpoint", **named)
    holds(log, report)
    assert f"--endpoint '{ENDPOINT}'" in log, "the endpoint is not in the command"
    assert ACCESS_KEY not in log, "the log has the access key"
    assert SECRET_KEY not in log, "the log has the secret key"

with step("red"):
    log, report = built("red", "FAILURE", {**KEYS, "CREDENTIALS_PASSWORD": "none"}, **named)
    assert re.search(r"^Test results: \d+ tests, [1-9]\d* failed$", log, re.MULTILINE), "no failure was read"
    assert (report / "junit.xml").exists()
    log, report = built("stranger", "FAILURE", {}, **named)
    assert "Could not find credentials entry with ID 'keys'" in log

with step("unknown-step"):
    file = workspace / "Jenkinsfile"
    file.write_text(file.read_text().replace("steps {", "steps {\n                unheardOf 'of'", 1))
    log, report = built("unknown-step", "FAILURE")
    assert "unheardOf" in log
    assert "make compat" not in log

shutil.rmtree(place, ignore_errors=True)
finish()
