"""Many tables -> what each law needs of each; a table that cannot be read has a status and hurts no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxscale.batch import Table, table_of, tables_of
from jaxscale.errors import ConfigError, DataError
from jaxscale.law import Law
from jaxscale.noise import Noise
from jaxscale.readers import read_runs
from jaxscale.runs import Runs
from jaxscale.status import Status


def read_tables(tables: Mapping[str, Any] | Runs, law: Law, noise: Noise | None = None) -> dict[str, Table | Status]:
    """Every table by id.

    Args:
        tables: id -> Runs, path or DataFrame; or one Runs with a group column.
        law: whose inputs and response are wanted.
        noise: whose further columns are wanted.

    Raises:
        ConfigError: there is no table, or one Runs has no group column.
        DataError: none of the tables can be read.
    """
    if isinstance(tables, Runs):
        try:
            found: dict[str, Table | Status] = dict(tables_of(tables, law, noise))
        except DataError:  # of some group: find out which
            found = {name: _read(runs, law, noise) for name, runs in tables.groups().items()}
    elif isinstance(tables, Mapping):
        found = {str(name): _read(table, law, noise) for name, table in tables.items()}
        if len(found) < len(tables):
            raise ConfigError("two tables have the same id as text; give each an id of its own")
    else:
        raise ConfigError("tables are a mapping of ids to runs, or one Runs read with group='column'")
    if not found:
        raise ConfigError("there is no table to fit")
    if all(isinstance(table, Status) for table in found.values()):
        first = next(iter(tables.groups().values() if isinstance(tables, Runs) else tables.values()))
        table_of(first if isinstance(first, Runs) else read_runs(first), law, noise)  # raises what is wrong
    return found


def _read(table: Any, law: Law, noise: Noise | None) -> Table | Status:
    try:
        return table_of(table if isinstance(table, Runs) else read_runs(table), law, noise)
    except DataError as error:
        return Status(
            False, "cannot_be_read", f"Cannot be read: {error}", "Correct the table; the others are not touched."
        )
