package testredis

import (
	"testing"

	"go.uber.org/goleak"
)

// VerifyTestMain runs the tests and fails if goroutines are left over. One of the
// client library's is let pass: after failed dials its pool looks once a second
// whether it was closed, and so outlives Close by up to a second.
func VerifyTestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}
