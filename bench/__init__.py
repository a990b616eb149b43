"""latentbench: compares representation-learning methods by the geometry of what they learn."""

from bench.suite import registry as registry
