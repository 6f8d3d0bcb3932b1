package usercontext

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testpostgres"
	"ragops.dev/ragservice/runtime/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const schema = `
	CREATE TABLE user_preferences (user_id text, plan text, seats int, beta boolean, notes text, since date, extra jsonb, active boolean);
	INSERT INTO user_preferences VALUES
		('ada', 'gold', 5, true, E'likes\n  short answers', '2024-02-29', '{"lang": "en"}', true),
		('bob', 'free', NULL, NULL, NULL, NULL, NULL, true),
		('bob', 'gold', 1, false, NULL, NULL, NULL, true),
		('eve', 'gold', 1, false, NULL, NULL, NULL, false);
	CREATE TABLE numbered (id bigint, name text);
	INSERT INTO numbered VALUES (7, 'Seven');`

const guideQuery = "SELECT plan, seats, beta, notes, since, extra FROM user_preferences WHERE user_id = $1 AND active ORDER BY plan"

// open makes a look-up with the server's connection string in a file.
func open(t *testing.T, dsn, query string, timeout time.Duration) (*Postgres, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dsn")
	writeFile(t, file, dsn)
	p, err := Open(config.UserContext{Postgres: config.PostgresUserContext{DSNFile: file, Query: query, Timeout: timeout, PoolSize: 4}}, new(upstream.Registry))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, file
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLookup(t *testing.T) {
	server := testpostgres.Start(t)
	testpostgres.Exec(t, server.DSN, schema)
	tests := []struct {
		name, query, user string
		want              string
		wantKind          upstream.Kind
	}{
		{name: "one row", query: guideQuery, user: "ada", want: "plan: gold\nseats: 5\nbeta: true\nnotes: likes short answers\nsince: 2024-02-29\nextra: {\"lang\": \"en\"}\n"},
		{name: "two rows", query: guideQuery, user: "bob", want: "plan: free\n\nplan: gold\nseats: 1\nbeta: false\n"},
		{name: "unknown user", query: guideQuery, user: "nobody", want: ""},
		{name: "no user", query: "this is not even asked", user: "", want: ""},
		{name: "a user's id is only a value", query: guideQuery, user: "x' OR 'a' = 'a", want: ""},
		{name: "id of another type", query: "SELECT name FROM numbered WHERE id = $1", user: "7", want: "name: Seven\n"},
		{name: "id that is not of the type", query: "SELECT name FROM numbered WHERE id = $1", user: "seven", wantKind: upstream.KindRejected},
		{name: "wrong query", query: "SELECT nothing FROM nowhere WHERE id = $1", user: "7", wantKind: upstream.KindRejected},
		{name: "slow query", query: "SELECT pg_sleep(60) WHERE '7' = $1", user: "7", wantKind: upstream.KindTimeout},
		{name: "long text is cut at a line", query: "SELECT repeat('x', 5000) AS a, repeat('y', 5000) AS b WHERE 'u' = $1", user: "u", want: "a: " + strings.Repeat("x", 5000) + "\n"},
		{name: "many rows are cut", query: "SELECT repeat('é', 10000) AS a FROM generate_series(1, 100000) WHERE 'u' = $1", user: "u", want: "a: " + strings.Repeat("é", (maxBytes-3)/2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			timeout := 10 * time.Second
			if tt.wantKind == upstream.KindTimeout {
				timeout = 100 * time.Millisecond
			}
			p, _ := open(t, server.DSN, tt.query, timeout)
			got, err := p.Lookup(t.Context(), tt.user)
			if kind := kindOf(err); kind != tt.wantKind || got != tt.want {
				t.Errorf("got %q, %v (%s), want %q, %s", got, err, kind, tt.want, tt.wantKind)
			}
		})
	}
}

func kindOf(err error) upstream.Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.Kind
	}
	return upstream.Kind(err.Error())
}

// TestFaults takes the server away in several ways. Each look-up must end within
// its timeout, and succeed again when the server is back.
func TestFaults(t *testing.T) {
	const timeout = 250 * time.Millisecond
	server := testpostgres.Start(t)
	testpostgres.Exec(t, server.DSN, schema)
	tests := []struct {
		name        string
		fail, mend  func()
		wantKind    upstream.Kind
		withoutText string
	}{
		{name: "gone", fail: server.Stop, mend: server.Restart, wantKind: upstream.KindUnavailable, withoutText: "127.0.0.1"},
		{name: "frozen", fail: server.Freeze, mend: server.Continue, wantKind: upstream.KindTimeout, withoutText: "127.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := open(t, server.DSN, guideQuery, timeout)
			eventually(t, p)
			tt.fail()
			for range 3 {
				start := time.Now()
				_, err := p.Lookup(t.Context(), "ada")
				if took := time.Since(start); kindOf(err) != tt.wantKind || took > 2*timeout {
					t.Errorf("got %v after %s, want %s within %s", err, took, tt.wantKind, timeout)
				}
				if strings.Contains(err.Error(), tt.withoutText) || strings.Contains(err.Error(), "postgres@") {
					t.Errorf("the error %q names the host or user", err)
				}
			}
			tt.mend()
			eventually(t, p)
		})
	}
}

// eventually waits until a look-up succeeds: a breaker may be open, and the first
// connection takes its time on a busy machine.
func eventually(t *testing.T, p *Postgres) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		got, err := p.Lookup(ctx, "ada")
		if err == nil && strings.HasPrefix(got, "plan: gold\n") {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("the look-up never succeeded: got %q and %v", got, err)
		}
	}
}

func TestCancelledLookup(t *testing.T) {
	server := testpostgres.Start(t)
	p, _ := open(t, server.DSN, "SELECT pg_sleep(60) WHERE '7' = $1", time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := p.Lookup(ctx, "7"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestRotation changes the password in the database and then in the file.
func TestRotation(t *testing.T) {
	server := testpostgres.Start(t)
	testpostgres.Exec(t, server.DSN, schema)
	p, file := open(t, server.DSN, guideQuery, 5*time.Second)
	eventually(t, p)
	testpostgres.Exec(t, server.DSN, "ALTER USER postgres PASSWORD 'rotated'")
	rotated, err := url.Parse(server.DSN)
	if err != nil {
		t.Fatal(err)
	}
	rotated.User = url.UserPassword("postgres", "rotated")

	fresh, _ := open(t, server.DSN, guideQuery, 5*time.Second)
	if _, err := fresh.Lookup(t.Context(), "ada"); kindOf(err) != upstream.KindRejected {
		t.Errorf("with the old password: got %v, want %s", err, upstream.KindRejected)
	} else if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error %q shows the password", err)
	}
	writeFile(t, file, rotated.String())
	testpostgres.Exec(t, rotated.String(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
	eventually(t, p)
}

func TestOpenErrors(t *testing.T) {
	tests := []struct{ name, dsn, want string }{
		{name: "no connection string", dsn: "postgres://u:secret@host:port/", want: "is no connection string of PostgreSQL"},
		{name: "empty", dsn: " \n", want: "is no connection string of PostgreSQL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dsn")
			writeFile(t, file, tt.dsn)
			_, err := Open(config.UserContext{Postgres: config.PostgresUserContext{DSNFile: file, PoolSize: 1}}, new(upstream.Registry))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q and no secret", err, tt.want)
			}
		})
	}
}
