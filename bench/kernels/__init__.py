"""`bench kernels`: the derivatives of decoders, timed side by side.

Needs torch, numpy, scikit-learn and pytest-benchmark; MLflow only where its run is wanted.
"""
