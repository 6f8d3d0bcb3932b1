package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// schema is what the services look users up in. Beside the table, the schema
// slow has a view of the same name that takes as long as the guide says.
const schema = `
CREATE TABLE user_preferences (user_id text, name text, value text, active boolean);
INSERT INTO user_preferences VALUES ('ada', 'language', 'English', true), ('ada', 'plan', 'business', true), ('bob', 'plan', 'free', true);
CREATE INDEX ON user_preferences (user_id);
CREATE SCHEMA slow;
CREATE VIEW slow.user_preferences AS SELECT p.* FROM (SELECT pg_sleep(0.2)) wait, public.user_preferences p;`

// SlowContext has a connection look users up in the view that takes 200 ms.
const SlowContext = "options=-csearch_path%3Dslow"

func port(address string) string {
	_, port, _ := net.SplitHostPort(address) // An address of freeAddress.
	return port
}

// startPostgres runs the newest PostgreSQL of Debian's packages, as a user who is
// not root, which it refuses.
func (l *Lab) startPostgres(ctx context.Context) error {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // The pattern is good.
	if len(found) == 0 {
		return errors.New("PostgreSQL is not installed: apt-get install postgresql")
	}
	slices.Sort(found)
	bin := found[len(found)-1]
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	owner, err := postgresUser()
	if err != nil {
		return err
	}
	data := filepath.Join(l.Folder, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if owner != nil {
		if err := os.Chown(data, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = data, &syscall.SysProcAttr{Credential: owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p, err := l.start("postgres", l.OtherCores, nil, owner, filepath.Join(bin, "postgres"), "-D", data, "-p", port(address), "-k", data,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=500")
	if err != nil {
		return err
	}
	l.DSN = "postgres://postgres@" + address + "/postgres?sslmode=disable"
	if err := p.until(ctx, func(ctx context.Context) bool {
		conn, err := pgx.Connect(ctx, l.DSN)
		if err == nil {
			conn.Close(ctx)
		}
		return err == nil
	}); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, l.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, schema).ReadAll()
	return err
}

// postgresUser is nil where this program is not root.
func postgresUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}
