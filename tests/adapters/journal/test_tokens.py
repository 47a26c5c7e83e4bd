"""API tokens."""

import psycopg

from adapters.journal.postgres import PostgresJournal


async def test_a_token_names_its_owner_and_only_its_hash_is_kept(journal: PostgresJournal, database_url: str) -> None:
    await journal.add_token("secret-token", "ada", "admin", "laptop")
    assert await journal.owner_of("secret-token") == ("ada", "admin")
    assert await journal.owner_of("another") is None
    assert await journal.owner_of("\udce9") is None
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await (await connection.execute("SELECT tokens::text FROM tokens")).fetchall()
    assert len(rows) == 1
    assert "secret-token" not in rows[0][0]


async def test_adding_a_token_again_changes_its_role(journal: PostgresJournal) -> None:
    await journal.add_token("t", "ada", "admin", "laptop")
    await journal.add_token("t", "ada", "viewer", "laptop")
    assert await journal.owner_of("t") == ("ada", "viewer")
