package ecs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseValueFrom(t *testing.T) {
	const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/db-Ab12Cd"
	malformed := "malformed: after the name come either nothing or json-key:version-stage:version-id, with all their colons, as in NAME:json-key::"
	tests := []struct {
		name string
		in   string
		want remoteSecret
	}{
		{"whole secret", secret, remoteSecret{service: secretsManager, region: "eu-west-1", key: secret}},
		{"key", secret + ":password::", remoteSecret{service: secretsManager, region: "eu-west-1", key: secret, property: "password"}},
		{"stage", secret + ":password:AWSPREVIOUS:", remoteSecret{service: secretsManager, region: "eu-west-1", key: secret, property: "password", version: "AWSPREVIOUS"}},
		{"version", secret + ":::4f5e", remoteSecret{service: secretsManager, region: "eu-west-1", key: secret, version: "uuid/4f5e"}},
		{"two trailing colons", secret + "::", remoteSecret{service: secretsManager, region: "eu-west-1", key: secret, warning: malformed}},
		{"one colon", secret + ":password", remoteSecret{service: secretsManager, region: "eu-west-1", key: secret, property: "password", warning: malformed}},
		{"bare parameter", "/app/db", remoteSecret{service: parameterStore, key: "/app/db"}},
		{"deep parameter", "arn:aws:ssm:eu-west-1:1:parameter/app/db", remoteSecret{service: parameterStore, region: "eu-west-1", key: "/app/db"}},
		{"ambiguous parameter", "arn:aws:ssm:eu-west-1:1:parameter/db", remoteSecret{service: parameterStore, region: "eu-west-1", key: "db", warning: "the parameter's name is db or /db, the ARN does not tell: taken for db"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parseValueFrom(tt.in), cmp.AllowUnexported(remoteSecret{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKEDACron(t *testing.T) {
	tests := []struct {
		in, want    string
		wantProblem string
	}{
		{in: "0 8 ? * 2-6 *", want: "0 8 * * MON-FRI"},
		{in: "30 18 ? * MON-FRI *", want: "30 18 * * MON-FRI"},
		{in: "0 0 1 * ? *", want: "0 0 1 * *"},
		{in: "0 9 ? JUL 1,7 *", want: "0 9 * JUL SUN,SAT"},
		{in: "0 6 L * ? *", wantProblem: "L, W or #"},
		{in: "0 6 ? * 2#1 *", wantProblem: "L, W or #"},
		{in: "0 6 ? * 8 *", wantProblem: "weekday"},
		{in: "0 6 1 1 ? 2027", wantProblem: "year"},
		{in: "0 6 * * *", wantProblem: "six fields, minutes to year, found 5"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, problem := kedaCron(tt.in)
			if got != tt.want || !strings.Contains(problem, tt.wantProblem) || (problem == "") != (tt.wantProblem == "") {
				t.Errorf("%q, problem %q; want %q, %q", got, problem, tt.want, tt.wantProblem)
			}
		})
	}
}

func TestParseCheck(t *testing.T) {
	tests := []struct {
		name     string
		command  []string
		wantHTTP string // port and path
		wantExec []string
		wantNote bool
	}{
		{name: "curl -f", command: []string{"CMD-SHELL", "curl -f http://localhost:8080/health || exit 1"}, wantHTTP: "8080/health"},
		{name: "curl takes any answer", command: []string{"CMD-SHELL", "curl -s http://localhost/"}, wantHTTP: "80/", wantNote: true},
		{name: "wget", command: []string{"CMD-SHELL", "wget --spider -q http://127.0.0.1:3000/ready || exit 1"}, wantHTTP: "3000/ready"},
		{name: "urllib", command: []string{"CMD", "python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:5000/health')"}, wantHTTP: "5000/health"},
		{name: "a pipe stays a command", command: []string{"CMD-SHELL", "curl -s http://localhost:9901/x | grep LIVE"}, wantExec: []string{"/bin/sh", "-c", "curl -s http://localhost:9901/x | grep LIVE"}},
		{name: "another host stays a command", command: []string{"CMD-SHELL", "curl -f http://db:80/"}, wantExec: []string{"/bin/sh", "-c", "curl -f http://db:80/"}},
		{name: "without CMD", command: []string{"/healthcheck"}, wantExec: []string{"/healthcheck"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := parseCheck(tt.command)
			http := ""
			if got.http != nil {
				http = got.http.Port.String() + got.http.Path
			}
			if http != tt.wantHTTP || (got.note != "") != tt.wantNote {
				t.Errorf("http %q, note %q; want %q, note %v", http, got.note, tt.wantHTTP, tt.wantNote)
			}
			if diff := cmp.Diff(tt.wantExec, got.exec); diff != "" {
				t.Errorf("exec (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLooksSecret(t *testing.T) {
	tests := []struct {
		name, value string
		want        bool
	}{
		{"DB_PASSWORD", "x", true},
		{"OPENAI_API_KEY", "anything", true},
		{"HARMLESS", "sk-abc", true},
		{"URL", "redis://:pw@host:6379", true},
		{"URL", "redis://host:6379", false},
		{"MAX_TOKENS", "512", false},
		{"CACHE_KEY_PREFIX", "cache:", false},
		{"EMBEDDING_MODEL", "sentence-transformers/all-MiniLM-L6-v2", false},
		{"DB_PASSWORD", "${PASSWORD}", false},
		{"DB_PASSWORD", "", false},
		{"X", "q8Zr4TnV0bYc6LmKw2XsPd9Ef7Gh1JaU", true},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			if got := looksSecret(tt.name, tt.value); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
