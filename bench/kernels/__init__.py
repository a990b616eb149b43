"""`bench kernels`: the derivatives of decoders, timed side by side.

Needs torch, numpy, scipy and scikit-learn for what is timed, pytest-benchmark, pandas, pyarrow, matplotlib, rich and
psutil for the timing and its report; MLflow only where its run is wanted.
"""
