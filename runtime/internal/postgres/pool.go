// Package postgres is what the user context and the pgvector store have in
// common: a pool of connections that follows a connection string in a file, and
// PostgreSQL's errors as errors of an upstream. It knows no table.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ragops.dev/ragservice/runtime/reload"
)

// Pool is a pool of connections. Make one with [Open].
type Pool struct {
	pool *pgxpool.Pool
	dsn  *reload.File[*pgxpool.Config]
	// used is what the newest connections were opened with.
	used atomic.Pointer[pgxpool.Config]
}

// Open makes a pool of at most size connections to the server named in the
// file. It opens none: a server that is gone fails queries, not the start. Setup,
// which may be nil, prepares each new connection. A connection string that
// changes is used for the next query.
func Open(dsnFile string, size int, setup func(context.Context, *pgx.Conn) error) (*Pool, error) {
	dsn, err := reload.Open(dsnFile, parseDSN)
	if err != nil {
		return nil, err
	}
	p := &Pool{dsn: dsn}
	p.used.Store(dsn.Get())
	config := dsn.Get().Copy()
	config.MaxConns = int32(size)
	config.MinConns = 0
	config.MinIdleConns = 0
	config.AfterConnect = setup
	config.BeforeConnect = func(_ context.Context, connection *pgx.ConnConfig) error {
		*connection = *dsn.Get().ConnConfig.Copy()
		return nil
	}
	// The context would be of connections made ahead, and there are none.
	p.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("make the pool: %w", err)
	}
	return p, nil
}

// parseDSN never shows the string: it holds a password.
func parseDSN(data []byte) (*pgxpool.Config, error) {
	text := string(bytes.TrimSpace(data))
	config, err := pgxpool.ParseConfig(text)
	if err != nil || text == "" {
		return nil, errors.New("is no connection string of PostgreSQL, such as postgres://user:password@host:5432/database")
	}
	if !strings.Contains(text, "connect_timeout") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	return config, nil
}

// connectTimeout takes the place of pgx's two minutes, unless the connection
// string says otherwise: a connection is made apart from the query that needs it,
// and closing the pool waits for it.
const connectTimeout = 5 * time.Second

// Conns gives access to the connections. After a change of the connection string
// the old ones are closed, those in use when they come back.
func (p *Pool) Conns() *pgxpool.Pool {
	now := p.dsn.Get()
	if before := p.used.Load(); before != now && p.used.CompareAndSwap(before, now) {
		p.pool.Reset()
	}
	return p.pool
}

// Close waits for the connections in use and closes all.
func (p *Pool) Close() { p.pool.Close() }
