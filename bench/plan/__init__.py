"""What will be computed: the protocol of each pair, its trials, the cells that are missing, the jobs they become."""
