package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// audit reads what the operator asked from the API server's log of requests.
type audit struct {
	path   string
	offset int64
}

// requests counts what was asked, such as "create events".
type requests map[string]int

// since reads what was logged since it was read last.
func (a *audit) since() (requests, error) {
	file, err := os.Open(a.path)
	if errors.Is(err, os.ErrNotExist) {
		return requests{}, nil // nobody asked yet
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(a.offset, io.SeekStart); err != nil {
		return nil, err
	}
	counted := requests{}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return counted, nil // what is there of a line is read the next time
		}
		if err != nil {
			return nil, err
		}
		a.offset += int64(len(line))
		var event auditv1.Event
		if err := json.Unmarshal(bytes.TrimSpace(line), &event); err != nil {
			return nil, err
		}
		if event.User.Username != operatorUser || event.ObjectRef == nil || event.ObjectRef.Namespace == warmUp {
			continue
		}
		name := event.Verb + " " + event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			name += "/" + event.ObjectRef.Subresource
		}
		counted[name]++
	}
}

var writing = []string{"create", "update", "patch", "delete", "deletecollection"}

func isWrite(name string) bool {
	return slices.ContainsFunc(writing, func(verb string) bool { return len(name) > len(verb) && name[:len(verb)+1] == verb+" " })
}

// writes is how many requests change something.
func (r requests) writes() int {
	sum := 0
	for name, n := range r {
		if isWrite(name) {
			sum += n
		}
	}
	return sum
}

// perService splits the requests into those that change something, by what they
// do, and the number of all others.
func (r requests) perService(services int) (writes map[string]float64, reads float64) {
	writes = map[string]float64{}
	for name, n := range r {
		share := float64(n) / float64(services)
		if isWrite(name) {
			writes[name] = share
		} else {
			reads += share
		}
	}
	return writes, reads
}
