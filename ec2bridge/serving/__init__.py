"""What stands around the bridge in its process: logs, metrics, health, limits, certificates, traces."""
