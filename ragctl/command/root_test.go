package command

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	tests := []struct {
		name    string
		args    []string
		want    int
		wantOut string // contained in standard output
		wantErr string // contained in standard error
	}{
		{
			name:    "no subcommand shows the help",
			args:    []string{"ragctl"},
			want:    ExitDone,
			wantOut: "ragctl [command]",
		},
		{
			name:    "an unknown subcommand is wrong usage",
			args:    []string{"/usr/local/bin/ragctl", "migrte"},
			want:    ExitUsage,
			wantErr: "unknown command \"migrte\" for \"ragctl\", did you mean migrate?\nSee 'ragctl --help'.",
		},
		{
			name:    "an unknown flag is wrong usage, and points at the subcommand's help",
			args:    []string{"ragctl", "migrate", "--nope"},
			want:    ExitUsage,
			wantErr: "error: unknown flag: --nope\nSee 'ragctl migrate --help'.",
		},
		{
			name:    "as a kubectl plugin it goes by the plugin's name",
			args:    []string{"kubectl-rag", "migrate", "--help"},
			want:    ExitDone,
			wantOut: "kubectl rag migrate",
		},
		{
			name:    "as a kubectl plugin its completion script completes the plugin",
			args:    []string{"kubectl-rag", "completion", "bash"},
			want:    ExitDone,
			wantOut: "__start_kubectl-rag",
		},
		{
			name:    "kubectl asks the plugin for completions",
			args:    []string{"kubectl_complete-rag", "migr"},
			want:    ExitDone,
			wantOut: "migrate\tTurn a service",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			got := Run(t.Context(), tt.args, Streams{In: strings.NewReader(""), Out: &out, Err: &errOut})
			if got != tt.want {
				t.Errorf("exit code %d, want %d; stderr: %s", got, tt.want, errOut.String())
			}
			if !strings.Contains(out.String(), tt.wantOut) {
				t.Errorf("standard output does not hold %q:\n%s", tt.wantOut, out.String())
			}
			if !strings.Contains(errOut.String(), tt.wantErr) {
				t.Errorf("standard error does not hold %q:\n%s", tt.wantErr, errOut.String())
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		name string
		err  error
		want int
	}{
		{name: "no error", want: ExitDone},
		{name: "any error", err: cause, want: ExitFailed},
		{name: "wrong usage, wrapped", err: fmt.Errorf("x: %w", UsageError{Err: cause}), want: ExitUsage},
		{name: "threshold, joined", err: errors.Join(cause, ThresholdError{Err: cause}), want: ExitThreshold},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ExitCode(tt.err); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}
