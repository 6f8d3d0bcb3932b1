// Command metricsapi measures what the operator's custom metrics API costs: an
// operator that knows many services, each with pods that answer as the query
// runtime does, is left alone for a while and then asked about every service as
// often as a HorizontalPodAutoscaler asks. The API server and etcd are real, the
// pods are servers on loopback addresses. Everything ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

type options struct {
	operator       string
	services, pods int
	duration       time.Duration
	period         time.Duration
	crd            string
	result, page   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.operator, "operator", "bin/operator", "the operator's program")
	flag.IntVar(&o.services, "services", 100, "how many services")
	flag.IntVar(&o.pods, "pods", 10, "pods of each, at most 250 000 in all")
	flag.DurationVar(&o.duration, "for", time.Minute, "how long each phase is measured")
	flag.DurationVar(&o.period, "period", 15*time.Second, "how often each service is asked about")
	flag.StringVar(&o.crd, "crd", "config/crd", "folder of the CRD")
	flag.StringVar(&o.result, "result", "", "file to write the result to")
	flag.StringVar(&o.page, "page", "", "page to write the table into")
	flag.Parse()
	log.SetLogger(logr.Discard())
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "metricsapi:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	pods, err := listen(ctx, o.services*o.pods)
	if err != nil {
		return err
	}
	defer pods.close()
	cluster, err := start(o.crd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.stop()) }()
	fmt.Fprintf(os.Stderr, "making %d services of %d pods\n", o.services, o.pods)
	if err := cluster.fill(ctx, o, pods); err != nil {
		return err
	}
	operator, err := cluster.operate(ctx, o.operator)
	if err != nil {
		return err
	}
	defer operator.stop()
	if err := operator.awaitAnswers(ctx, o); err != nil {
		return err
	}
	result := &Result{Services: o.services, Pods: o.pods, PeriodSeconds: o.period.Seconds()}
	fmt.Fprintf(os.Stderr, "measuring %s without and %s with questions\n", o.duration, o.duration)
	if result.Idle, err = operator.measure(ctx, o, pods, false); err != nil {
		return err
	}
	if result.Asked, err = operator.measure(ctx, o, pods, true); err != nil {
		return err
	}
	fmt.Print(result.Table())
	return section.Save(result, o.result, o.page, result.Table())
}
