package retrieve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"
	pgvectorpgx "github.com/pgvector/pgvector-go/pgx"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/postgres"
)

// pgVector searches a table of PostgreSQL with the pgvector extension by cosine
// distance, which an index with vector_cosine_ops serves. The table has a text or
// uuid column as key, a text, a vector and a jsonb column.
type pgVector struct {
	remote
	pool *postgres.Pool
	// The statements, up to where a filter goes.
	table, id, text, vector, metadata string
}

var _ Writer = (*pgVector)(nil)

func openPGVector(cfg config.PGVector, r remote) (*pgVector, error) {
	pool, err := postgres.Open(cfg.DSNFile, cfg.PoolSize, pgvectorpgx.RegisterTypes)
	if err != nil {
		return nil, err
	}
	return &pgVector{
		remote: r, pool: pool,
		table:    pgx.Identifier(strings.Split(cfg.Table, ".")).Sanitize(),
		id:       pgx.Identifier{cfg.IDColumn}.Sanitize(),
		text:     pgx.Identifier{cfg.TextColumn}.Sanitize(),
		vector:   pgx.Identifier{cfg.VectorColumn}.Sanitize(),
		metadata: pgx.Identifier{cfg.MetadataColumn}.Sanitize(),
	}, nil
}

// Connect opens a connection to the server ahead of the first search.
func (s *pgVector) Connect(ctx context.Context) error {
	return postgres.Error(ctx, s.pool.Conns().Ping(ctx))
}

// Search implements [Store].
func (s *pgVector) Search(ctx context.Context, query Query) ([]Passage, error) {
	args := sqlArgs{values: []any{pgvector.NewVector(query.Vector), query.TopK}}
	where := ""
	if query.Filter != nil {
		where = " WHERE " + query.Filter.sql(s.metadata, &args)
	}
	statement := fmt.Sprintf("SELECT %s::text, coalesce(%s, ''), %s, 1 - (%s <=> $1) FROM %s%s ORDER BY %s <=> $1 LIMIT $2",
		s.id, s.text, s.metadata, s.vector, s.table, where, s.vector)
	return ask(ctx, s.remote, func(ctx context.Context) ([]Passage, error) {
		rows, err := s.pool.Conns().Query(ctx, statement, args.values...)
		if err != nil {
			return nil, postgres.Error(ctx, err)
		}
		matches, err := pgx.CollectRows(rows, scanMatch)
		if err != nil {
			return nil, postgres.Error(ctx, err)
		}
		return passages(matches, textKey, query)
	})
}

// textKey is where a row's text is put among its metadata; no key of a filter
// and none of a JSON object in the table can be it.
const textKey = "\x00text"

func scanMatch(row pgx.CollectableRow) (match, error) {
	var m match
	var text string
	var score *float64 // null for a vector of length zero
	if err := row.Scan(&m.id, &text, &m.fields, &score); err != nil {
		return match{}, invalid("read a row: %w", err)
	}
	if m.fields == nil {
		m.fields = map[string]any{}
	}
	m.fields[textKey] = text
	if score != nil {
		m.score = *score
	}
	return m, nil
}

// Upsert implements [Writer]. All records are written or none.
func (s *pgVector) Upsert(ctx context.Context, records []Record) error {
	statement := fmt.Sprintf("INSERT INTO %[1]s (%[2]s, %[3]s, %[4]s, %[5]s) VALUES ($1, $2, $3, $4) "+
		"ON CONFLICT (%[2]s) DO UPDATE SET %[3]s = EXCLUDED.%[3]s, %[4]s = EXCLUDED.%[4]s, %[5]s = EXCLUDED.%[5]s",
		s.table, s.id, s.text, s.vector, s.metadata)
	return tell(ctx, s.remote, func(ctx context.Context) error {
		batch := &pgx.Batch{} // one implicit transaction
		for _, r := range records {
			metadata, err := json.Marshal(maps.Collect(maps.All(r.Metadata))) // nil becomes {}
			if err != nil {
				return rejected(err)
			}
			batch.Queue(statement, r.ID, r.Text, pgvector.NewVector(r.Vector), string(metadata))
		}
		return postgres.Error(ctx, s.pool.Conns().SendBatch(ctx, batch).Close())
	})
}

// Delete implements [Writer].
func (s *pgVector) Delete(ctx context.Context, ids []string) error {
	return s.exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s = ANY($1)", s.table, s.id), ids)
}

// DeleteWhere implements [Writer].
func (s *pgVector) DeleteWhere(ctx context.Context, filter *Filter) error {
	if filter == nil {
		return errNoFilter
	}
	var args sqlArgs
	return s.exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s", s.table, filter.sql(s.metadata, &args)), args.values...)
}

func (s *pgVector) exec(ctx context.Context, statement string, args ...any) error {
	return tell(ctx, s.remote, func(ctx context.Context) error {
		_, err := s.pool.Conns().Exec(ctx, statement, args...)
		return postgres.Error(ctx, err)
	})
}

// Close implements [Store].
func (s *pgVector) Close() error {
	s.pool.Close()
	return nil
}
