"""How many cameras this machine carries: unit costs measured in a short run, and a model of what follows."""
