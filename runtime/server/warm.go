package server

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// warmTimeout bounds what a new replica waits for connections before it takes
// queries. It is for a server that is far away, not for one that is gone.
const warmTimeout = time.Second

// connector can connect to its server ahead of the first query.
type connector interface {
	Connect(ctx context.Context) error
}

// connects takes in a part that is a connector.
func (a *assembled) connects(part any) {
	if c, ok := part.(connector); ok {
		a.connectors = append(a.connectors, c)
	}
}

// warm opens a connection to each server that queries will need, all side by side,
// so that a new replica's first answers are as quick as its later ones. A server
// that does not answer holds the replica up for warmTimeout at most: whether others
// are well is no part of being ready. The cache has connected to Redis, and the
// memory store read its documents, when they were made.
func (a *assembled) warm(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, warmTimeout)
	defer cancel()
	var wait sync.WaitGroup
	for _, c := range a.connectors {
		wait.Go(func() {
			if err := c.Connect(ctx); err != nil {
				log.Warn("a server cannot be reached yet; queries will try again", "error", err)
			}
		})
	}
	wait.Wait()
}
