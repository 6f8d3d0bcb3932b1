package redisconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/reload"
)

// dialTimeout bounds one connection's set-up, TLS included. A query does not
// wait for it longer than its budget: the pool finishes it for the next one.
const dialTimeout = 500 * time.Millisecond

// options maps the configuration. Everything that bounds time or connections is
// said outright, because the library's defaults are made for callers who wait.
func options(cfg config.Redis) (*redis.UniversalOptions, error) {
	dial, err := dialer(cfg.TLS)
	if err != nil {
		return nil, err
	}
	o := &redis.UniversalOptions{
		Addrs:         cfg.Addresses,
		IsClusterMode: cfg.Mode == config.RedisCluster,
		DB:            cfg.Database,
		Dialer:        dial,

		ContextTimeoutEnabled: true, // otherwise a deadline of 25 ms takes 5 s
		DialTimeout:           dialTimeout,
		DialerRetries:         1,
		ReadTimeout:           backgroundTimeout,
		WriteTimeout:          backgroundTimeout,
		PoolTimeout:           backgroundTimeout, // a pool that is too small waits, it does not fail
		PoolSize:              cfg.PoolSize,
		PipelinePoolSize:      -1, // the pool size is all the connections there are
		MinIdleConns:          1,
		ConnMaxIdleTime:       5 * time.Minute,

		MaxRetries:      1, // a connection that the server closed meanwhile
		MinRetryBackoff: -1,
		MaxRetryBackoff: -1,

		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if cfg.Mode == config.RedisSentinel {
		o.MasterName = cfg.SentinelPrimary
	}
	if cfg.PasswordFile == "" {
		o.Username = cfg.Username
		return o, nil
	}
	password, err := reload.OpenSecret(cfg.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("the password of Redis: %w", err)
	}
	o.CredentialsProviderContext = func(context.Context) (string, string, error) {
		return cfg.Username, password.Get(), nil
	}
	return o, nil
}

// dialer connects, with TLS where asked. The authorities are looked up for each
// connection, so that a rotated CA needs no restart.
func dialer(cfg *config.RedisTLS) (func(context.Context, string, string) (net.Conn, error), error) {
	plain := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	if cfg == nil {
		return plain.DialContext, nil
	}
	authorities := func() *x509.CertPool { return nil } // nil: the system's
	if cfg.CAFile != "" {
		file, err := reload.Open(cfg.CAFile, parseAuthorities)
		if err != nil {
			return nil, fmt.Errorf("the certificate authority of Redis: %w", err)
		}
		authorities = file.Get
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		secure := tls.Dialer{NetDialer: plain, Config: &tls.Config{
			RootCAs:    authorities(),
			ServerName: cfg.ServerName,
			MinVersion: tls.VersionTLS12,
		}}
		return secure.DialContext(ctx, network, address)
	}, nil
}

func parseAuthorities(data []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, nil
}
