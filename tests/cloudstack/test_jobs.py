"""Which job is whose."""

from ec2bridge.cloudstack.jobs import Jobs


def test_a_job_that_changes_the_database_alone_is_asked_for_sooner() -> None:
    jobs = Jobs()
    jobs.remember("1", "createTags", "UserVm")
    jobs.remember("2", "deployVirtualMachine")
    assert jobs.first_pause("1") < jobs.first_pause("2") == jobs.first_pause("another bridge's")
