"""Parts of the soak: footage, servers and relays, faults, the witness, samples and the report."""
