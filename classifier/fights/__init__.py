"""Whether people fight: places where they move close together, watched as small pictures by a network."""
