package standin

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// ServeModel answers every POST request at a listener as chat completions do, in one
// piece and after a set time, until the listener is closed. It does it with a third of
// the work that net/http makes of it, for where thousands of answers a second are asked
// for and the cores are those of what is measured. It takes bodies with a
// Content-Length only, notices that a caller left when it writes, and says 404 to any
// other method.
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
		post, length, err := readHead(requests)
		if err != nil {
			return err
		}
		if _, err := requests.Discard(length); err != nil {
			return err
		}
		answer := []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		if post {
			time.Sleep(takes)
			answer = ok
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// readHead reads a request up to its body, of which it tells the length.
func readHead(r *bufio.Reader) (post bool, length int, err error) {
	line, err := r.ReadSlice('\n')
	post = bytes.HasPrefix(line, []byte("POST "))
	for err == nil {
		line, err = r.ReadSlice('\n')
		name, value, found := bytes.Cut(line, []byte(":"))
		switch {
		case err != nil:
		case len(bytes.TrimSpace(line)) == 0:
			return post, length, nil
		case !found:
			err = errors.New("a header has no colon")
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			err = errors.New("the body has no Content-Length")
		}
	}
	return false, 0, errors.Join(io.ErrUnexpectedEOF, err)
}
