"""`posewatch record`: takes of one action of one person, from any source, for training."""
