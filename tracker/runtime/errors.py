"""What can be wrong with a model, and with what is to run it."""

from __future__ import annotations

__all__ = ["MissingModelError", "ModelError", "ProviderError"]


class ModelError(Exception):
    """A model file is missing, damaged or of a kind that cannot be used; one line, names the file."""


class MissingModelError(ModelError):
    """A model that can be fetched is not there yet: the next attempt may find it."""


class ProviderError(ModelError):
    """What is to run the models is not installed, or does not work here; one line that says what to do."""
