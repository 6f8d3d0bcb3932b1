package http1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkRoundTrip sends a question of the size of an embedding's text over one
// connection and reads its answer, of the size of a vector. The server allocates nothing.
func BenchmarkRoundTrip(b *testing.B) {
	question, answer := strings.Repeat("question", 128), []byte(ok(strings.Repeat("0.123456,", 384)))
	server := serve(b, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == len("\r\n") {
					break
				}
			}
			if _, err := r.Discard(len(question)); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	transports := []struct {
		name string
		http.RoundTripper
	}{{"http1", newClient(b)}, {"net/http", netHTTP(b)}}
	for _, transport := range transports {
		b.Run(transport.name, func(b *testing.B) {
			b.ReportAllocs()
			buffer := make([]byte, 4<<10)
			for b.Loop() {
				request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.url, strings.NewReader(question))
				if err != nil {
					b.Fatal(err)
				}
				request.Header.Set("Content-Type", "application/json")
				response, err := transport.RoundTrip(request)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = response.Body.Read(buffer)
				}
				response.Body.Close()
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		})
	}
}
