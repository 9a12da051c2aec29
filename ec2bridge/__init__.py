"""An AWS EC2 endpoint for Apache CloudStack clouds."""
