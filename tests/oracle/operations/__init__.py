"""The operations, an entry for each: `OPERATIONS` has them by name."""

from tests.oracle.operations.groups import GROUPS
from tests.oracle.operations.joins import JOINS
from tests.oracle.operations.operation import Operation
from tests.oracle.operations.several import SEVERAL
from tests.oracle.operations.singles import SINGLES
from tests.oracle.operations.tables import TABLES

OPERATIONS: dict[str, Operation] = {**SINGLES, **GROUPS, **SEVERAL, **JOINS, **TABLES}

__all__ = ["OPERATIONS", "Operation"]
