package standin

import (
	"context"
	"io"
	"net"
	"time"
)

// Delay passes connections on to a server and holds each of its replies back, as
// a server far away would. It returns when the listener is closed.
func Delay(ctx context.Context, listener net.Listener, server string, d time.Duration) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go relay(ctx, conn, server, d)
	}
}

func relay(ctx context.Context, client net.Conn, server string, d time.Duration) {
	defer client.Close()
	backend, err := (&net.Dialer{}).DialContext(ctx, "tcp", server)
	if err != nil {
		return // The client sees its connection closed, as it should.
	}
	defer backend.Close()
	go func() {
		// Whichever way it ends, the other direction has to end as well.
		_, _ = io.Copy(backend, client)
		_ = backend.(*net.TCPConn).CloseWrite()
	}()
	type late struct {
		due  time.Time
		data []byte
	}
	held := make(chan late, 1024)
	go func() {
		defer close(held)
		buffer := make([]byte, 64<<10)
		for {
			n, err := backend.Read(buffer)
			if n > 0 {
				held <- late{time.Now().Add(d), append([]byte(nil), buffer[:n]...)}
			}
			if err != nil {
				return
			}
		}
	}()
	for reply := range held {
		<-time.After(time.Until(reply.due))
		if _, err := client.Write(reply.data); err != nil {
			_ = backend.Close() // Ends the reader, which may be waiting for room.
			for range held {
			}
			return
		}
	}
}
