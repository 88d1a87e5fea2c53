// Reads through the SQL endpoint with clickhouse-go over HTTP, as Grafana's ClickHouse plugin does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func main() {
	address, password := os.Args[1], os.Args[2]
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{address},
		Auth:        clickhouse.Auth{Database: "neurorail", Username: "reader", Password: password},
		Protocol:    clickhouse.HTTP,
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		DialTimeout: 10 * time.Second,
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must(db.PingContext(ctx))
	rows, err := db.QueryContext(ctx, "SELECT event_type, count() AS n, max(timestamp) FROM neurorail_audit GROUP BY event_type ORDER BY event_type")
	must(err)
	counts := map[string]uint64{}
	for rows.Next() {
		var name string
		var count uint64
		var at time.Time
		must(rows.Scan(&name, &count, &at))
		counts[name] = count
	}
	must(rows.Err())
	spans, err := db.QueryContext(ctx, "SELECT *, map('k', [1, 2]) AS m, tuple(1, 'a') AS t, toNullable('n') AS n, toDecimal64(1.5, 3) AS d, toLowCardinality(toNullable('l')) AS l FROM otel_traces ORDER BY Timestamp LIMIT 3")
	must(err)
	columns, err := spans.Columns()
	must(err)
	read := 0
	for spans.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		must(spans.Scan(values...))
		read++
	}
	must(spans.Err())
	_, err = db.ExecContext(ctx, "SELECT * FROM url('http://127.0.0.1/', 'CSV')")
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{"counts": counts, "spans": read, "refused": fmt.Sprint(err)}))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
