// Command weaviate runs a command beside a real Weaviate that keeps its data in a
// temporary folder, and tells the command its URL in RAGSERVICE_TEST_WEAVIATE. It
// ends as the command does.
//
// Usage: weaviate SERVER COMMAND [ARGUMENT…], where SERVER is the program that
// hack/tools/weaviate pins.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// startTimeout is what the server may take until it is ready: it elects itself
	// the leader of its cluster first.
	startTimeout = time.Minute
	// stopTimeout is what it may take to end, before it is killed.
	stopTimeout = 10 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "weaviate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) < 2 {
		return errors.New("usage: weaviate SERVER COMMAND [ARGUMENT…]")
	}
	folder, err := os.MkdirTemp("", "ragservice-weaviate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	url, stop, err := start(ctx, args[0], folder)
	if err != nil {
		return err
	}
	defer stop()
	cmd := exec.CommandContext(ctx, args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "RAGSERVICE_TEST_WEAVIATE="+url)
	return cmd.Run()
}

// start returns once the server is ready. What it prints is in a file of the folder,
// and in the error where it does not become ready.
func start(ctx context.Context, server, folder string) (url string, stop func(), err error) {
	ports, err := freePorts(ctx, 6)
	if err != nil {
		return "", nil, err
	}
	path := filepath.Join(folder, "server.log")
	log, err := os.Create(path)
	if err != nil {
		return "", nil, err
	}
	defer log.Close()
	ended := make(chan struct{})
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(serving, server, "--scheme", "http", "--host", "127.0.0.1", "--port", ports[0])
	cmd.Env = append(os.Environ(),
		"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=true", "DEFAULT_VECTORIZER_MODULE=none", "PERSISTENCE_DATA_PATH="+filepath.Join(folder, "data"),
		"CLUSTER_HOSTNAME=node1", "CLUSTER_ADVERTISE_ADDR=127.0.0.1", "RAFT_BOOTSTRAP_EXPECT=1", "DISABLE_TELEMETRY=true", "GO_PROFILING_DISABLE=true", "LOG_LEVEL=warning",
		"GRPC_PORT="+ports[1], "CLUSTER_GOSSIP_BIND_PORT="+ports[2], "CLUSTER_DATA_BIND_PORT="+ports[3], "RAFT_PORT="+ports[4], "RAFT_INTERNAL_RPC_PORT="+ports[5])
	cmd.Stdout, cmd.Stderr = log, log
	// The kernel ends the server where this program was killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, err
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait() // How it ended is in its log.
	}()
	stop = func() {
		cancel()
		<-ended
	}
	url = "http://127.0.0.1:" + ports[0]
	if err := ready(ctx, url, ended); err != nil {
		stop()
		said, readErr := os.ReadFile(path)
		return "", nil, errors.Join(fmt.Errorf("the server is not ready: %w\n%s", err, said), readErr)
	}
	return url, stop, nil
}

func ready(ctx context.Context, url string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it did not become ready within %s", startTimeout))
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/.well-known/ready", http.NoBody)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// freePorts are ports that nobody listens at, for TCP and so, most likely, for UDP.
func freePorts(ctx context.Context, n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // Held until all are chosen, so that they differ.
		ports[i] = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
