// Command runtime answers questions over HTTP as its configuration file says. In
// a cluster the operator writes that file; config/samples/runtime has one to try
// on a laptop. All it does is in package server; this file only starts it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/reload"
	"ragops.dev/ragservice/runtime/server"
	"ragops.dev/ragservice/runtime/telemetry"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "runtime:", err)
		os.Exit(1) // the process ends, and with it the signal handler
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("runtime", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "", "the configuration `file`; see config/samples/runtime")
	showVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *showVersion {
		fmt.Fprintln(stdout, version)
		return nil
	}
	if *path == "" || flags.NArg() > 0 {
		return fmt.Errorf("want --config FILE and nothing else, such as --config config/samples/runtime/local.yaml")
	}
	hash := ""
	file, err := reload.Open(*path, func(data []byte) (*config.Config, error) {
		if hash == "" { // of the content that the process was started with
			hash = config.Hash(data)
		}
		return config.Parse(data)
	})
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	cfg := file.Get()
	log, err := telemetry.NewLogger(stderr, cfg.Telemetry)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	return server.Run(ctx, server.Options{Config: cfg, ConfigHash: hash, Current: file.Get, Version: version, Log: log})
}
