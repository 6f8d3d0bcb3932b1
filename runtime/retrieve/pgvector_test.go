package retrieve

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testpostgres"
)

// TestPGVectorConforms runs against PGlite. All its connections share one session,
// so that statements cannot have names; the pool's other ways with statements are
// pgx's own affair.
func TestPGVectorConforms(t *testing.T) {
	dsn := testpostgres.StartPGVector(t)
	var tables atomic.Int64
	for _, tt := range []struct {
		name, idType, mode string
		poolSize           int
	}{
		{name: "text as key", idType: "text", mode: "exec", poolSize: 4},
		{name: "uuid as key", idType: "uuid", mode: "exec", poolSize: 4},
		{name: "values in binary", idType: "text", mode: "describe_exec", poolSize: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testConformance(t, fixture{open: func(t *testing.T) Store {
				table := fmt.Sprintf("passages_%d", tables.Add(1))
				testpostgres.Exec(t, dsn, fmt.Sprintf(`CREATE TABLE %[1]s (id %s PRIMARY KEY, content text, embedding vector(4), metadata jsonb);
					CREATE INDEX ON %[1]s USING gin (metadata)`, table, tt.idType))
				cfg := config.PGVector{
					DSNFile: secretFile(t, dsn+"&default_query_exec_mode="+tt.mode+"\n"), Table: "public." + table, IDColumn: "id", TextColumn: "content",
					VectorColumn: "embedding", MetadataColumn: "metadata", PoolSize: tt.poolSize,
				}
				store, err := openPGVector(cfg, testRemote("pgvector", 10*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				return store
			}})
		})
	}
}
