"""What workers are forked from: a process that has imported what each of them needs, and does nothing else.

multiprocessing's fork server imports this module, by its name, and then waits. A worker in place of one that
crashed, or the eighth of eight, so costs a fork and not seconds of imports, and shares the libraries' memory.
"""

from __future__ import annotations

from bench.running import job, stack_size
from bench.running.worker import die_with_the_parent
from methods import base
from metrics import reference

__all__ = ["base", "job"]

# To be imported is all that a fork server has its modules do. No thread may come of it: a fork has but one.
die_with_the_parent()
stack_size.warm_up()
reference.warm_up()
