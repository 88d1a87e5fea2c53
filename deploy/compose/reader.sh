#!/bin/sh
# Makes the roles, and the user `reader`. May run any number of times.
set -eu
client() { clickhouse-client --host clickhouse --user neurorail --password "$CLICKHOUSE_PASSWORD" "$@"; }
client --multiquery --param_database=neurorail < /roles.sql
hash=$(printf %s "$CLICKHOUSE_READER_PASSWORD" | sha256sum | cut -d ' ' -f 1)
client --query "CREATE USER IF NOT EXISTS reader IDENTIFIED WITH sha256_hash BY '$hash' DEFAULT ROLE neurorail_reader"
client --query "ALTER USER reader IDENTIFIED WITH sha256_hash BY '$hash'"
client --query "GRANT neurorail_reader TO reader"
