"""Computing it: one coordinator, a pool of worker processes, one job at a time in each."""
