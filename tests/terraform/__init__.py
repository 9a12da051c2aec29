"""What becomes of each resource of Terraform's AWS provider: `python -m tests.terraform` runs them all."""
