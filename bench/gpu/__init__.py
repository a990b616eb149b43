"""`make gpu`: all that waits for a GPU, in one command of at most nine minutes.

Needs torch, numpy, scipy, scikit-learn and psutil, and a checkout, which has the tests; a part that needs more says so
where that is absent, and the others go on.
"""
