"""The archive: carries inbox records and events into ClickHouse, in batches, each exactly once."""
