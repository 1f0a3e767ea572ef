"""Where the time of a frame goes: profiled frames, stacks sorted by stage and by kind of code, flame graph."""
