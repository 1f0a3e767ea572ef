"""Training and evaluation of the action model; needs the extra `posewatch[train]`."""
