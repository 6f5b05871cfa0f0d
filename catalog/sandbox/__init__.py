"""A place for statements and pictures of strangers: processes that can read the tables and nothing else.

Layers from outside in: `pool.py` (the server's side), `template.py` (a process with everything loaded, which forks),
`child.py` (what a fork does), `statements.py`, `privileges.py`, `landlock.py` (what it may do).
"""

from catalog.sandbox.limits import MB, Limits
from catalog.sandbox.pool import Outcome, QueryPool

__all__ = ["MB", "Limits", "Outcome", "QueryPool"]
