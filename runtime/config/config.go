// Package config is the contract between the operator and the query runtime:
// one versioned struct, written by the operator into a ConfigMap and read by
// the runtime, so that a setting cannot be emitted under one name and read
// under another. It holds no secret, only paths of files that do.
//
// The package may import nothing but the standard library and the YAML decoder:
// both the operator and the runtime link it.
package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// Version is the version of the contract. A runtime refuses any other: the
// operator writes the version that the runtime image of its own release reads.
const Version = "ragservice/v1"

// Config is everything the runtime is told.
type Config struct {
	// Version must be [Version].
	Version string `yaml:"version"`
	// Service names the service in logs, traces and metrics.
	Service Service `yaml:"service,omitempty"`
	// Server is where and how queries are taken in.
	Server Server `yaml:"server,omitempty"`
	// Model writes the answers.
	Model Model `yaml:"model"`
	// Embedding turns questions into vectors.
	Embedding Embedding `yaml:"embedding"`
	// VectorStore finds the passages.
	VectorStore VectorStore `yaml:"vectorStore"`
	// Cache answers repeated questions; nil means none.
	Cache *Cache `yaml:"cache,omitempty"`
	// UserContext looks users up; nil means none.
	UserContext *UserContext `yaml:"userContext,omitempty"`
	// Access decides who may query; nil lets everybody in.
	Access *Access `yaml:"access,omitempty"`
	// Telemetry is logs and traces; metrics are always on.
	Telemetry Telemetry `yaml:"telemetry,omitempty"`
}

// Service names the service.
type Service struct {
	// Name of the RAGService; "ragservice" by default.
	Name string `yaml:"name,omitempty"`
	// Namespace of the RAGService; empty outside a cluster.
	Namespace string `yaml:"namespace,omitempty"`
}

// Load reads the configuration from a YAML file. See [Parse].
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// Parse decodes YAML strictly (an unknown or doubled field is an error), fills in
// the defaults and validates. All that is wrong is reported at once, each with
// the path of its field.
func Parse(data []byte) (*Config, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var c Config
	if err := dec.Decode(&c); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("is empty")
		}
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	c.SetDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &c, nil
}

// Marshal writes the configuration as YAML. The same configuration always gives
// the same bytes.
func (c *Config) Marshal() ([]byte, error) {
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return buf.Bytes(), nil
}

// Hash identifies a configuration by the bytes of its file: ten hexadecimal
// characters. The operator names the ConfigMap by it and the runtime reports it
// in /status, so that "applied" can be proven.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:10]
}
