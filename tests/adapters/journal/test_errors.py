"""The border to psycopg."""

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from adapters.journal.errors import perdure_error, translated
from domain.errors import Conflict, InvalidRequest, NotFound, OutOfSpace, PerdureError, StorageUnavailable

NAMED: dict[type[psycopg.Error], type[PerdureError]] = {
    errors.DiskFull: OutOfSpace,
    errors.AdminShutdown: StorageUnavailable,
    errors.CrashShutdown: StorageUnavailable,
    errors.CannotConnectNow: StorageUnavailable,
    errors.TooManyConnections: StorageUnavailable,
    errors.ConnectionTimeout: StorageUnavailable,
    errors.OutOfMemory: StorageUnavailable,
    errors.DeadlockDetected: StorageUnavailable,
    errors.UndefinedTable: StorageUnavailable,
    errors.NoDataFound: NotFound,
    errors.ForeignKeyViolation: NotFound,
    errors.UniqueViolation: Conflict,
    errors.UntranslatableCharacter: InvalidRequest,
    psycopg.OperationalError: StorageUnavailable,
    PoolTimeout: StorageUnavailable,
    PoolClosed: StorageUnavailable,
    TooManyRequests: StorageUnavailable,
}


def all_below(root: type[psycopg.Error]) -> set[type[psycopg.Error]]:
    return {root}.union(*(all_below(child) for child in root.__subclasses__()))


def test_every_error_of_psycopg_becomes_one_of_ours() -> None:
    found = all_below(psycopg.Error)
    assert len(found) > 250
    for failure in found:
        with pytest.raises(PerdureError) as caught, translated():
            raise failure("what it said")
        assert caught.value.message


@pytest.mark.parametrize(("failure", "ours"), NAMED.items(), ids=lambda one: one.__name__)
def test_errors_that_matter_have_their_own_meaning(failure: type[psycopg.Error], ours: type[PerdureError]) -> None:
    assert type(perdure_error(failure("what it said"))) is ours
