"""latentbench: compares representation-learning methods by the geometry of what they learn."""

from bench.library import Results as Results
from bench.library import load_results as load_results
from bench.library import run as run
from bench.suite import registry as registry
