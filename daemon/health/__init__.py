"""How the service is, told to others: over HTTP, as statistics, as a table and in the log."""

from daemon.health.server import HealthServer

__all__ = ["HealthServer"]
