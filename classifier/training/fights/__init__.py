"""Trains what tells fights: `python -m classifier.training.fights`."""
