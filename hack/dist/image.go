package main

import (
	"fmt"
	"strings"
)

// reference names an image.
type reference struct{ repository, tag, digest string }

// parseReference reads an image's name. It wants a tag or a digest: an image
// without either would be another one every day.
func parseReference(s string) (reference, error) {
	var r reference
	name, digest, hasDigest := strings.Cut(s, "@")
	r.repository, r.digest = name, digest
	// A colon before the last slash is that of a registry's port.
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		r.repository, r.tag = name[:colon], name[colon+1:]
		if r.tag == "" {
			return r, fmt.Errorf("%q has an empty tag", s)
		}
	}
	switch {
	case r.repository == "":
		return r, fmt.Errorf("%q names no image", s)
	case hasDigest && !strings.HasPrefix(digest, "sha256:"):
		return r, fmt.Errorf("%q has the digest %q, want one of the form sha256:HEX", s, digest)
	case !hasDigest && r.tag == "":
		return r, fmt.Errorf("%q has neither tag nor digest", s)
	}
	return r, nil
}
