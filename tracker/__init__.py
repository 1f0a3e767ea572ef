"""People in a frame: detection, association and pose."""
