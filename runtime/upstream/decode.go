package upstream

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// DecodeJSON reads a response's body to its end and decodes it into a value. The error is
// that of reading or of decoding.
func DecodeJSON(body io.Reader, into any) error {
	return ReadBody(body, func(content []byte) error {
		return json.Unmarshal(content, into) // copies what it keeps
	})
}

// ReadBody reads a response's body to its end and hands it to use, which must not keep it. A
// body that is left before its end costs the connection, and with it the next call the
// time to open another. The error is that of reading or of use.
func ReadBody(body io.Reader, use func(content []byte) error) error {
	buffer := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buffer.Cap() <= maxPooledBuffer {
			buffer.Reset()
			buffers.Put(buffer)
		}
	}()
	if _, err := buffer.ReadFrom(body); err != nil {
		return err
	}
	return use(buffer.Bytes())
}

// buffers are for responses' bodies.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooledBuffer is the largest buffer that is kept: of a vector of 3,072 numbers,
// or of a hundred passages.
const maxPooledBuffer = 128 << 10
