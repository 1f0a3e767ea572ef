"""What runs in the other environment; nothing of posewatch imports it."""
