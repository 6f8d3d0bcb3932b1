// Package usercontext looks up what is known about the user who asks. It knows
// nothing of prompts, caches or HTTP handlers, and only reads.
package usercontext

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/postgres"
	"ragops.dev/ragservice/runtime/upstream"
)

// maxBytes bounds what is known about one user: it is part of every prompt, and a
// query that returns more is not what was meant.
const maxBytes = 8 << 10

// Postgres asks a query of PostgreSQL. Make one with [Open].
type Postgres struct {
	pool     *postgres.Pool
	query    string
	timeout  time.Duration
	upstream *upstream.Upstream
}

// Open reads the connection string and connects to nobody: a server that is gone
// fails look-ups, not the start. A connection string that changes is used for the
// next look-up.
func Open(cfg config.UserContext, upstreams *upstream.Registry) (*Postgres, error) {
	p := cfg.Postgres
	pool, err := postgres.Open(p.DSNFile, p.PoolSize, nil)
	if err != nil {
		return nil, fmt.Errorf("userContext: %w", err)
	}
	return &Postgres{pool: pool, query: p.Query, timeout: p.Timeout, upstream: upstreams.New("postgres")}, nil
}

// Connect opens a connection to the server ahead of the first look-up.
func (p *Postgres) Connect(ctx context.Context) error {
	return postgres.Error(ctx, p.pool.Conns().Ping(ctx))
}

// Lookup returns the rows of the configured query with $1 as the user's id: one
// line "column: value" for each value that is not null, an empty line between
// rows, cut after 8 KiB. A user without rows, as one without id, is "". The error
// is an [*upstream.Error] or [context.Canceled], and comes within the configured
// timeout.
func (p *Postgres) Lookup(ctx context.Context, userID string) (string, error) {
	if userID == "" {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return upstream.Do(ctx, p.upstream, func(ctx context.Context) (string, error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		// Values as text, which PostgreSQL has for every type.
		rows, err := p.pool.Conns().Query(ctx, p.query, pgx.QueryResultFormats{pgx.TextFormatCode}, userID)
		if err != nil {
			return "", postgres.Error(ctx, err)
		}
		defer rows.Close()
		var text strings.Builder
		for rows.Next() {
			writeRow(&text, rows)
			if text.Len() > maxBytes {
				stop() // costs the connection; to read the rest might cost more
				return cut(text.String()), nil
			}
		}
		if err := rows.Err(); err != nil {
			return "", postgres.Error(ctx, err)
		}
		return text.String(), nil
	})
}

func writeRow(text *strings.Builder, rows pgx.Rows) {
	values := rows.RawValues()
	first := true
	for i, column := range rows.FieldDescriptions() {
		if values[i] == nil {
			continue
		}
		if first && text.Len() > 0 {
			text.WriteByte('\n')
		}
		first = false
		value := string(bytes.Join(bytes.Fields(values[i]), []byte(" ")))
		if column.DataTypeOID == pgtype.BoolOID {
			value = map[string]string{"t": "true", "f": "false"}[value]
		}
		fmt.Fprintf(text, "%s: %s\n", column.Name, value)
	}
}

// cut shortens a text to maxBytes at the end of a line, or where there is none,
// of a character.
func cut(text string) string {
	text = text[:maxBytes]
	if end := strings.LastIndexByte(text, '\n'); end >= 0 {
		return text[:end+1]
	}
	return strings.ToValidUTF8(text, "")
}

// Close waits for look-ups under way and closes the connections.
func (p *Postgres) Close() { p.pool.Close() }
