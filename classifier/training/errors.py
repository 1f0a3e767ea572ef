"""What can go wrong in training."""

from __future__ import annotations

__all__ = ["TrainingError"]


class TrainingError(Exception):
    """Training cannot start or finish; one line that says what to do."""
