package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"ragops.dev/ragservice/runtime/reload"
)

// entry is one API key as the file has it.
type entry struct {
	// Key in the clear, or SHA256 of it in hexadecimal, so that the file need not
	// hold the key itself.
	Key    string `yaml:"key"`
	SHA256 string `yaml:"sha256"`
	// Tenant and User that the key's holder asks as; both may be empty.
	Tenant string `yaml:"tenant"`
	User   string `yaml:"user"`
	// Manage lets the holder change documents, curated answers and the cache.
	Manage bool `yaml:"manage"`
}

// digest is the SHA-256 of a key.
type digest [sha256.Size]byte

// keyFile holds keys by their digest. To look one up takes the same time whatever
// part of a wrong key is right: nobody can choose a key for the first bytes of its
// digest.
type keyFile struct {
	file *reload.File[map[digest]Identity]
}

func openKeys(path string) (*keyFile, error) {
	file, err := reload.Open(path, parseKeys)
	if err != nil {
		return nil, fmt.Errorf("access.apiKeys.file: %w", err)
	}
	return &keyFile{file}, nil
}

func (f *keyFile) find(key string) (Identity, bool) {
	id, ok := f.file.Get()[sha256.Sum256([]byte(key))]
	return id, ok
}

// parseKeys reads a YAML list of entries. Errors name the entry by its number,
// never by its key.
func parseKeys(data []byte) (map[digest]Identity, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var entries []entry
	if err := dec.Decode(&entries); err != nil && !errors.Is(err, io.EOF) {
		return nil, withoutValues(err)
	}
	keys := make(map[digest]Identity, len(entries))
	for i, e := range entries {
		sum, err := e.digest()
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		if _, taken := keys[sum]; taken {
			return nil, fmt.Errorf("entry %d: the key is there twice", i+1)
		}
		keys[sum] = Identity{ID: "key-" + hex.EncodeToString(sum[:8]), Tenant: e.Tenant, User: e.User, Manage: e.Manage}
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key: want a YAML list of entries with key (or sha256), tenant and user")
	}
	return keys, nil
}

// minKeyLength keeps out keys that can be guessed.
const minKeyLength = 16

func (e *entry) digest() (digest, error) {
	switch {
	case (e.Key == "") == (e.SHA256 == ""):
		return digest{}, errors.New("set exactly one of key and sha256")
	case e.SHA256 != "":
		var sum digest
		if n, err := hex.Decode(sum[:], []byte(e.SHA256)); err != nil || n != len(sum) || len(e.SHA256) != 2*len(sum) {
			return digest{}, errors.New("sha256 must be 64 hexadecimal digits")
		}
		return sum, nil
	case len(e.Key) < minKeyLength:
		return digest{}, fmt.Errorf("the key has fewer than %d characters", minKeyLength)
	}
	return sha256.Sum256([]byte(e.Key)), nil
}

// withoutValues keeps what an error of the YAML decoder says about the place: its
// text may quote a value.
func withoutValues(err error) error {
	line := -1
	if _, scanErr := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scanErr == nil {
		return fmt.Errorf("line %d is not valid YAML", line)
	}
	if _, scanErr := fmt.Sscanf(err.Error(), "yaml: unmarshal errors:\n  line %d:", &line); scanErr == nil {
		return fmt.Errorf("line %d does not fit: want a YAML list of entries with key (or sha256), tenant, user and manage", line)
	}
	return errors.New("is not a YAML list of entries with key (or sha256), tenant, user and manage")
}
