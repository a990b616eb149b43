"""The conformance kit: what every method, data set and metric must do to be compared.

    bench check NAME|file.py:Class

or in a test suite, for a method of one's own:

    from bench.conformance import checks
    @pytest.mark.parametrize("check", checks(MyMethod), ids=str)
    def test_conformance(check): check()
"""

from bench.conformance.kit import Check as Check
from bench.conformance.kit import Outcome as Outcome
from bench.conformance.kit import checks as checks
from bench.conformance.kit import run_checks as run_checks
from bench.conformance.subject import ConformanceError as ConformanceError
