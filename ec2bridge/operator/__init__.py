"""What an operator asks before and after the first start: `ec2bridge init`, `check` and `explain`.

All look at the cloud through the same client, settings and mappings as the bridge itself, and
change nothing in it but what they were told to make.
"""
