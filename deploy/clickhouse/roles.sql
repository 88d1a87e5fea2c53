-- Roles of the database of NeuroRail, on a ClickHouse server. On a cluster put ON CLUSTER '{cluster}' behind
-- every name, or use a replicated access storage.
--   clickhouse-client --multiquery --param_database=neurorail < roles.sql
-- Users are yours to make: GRANT neurorail_server TO …; passwords belong into no file that is kept here.

-- The server itself: makes its tables, writes, and takes back a batch that an insert left half done.
CREATE ROLE IF NOT EXISTS neurorail_server;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, SELECT, INSERT, ALTER DELETE, ALTER UPDATE,
    ALTER TTL, ALTER INDEX, ALTER PROJECTION, ALTER VIEW, ALTER SETTINGS ON {database:Identifier}.*
    TO neurorail_server;
GRANT SELECT ON system.tables TO neurorail_server;
GRANT SELECT ON system.columns TO neurorail_server;

-- The server, where somebody else makes the tables (single.sql, replicated.sql): no DDL but retention.
CREATE ROLE IF NOT EXISTS neurorail_writer;
GRANT SELECT, INSERT, ALTER DELETE, ALTER UPDATE, ALTER TTL ON {database:Identifier}.* TO neurorail_writer;
GRANT SELECT ON system.tables TO neurorail_writer;
GRANT SELECT ON system.columns TO neurorail_writer;

-- Grafana, HyperDX and people: everything may be read, of every tenant.
CREATE ROLE IF NOT EXISTS neurorail_reader SETTINGS readonly = 2;
GRANT SELECT ON {database:Identifier}.* TO neurorail_reader;

-- Whoever verifies: the audit and what it is made from, and nothing that holds content.
CREATE ROLE IF NOT EXISTS neurorail_auditor SETTINGS readonly = 2;
GRANT SELECT ON {database:Identifier}.neurorail_audit TO neurorail_auditor;
GRANT SELECT ON {database:Identifier}.neurorail_migrations TO neurorail_auditor;

-- The audit trail is added to, and never changed by whoever writes it.
REVOKE ALTER DELETE, ALTER UPDATE, ALTER TTL, DROP TABLE ON {database:Identifier}.neurorail_audit FROM neurorail_server;
REVOKE ALTER DELETE, ALTER UPDATE, ALTER TTL ON {database:Identifier}.neurorail_audit FROM neurorail_writer;

-- Retention and erasure: granted to the server's user for the time of them, and taken back.
CREATE ROLE IF NOT EXISTS neurorail_keeper;
GRANT SELECT, ALTER DELETE, ALTER UPDATE ON {database:Identifier}.neurorail_audit TO neurorail_keeper;
