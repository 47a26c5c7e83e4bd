"""The border: psycopg's failures become ours."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from domain.errors import Conflict, InvalidRequest, NotFound, OutOfSpace, PerdureError, StorageUnavailable

_FULL = (errors.DiskFull, errors.ConfigurationLimitExceeded)
_UNREACHABLE = "The database cannot be reached or cannot answer now"
_REMEDY = "Perdure goes on by itself when it is back; `perdure doctor` says what is wrong with it."


@contextmanager
def translated() -> Generator[None]:
    try:
        yield
    except psycopg.Error as failure:
        raise perdure_error(failure) from failure


def perdure_error(failure: psycopg.Error) -> PerdureError:
    """Ours for any failure of psycopg: a defect in our own SQL is ours too, and shows as StorageUnavailable."""
    said = str(failure).strip() or type(failure).__name__
    if isinstance(failure, _FULL):
        return OutOfSpace(f"The database has no space left: {said}", "Free space on the database's disk.")
    if isinstance(failure, errors.NoDataFound | errors.ForeignKeyViolation):
        return NotFound("There is no such run", "`perdure ls` lists the runs.")
    if isinstance(failure, errors.UniqueViolation):
        return Conflict(f"It exists already: {said}")
    if isinstance(failure, psycopg.DataError) and not isinstance(failure, errors.NoData):
        return InvalidRequest(f"The database cannot hold this value: {said}", "Send it without that.")
    if isinstance(failure, PoolTimeout | PoolClosed | TooManyRequests | psycopg.OperationalError):
        return StorageUnavailable(f"{_UNREACHABLE}: {said}", _REMEDY)
    return StorageUnavailable(f"The database refused a statement of ours: {type(failure).__name__}: {said}", _REMEDY)
