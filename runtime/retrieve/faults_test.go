package retrieve

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// faultTimeout is what a search may take; searches that fail at once must not
// wait for it.
const faultTimeout = time.Second

// remoteStores opens each store behind a network at an address.
var remoteStores = map[string]struct {
	grpc bool
	open func(t *testing.T, address string) (Store, error)
}{
	"qdrant": {grpc: true, open: func(t *testing.T, address string) (Store, error) {
		return openQdrant(config.Qdrant{Endpoint: address, Collection: "passages", TextField: "text"}, testRemote("qdrant", faultTimeout))
	}},
	"pinecone": {grpc: true, open: func(t *testing.T, address string) (Store, error) {
		cfg := config.Pinecone{IndexHost: "http://" + address, TextField: "text", APIKeyFile: secretFile(t, "key")}
		return openPinecone(cfg, testRemote("pinecone", faultTimeout))
	}},
	"weaviate": {open: func(t *testing.T, address string) (Store, error) {
		return openWeaviate(config.Weaviate{Endpoint: "http://" + address, Collection: "Passages", TextField: "text"}, testRemote("weaviate", faultTimeout))
	}},
	"openSearch": {open: func(t *testing.T, address string) (Store, error) {
		return openOpenSearch(config.OpenSearch{Endpoint: "http://" + address, Index: "passages", VectorField: "embedding", TextField: "text"}, testRemote("openSearch", faultTimeout))
	}},
	"http": {open: func(t *testing.T, address string) (Store, error) {
		return openHTTP(config.HTTPStore{URL: "http://" + address, TextField: "text"}, testRemote("http", faultTimeout))
	}},
	"pgvector": {open: func(t *testing.T, address string) (Store, error) {
		cfg := config.PGVector{
			DSNFile: secretFile(t, "postgres://u:p@"+address+"/db?sslmode=disable&connect_timeout=1"), Table: "documents", IDColumn: "id",
			TextColumn: "content", VectorColumn: "embedding", MetadataColumn: "metadata", PoolSize: 2,
		}
		return openPGVector(cfg, testRemote("pgvector", faultTimeout))
	}},
}

// TestFaults makes the server behind each store fail in several ways. Each search
// must end within its timeout, with an error of the right kind that names no
// address.
func TestFaults(t *testing.T) {
	for name, store := range remoteStores {
		for _, fault := range []struct {
			name    string
			address func(t *testing.T) string
			want    []upstream.Kind
		}{
			{name: "gone", address: closedPort, want: []upstream.Kind{upstream.KindUnavailable}},
			{name: "hangs", address: func(t *testing.T) string { return rawServer(t, "") }, want: []upstream.Kind{upstream.KindTimeout}},
			{name: "garbage", address: func(t *testing.T) string { return rawServer(t, "SSH-2.0-garbage\r\n\r\n") },
				want: []upstream.Kind{upstream.KindUnavailable, upstream.KindInvalidResponse, upstream.KindTimeout}},
			{name: "not its protocol's JSON", address: func(t *testing.T) string { return answering(t, store.grpc, 200, codes.OK) },
				want: []upstream.Kind{upstream.KindInvalidResponse}},
			{name: "500", address: func(t *testing.T) string { return answering(t, store.grpc, 500, codes.Internal) },
				want: []upstream.Kind{upstream.KindUnavailable}},
			{name: "429", address: func(t *testing.T) string { return answering(t, store.grpc, 429, codes.ResourceExhausted) },
				want: []upstream.Kind{upstream.KindRateLimited}},
		} {
			if name == "pgvector" && (fault.name == "500" || fault.name == "429" || strings.HasPrefix(fault.name, "not")) {
				continue // PostgreSQL has no status: its own errors are tested with the real server
			}
			t.Run(name+"/"+fault.name, func(t *testing.T) {
				address := fault.address(t)
				s, err := store.open(t, address)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				start := time.Now()
				_, err = s.Search(t.Context(), Query{Vector: question, TopK: 1})
				if took := time.Since(start); took > 5*faultTimeout { // the machine may be busy
					t.Errorf("took %s, and has %s", took, faultTimeout)
				}
				e, ok := errors.AsType[*upstream.Error](err)
				if !ok || !slices.Contains(fault.want, e.Kind) {
					t.Fatalf("got %v, want %v", err, fault.want)
				}
				if strings.Contains(err.Error(), address) {
					t.Errorf("the error names the address: %v", err)
				}
			})
		}
	}
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rawServer takes connections, says its piece and nothing more.
func rawServer(t *testing.T, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				if _, err := io.WriteString(conn, greeting); err == nil {
					_, _ = io.Copy(io.Discard, conn) // until the client gives up
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// answering is a server that gives the same answer to everything: over HTTP a page
// with a status, over gRPC a code, or where that is OK a message that is none.
func answering(t *testing.T, overGRPC bool, httpStatus int, code codes.Code) string {
	t.Helper()
	if overGRPC {
		return serveGRPC(t, func(*grpc.Server) {}, grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var request []byte
			if err := stream.RecvMsg(&request); err != nil || code != codes.OK {
				return status.Error(code, "not now")
			}
			return stream.SendMsg([]byte{0xff, 0xff, 0xff})
		}))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(httpStatus)
		_, _ = io.WriteString(w, "<html>not now</html>")
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// rawCodec takes messages as bytes.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}

func kindOf(err error) upstream.Kind {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.Kind
	}
	return ""
}
