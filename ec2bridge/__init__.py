"""An AWS EC2 endpoint for Apache CloudStack clouds."""

__version__ = "0.1.0"
