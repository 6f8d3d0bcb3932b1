package postgres

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"ragops.dev/ragservice/runtime/upstream"
)

// Error gives an error of pgx its kind; nil stays nil. The message names neither
// host nor user, and no value of a row.
func Error(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*upstream.Error](err); ok {
		return known
	}
	if answered, ok := errors.AsType[*pgconn.PgError](err); ok {
		message := answered.Message
		if strings.HasPrefix(answered.Code, "22") && answered.Code != "22000" {
			message = "a value does not fit its type" // the message quotes it
		}
		return &upstream.Error{Kind: kindOf(answered.Code), Err: errors.New(message + " (SQLSTATE " + answered.Code + ")")}
	}
	switch {
	case errors.Is(context.Cause(ctx), context.Canceled):
		return context.Canceled
	case ctx.Err() != nil || pgconn.Timeout(err):
		return &upstream.Error{Kind: upstream.KindTimeout, Err: errors.New("no answer in time")}
	}
	if failed, ok := errors.AsType[*net.DNSError](err); ok {
		return &upstream.Error{Kind: upstream.KindUnavailable, Err: errors.New(failed.Err)}
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		return &upstream.Error{Kind: upstream.KindUnavailable, Err: failed.Err}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return &upstream.Error{Kind: upstream.KindUnavailable, Err: errors.New("the connection failed")}
	}
	return &upstream.Error{Kind: upstream.KindUnavailable, Err: err}
}

// kindOf sorts the classes of appendix A of PostgreSQL's manual by who can mend
// what is wrong.
func kindOf(sqlstate string) upstream.Kind {
	switch {
	case sqlstate == "57014": // query_canceled, by statement_timeout
		return upstream.KindTimeout
	case strings.HasPrefix(sqlstate, "22"), // data exception
		strings.HasPrefix(sqlstate, "23"), // constraint violation
		strings.HasPrefix(sqlstate, "28"), // wrong password
		strings.HasPrefix(sqlstate, "3D"), // no such database
		strings.HasPrefix(sqlstate, "42"): // syntax error, no such table, no permission
		return upstream.KindRejected
	}
	return upstream.KindUnavailable
}
