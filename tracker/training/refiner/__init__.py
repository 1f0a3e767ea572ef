"""Training of the bundled pose refiner (extra `train`): `python -m tracker.training.refiner`."""
