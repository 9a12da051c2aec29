"""Jobs as a client sees them."""

from __future__ import annotations

from ec2bridge.simulator.call import Call, account_label
from ec2bridge.simulator.errors import invalid, no_permission
from ec2bridge.simulator.jobs import PENDING, shown
from ec2bridge.simulator.registry import Answer, command


@command("queryAsyncJobResult")
def query_async_job_result(call: Call) -> Answer:
    job = call.entity("jobid", check=False)
    if job is None:
        raise invalid("Expected parameter job id or parameters resource type and resource id")
    if not call.may_use(job):
        raise no_permission(
            f"Account {account_label(call.caller.account)} is not authorized to see job id={job['_number']}"
        )
    return shown(job)


@command("listAsyncJobs")
def list_async_jobs(call: Call) -> Answer:
    # Finished jobs are not listed.
    rows = [job for job in call.visible(call.cloud.tables["jobs"]) if job["jobstatus"] == PENDING]
    return call.page("asyncjobs", rows, render=shown)
