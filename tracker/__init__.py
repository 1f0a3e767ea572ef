"""People in a frame: detection, association and pose."""

import os

# Since 1.29 ONNX Runtime gives the machine an id and reports models, speed and errors to its maker, unless it
# is told not to before it is loaded (its docs/Privacy.md). Every module that loads it is in this package or
# loads it through `tracker.runtime`, so that this line comes first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
