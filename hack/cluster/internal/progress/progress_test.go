package progress

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDo(t *testing.T) {
	failure := errors.New("no space left")
	tests := []struct {
		name     string
		hint     string
		terminal bool
		took     time.Duration
		err      error
		want     string
	}{
		{
			name: "a quick step is one line in a log",
			took: 1200 * time.Millisecond,
			want: "✓ building etcd (1.2s)\n",
		},
		{
			name: "a long step says in a log what to expect and that it goes on",
			hint: "about 1 min",
			took: 65 * time.Second,
			want: "  building etcd (about 1 min) …\n  building etcd (about 1 min) … 30s\n" +
				"  building etcd (about 1 min) … 1m0s\n✓ building etcd (1m5s)\n",
		},
		{
			name:     "a terminal's line is rewritten",
			terminal: true,
			took:     1500 * time.Millisecond,
			want:     "\r\033[K  building etcd …\r\033[K  building etcd … 1s\r\033[K✓ building etcd (1.5s)\n",
		},
		{
			name: "a failed step is marked and its error handed on",
			took: time.Second,
			err:  failure,
			want: "✗ building etcd (1s)\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				p := &Printer{out: &out, terminal: test.terminal, tick: plainTick}
				if test.terminal {
					p.tick = terminalTick
				}
				err := p.Do("building etcd", test.hint, func() error {
					<-time.After(test.took)
					return test.err
				})
				if !errors.Is(err, test.err) {
					t.Errorf("error is %v, want %v", err, test.err)
				}
				if diff := cmp.Diff(test.want, out.String()); diff != "" {
					t.Errorf("output (-want +got):\n%s", diff)
				}
			})
		})
	}
}
