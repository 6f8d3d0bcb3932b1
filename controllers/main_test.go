package controllers_test

import (
	"testing"

	"ragops.dev/ragservice/controllers/internal/testkit"
)

var env *testkit.Environment

func TestMain(m *testing.M) { testkit.Main(m, &env) }
