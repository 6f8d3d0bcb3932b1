// Command serve runs one of the servers that benchmarks need beside the measured
// one: the stand-ins for model, embedding and vector store, a relay that makes
// Redis slow, or a bare Go server as the floor. See hack/perf/baselines/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/hack/perf/floor"
	"ragops.dev/ragservice/hack/perf/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1) // The process ends, and with it the signal handler.
	}
}

func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	kind := flags.String("kind", "", "standin, model, delay, floor-memory, floor-redis or floor-path")
	address := flags.String("address", "127.0.0.1:8090", "host:port to listen on")
	server := flags.String("redis", "127.0.0.1:6379", "address of Redis, for floor-redis and delay")
	standIns := flags.String("standins", "127.0.0.1:8090", "address of the stand-ins, for floor-path")
	delay := flags.Duration("delay", 0, "how long delay holds replies back")
	body := flags.String("body", "", "`file` with what floor-memory answers; an answer of 3 kB where it is empty")
	var o standin.Options
	flags.DurationVar(&o.Embedding, "embedding", 0, "how long an embedding takes")
	flags.DurationVar(&o.Vector, "vector", 0, "how long a search takes")
	flags.DurationVar(&o.Model, "model", 0, "how long an answer takes")
	flags.IntVar(&o.PerCaller, "model-per-caller", 0, "how many answers of the model one address gets at a time; 0 is no bound")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", *address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	var handler http.Handler
	switch *kind {
	case "standin":
		// It shares the cores with what is measured: it should collect little.
		debug.SetGCPercent(400)
		handler = standin.Handler(o)
	case "model":
		return ended(standin.ServeModel(listener, o.Model))
	case "delay":
		return ended(standin.Delay(ctx, listener, *server, *delay))
	case "floor-memory":
		answer := answerBody()
		if *body != "" {
			if answer, err = os.ReadFile(*body); err != nil {
				return err
			}
		}
		handler = floor.Memory(answer)
	case "floor-redis":
		handler = floor.Redis(redis.NewClient(&redis.Options{Addr: *server, PoolSize: 20, ContextTimeoutEnabled: true}))
	case "floor-path":
		handler = floor.Path("http://" + *standIns)
	default:
		return fmt.Errorf("the kind is %q, and must be standin, model, delay, floor-memory, floor-redis or floor-path", *kind)
	}
	return ended((&http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}).Serve(listener))
}

// ended forgives that the listener was closed: that is how a server is stopped.
func ended(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// answerBody is an answer of the size that the stand-ins give: about 3 kB.
func answerBody() []byte {
	text := strings.Repeat("Returns are taken in any store within sixty days, with the receipt or the card that paid. ", 34)
	return []byte(`{"query":"q","answer":"` + text + `","context":[],"timestamp":"2026-01-01T00:00:00Z"}`)
}
