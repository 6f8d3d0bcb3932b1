package retrieve

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ragops.dev/ragservice/runtime/reload"
	"ragops.dev/ragservice/runtime/upstream"
)

// grpcSecret sends the secret in the file, as it is at the time, with each call;
// an empty file name sends none.
func grpcSecret(header, file string) (grpc.DialOption, error) {
	if file == "" {
		return grpc.EmptyDialOption{}, nil
	}
	secret, err := reload.OpenSecret(file)
	if err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
		invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		return invoke(metadata.AppendToOutgoingContext(ctx, header, secret.Get()), method, request, reply, conn, options...)
	}), nil
}

// grpcError gives an error of a call its kind; nil stays nil. The message names
// no host.
func grpcError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*upstream.Error](err); ok {
		return err
	}
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return context.Canceled
	}
	s := status.New(codes.Unknown, err.Error())
	if e, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		s = e.GRPCStatus() // status.Convert would add what the client says around it
	}
	message := s.Message()
	kind := upstream.KindUnavailable
	switch s.Code() {
	case codes.DeadlineExceeded:
		kind, message = upstream.KindTimeout, "no answer in time"
	case codes.ResourceExhausted:
		kind = upstream.KindRateLimited
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented:
		kind = upstream.KindRejected
	case codes.Internal:
		if strings.Contains(message, "unmarshal") {
			kind = upstream.KindInvalidResponse
		}
	case codes.Unavailable:
		if strings.Contains(message, "connection error") || strings.Contains(message, "name resolver") {
			message = "no connection"
		}
	}
	return &upstream.Error{Kind: kind, Err: errors.New(message)}
}
