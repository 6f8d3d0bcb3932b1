// Command ragctl is the command line of RAGService, for people: it moves
// services from Amazon ECS, measures them, asks them questions and shows what
// the operator would run. Installed as kubectl-rag it is a kubectl plugin. All
// it does is in package command; this file only starts it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"ragops.dev/ragservice/ragctl/command"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	streams := command.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	return command.Run(ctx, os.Args, streams)
}
