package standin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// ServeModel answers every POST request at a listener as chat completions do, in one
// piece and after a set time, until the listener is closed, and says 404 to any other
// method. It does it with less than half of the work of an [http.Server], which also
// looks whether its caller left: for where thousands of answers a second are asked for
// and the cores are those of what is measured.
func ServeModel(l net.Listener, takes time.Duration) error {
	answer := completion(defaultPieces)
	ok := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			// What is wrong with a request ends its connection, which its caller sees.
			_ = converse(conn, takes, ok)
		}()
	}
}

// converse answers the requests of one connection.
func converse(conn net.Conn, takes time.Duration, ok []byte) error {
	requests := bufio.NewReaderSize(conn, 2<<10)
	for {
		request, err := http.ReadRequest(requests)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return err
		}
		answer := []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		if request.Method == http.MethodPost {
			time.Sleep(takes) // as the model would
			answer = ok
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}
