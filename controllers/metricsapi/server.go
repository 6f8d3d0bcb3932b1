package metricsapi

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	basecmd "sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"

	"ragops.dev/ragservice/controllers/podstatus"
)

// Options say how the API is served.
type Options struct {
	// Port to listen on.
	Port int
	// Namespace and Service of the operator, as the API server reaches it; the
	// certificate is made for them.
	Namespace, Service string
	// Kubeconfig for delegated authentication and authorisation; empty inside a
	// cluster.
	Kubeconfig string
	// Clock decides when the certificate is renewed.
	Clock clock.Clock
}

// Server serves the API on every replica of the operator, leader or not.
type Server struct {
	adapter     *basecmd.AdapterBase
	certificate *certificate
}

var (
	_ manager.Runnable               = (*Server)(nil)
	_ manager.LeaderElectionRunnable = (*Server)(nil)
)

// Setup adds the API to a manager: the server, and the keeper of its certificate
// and registration. The manager's cache must hold the pods of query runtimes.
// What it returns knows whether the API is this operator's.
func Setup(mgr manager.Manager, pods *podstatus.Sampler, options Options) (*Owner, error) {
	certificate, owner := &certificate{}, newOwner()
	server, err := newServer(mgr.GetClient(), pods, certificate, options)
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(server); err != nil {
		return nil, err
	}
	return owner, mgr.Add(&keeper{
		client:      mgr.GetClient(),
		reader:      mgr.GetAPIReader(),
		recorder:    mgr.GetEventRecorder("ragservice-operator"),
		certificate: certificate,
		owner:       owner,
		options:     options,
	})
}

func newServer(reader client.Reader, pods sampler, certificate *certificate, options Options) (*Server, error) {
	adapter := &basecmd.AdapterBase{
		Name:    options.Service,
		FlagSet: pflag.NewFlagSet("metrics-api", pflag.ContinueOnError), // its flags are not the operator's
	}
	flags := adapter.Flags()
	if err := flags.Parse(nil); err != nil { // fills in the options' defaults
		return nil, fmt.Errorf("prepare the metrics API: %w", err)
	}
	adapter.SecureServing.BindPort = options.Port
	adapter.SecureServing.ServerCert.CertDirectory = "" // nothing is written: the root file system is read-only
	adapter.RemoteKubeConfigFile = options.Kubeconfig
	adapter.Authentication.RemoteKubeConfigFile = options.Kubeconfig
	adapter.Authorization.RemoteKubeConfigFile = options.Kubeconfig
	adapter.WithCustomMetrics(&podMetrics{reader: reader, sampler: pods})
	return &Server{adapter: adapter, certificate: certificate}, nil
}

// NeedLeaderElection implements [manager.LeaderElectionRunnable]: a replica that
// does not lead answers too.
func (s *Server) NeedLeaderElection() bool { return false }

// Start implements [manager.Runnable]. It begins to listen once there is a
// certificate, and ends with ctx.
func (s *Server) Start(ctx context.Context) error {
	select {
	case <-s.certificate.available():
	case <-ctx.Done():
		return nil
	}
	config, err := s.serverConfig()
	if err != nil {
		return fmt.Errorf("configure the metrics API: %w", err)
	}
	config.GenericConfig.SecureServing.Cert = s.certificate
	if err := s.adapter.Run(ctx); err != nil {
		return fmt.Errorf("serve the metrics API: %w", err)
	}
	return nil
}

func (s *Server) serverConfig() (*apiserver.Config, error) {
	config, err := s.adapter.Config()
	if err != nil {
		return nil, err
	}
	config.GenericConfig.EnableProfiling = false
	return config, nil
}
