package controllers_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"ragops.dev/ragservice/controllers/internal/testkit"
)

var env *testkit.Environment

// TestMain lets tests that have a namespace of their own and change nothing beside it
// run side by side, more of them than there are cores: what they do most is wait.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testkit.Main(m, &env)
}
