"""The store: one way to open ClickHouse, embedded or served, its migrations and its reads."""
