"""Where the time of a frame goes: frames to look at, stacks by stage and kind of code, flame graph."""
