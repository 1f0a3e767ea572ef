"""Training of the bundled person detector (extra `train`)."""
