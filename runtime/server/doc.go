// Package server is the runtime's way in: it decodes requests, finds out who
// asks, admits or sheds, hands questions to package query and writes answers. It
// also serves the admin port and runs the whole from start to drain.
//
// Handlers return errors, and one place (errors.go) turns them into responses.
// The package makes no answers itself and asks no other server.
package server
