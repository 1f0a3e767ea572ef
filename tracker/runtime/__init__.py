"""ONNX Runtime: sessions, what runs them, and who shares them."""

from tracker.runtime.errors import MissingModelError, ModelError, ProviderError
from tracker.runtime.pool import SessionPool
from tracker.runtime.providers import CPU, PRECISIONS, PROVIDERS, Provider
from tracker.runtime.sessions import OpenSession, Session, create_session

__all__ = [
    "CPU",
    "PRECISIONS",
    "PROVIDERS",
    "MissingModelError",
    "ModelError",
    "OpenSession",
    "Provider",
    "ProviderError",
    "Session",
    "SessionPool",
    "create_session",
]
