"""Migration bookkeeping: the tables in which a migration tool notes what it has done to a database.

Their rows say how the schema was built. They are state of the schema, not data about people, and an application that
finds them missing would migrate again: they are copied as they are, never learned, and no ``--scale`` applies to them.
``--exclude`` leaves them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from dbclone.schema.model import Schema, Table, TableKey

BOOKKEEPING: Mapping[str, tuple[Set[str], ...]] = {
    "__diesel_schema_migrations": (),
    "__drizzle_migrations": (),
    "__efmigrationshistory": (),  # Entity Framework Core
    "_prisma_migrations": (),
    "_sqlx_migrations": (),
    "_yoyo_log": (),
    "_yoyo_migration": (),
    "_yoyo_version": (),
    "aerich": ({"version", "app"},),  # Tortoise ORM
    "alembic_version": (),
    "ar_internal_metadata": (),  # Rails
    "atlas_schema_revisions": (),
    "changelog": ({"change_number", "applied_by"},),  # dbdeploy
    "databasechangelog": (),  # Liquibase
    "databasechangeloglock": (),
    "django_migrations": (),
    "doctrine_migration_versions": (),
    "flyway_schema_history": (),
    "goose_db_version": (),
    "gorp_migrations": (),
    "knex_migrations": (),
    "knex_migrations_lock": (),
    "kysely_migration": (),
    "kysely_migration_lock": (),
    "migration_versions": ({"version"},),  # Doctrine before 3
    "migrations": ({"migration", "batch"}, {"timestamp", "name"}, {"name", "run_on"}),  # Laravel, TypeORM, db-migrate
    "mikro_orm_migrations": (),
    "phinxlog": (),
    "pgmigrations": (),  # node-pg-migrate
    "playevolutions": (),
    "play_evolutions": (),
    "refinery_schema_history": (),
    "schema_info": ({"version"},),  # Sequel
    "schema_migrations": (),  # Rails, Ecto, golang-migrate, dbmate
    "schema_version": ({"version_rank", "installed_on"},),  # Flyway before 5
    "schemaversions": ({"scriptname", "applied"},),  # DbUp
    "seaql_migrations": (),
    "sequelizemeta": (),
    "sqitch_changes": (),
    "typeorm_metadata": (),
}
"""Names of bookkeeping tables in small letters. Where the name is a common word, one of the sets of columns must be
there."""


def copied_tables(schema: Schema) -> frozenset[TableKey]:
    """Return the tables whose rows are copied: bookkeeping that no foreign key ties to other tables."""
    referred = {key.parent for table in schema.tables for key in table.foreign_keys}
    return frozenset(
        table.key
        for table in schema.tables
        if _is_copied(table) and not table.foreign_keys and table.key not in referred
    )


def is_bookkeeping(key: TableKey) -> bool:
    """Whether a table is called like one of bookkeeping."""
    return key.rpartition(".")[2].strip('"').lower() in BOOKKEEPING


def _is_copied(table: Table) -> bool:
    wanted = BOOKKEEPING.get(table.name.lower())
    columns = {column.name.lower() for column in table.columns}
    return wanted is not None and (not wanted or any(names <= columns for names in wanted))
