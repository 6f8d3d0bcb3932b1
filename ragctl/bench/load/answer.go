package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// cacheResult is what the X-Cache header of an answer says.
type cacheResult int

const (
	cacheUnknown cacheResult = iota
	cacheLocal
	cacheRedis
	cacheHit
	cacheSemantic
	cacheFAQ
	cacheStale
	cacheMiss
	cacheResults
)

// cacheNames are the values of X-Cache, as the runtime sends them.
var cacheNames = [cacheResults]string{"", "HIT-L1", "HIT-L2", "HIT", "SEMANTIC", "FAQ", "STALE", "MISS"}

func classifyCache(header string) cacheResult {
	if header == "" {
		return cacheUnknown
	}
	for i, name := range cacheNames {
		if header == name {
			return cacheResult(i)
		}
	}
	// Proxies and other services write their own words, such as "Hit from …".
	if strings.HasPrefix(strings.ToUpper(header), "HIT") {
		return cacheHit
	}
	if strings.HasPrefix(strings.ToUpper(header), "MISS") {
		return cacheMiss
	}
	return cacheUnknown
}

// checkAnswer says what is wrong with an answer, nil for nothing. thorough
// parses it.
func checkAnswer(api API, contentType string, body []byte, thorough bool) *Failure {
	body = bytes.TrimSpace(body)
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' || thorough && !json.Valid(body) {
		return &Failure{FailureNotJSON, "content type " + mediaType(contentType) + ", not a JSON object"}
	}
	key := `"answer"`
	if api == APIChat {
		key = `"choices"`
	}
	if !bytes.Contains(body, []byte(key)) {
		return &Failure{FailureNotJSON, "a JSON object without " + key}
	}
	return nil
}

// mediaType names a content type without what the target may have added to it.
func mediaType(header string) string {
	if t, _, err := mime.ParseMediaType(header); err == nil {
		return t
	}
	return "unknown"
}

// readStream reads server-sent events up to data: [DONE].
func (c *connection) readStream(response *http.Response, got *answer) (keep bool, err error) {
	if t := mediaType(response.Header.Get("Content-Type")); t != "text/event-stream" {
		got.failure = &Failure{FailureNotJSON, "content type " + t + ", not a stream of events"}
		return false, nil
	}
	if c.lines == nil {
		c.lines = bufio.NewReaderSize(nil, 8<<10)
	}
	c.lines.Reset(response.Body)
	for {
		line, err := c.lines.ReadSlice('\n')
		if err != nil {
			return false, streamFailure(err, got)
		}
		data, isData := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:"))
		if !isData {
			continue
		}
		data = bytes.TrimSpace(data)
		if string(data) == "[DONE]" {
			_, err := io.Copy(io.Discard, c.lines)
			return err == nil, err
		}
		if got.failure = checkEvent(data, &got.firstToken); got.failure != nil {
			return false, nil
		}
	}
}

// streamFailure sorts out an error of reading a line: the target's is noted in the
// answer, and the connection's returned.
func streamFailure(err error, got *answer) error {
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		got.failure = &Failure{FailureNotJSON, "an event longer than 8 KiB"}
		return nil
	case errors.Is(err, io.EOF):
		got.failure = &Failure{FailureTruncated, "the stream ended without [DONE]"}
		return nil
	}
	return err
}

// checkEvent notes the time of the first event that carries a piece of the
// answer; the later ones are only looked at for an error.
func checkEvent(data []byte, firstToken *time.Time) *Failure {
	if !firstToken.IsZero() && !bytes.HasPrefix(data, []byte(`{"error"`)) {
		return nil
	}
	var event struct {
		Error   json.RawMessage
		Choices []struct{ Delta struct{ Content string } }
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return &Failure{FailureNotJSON, "an event that is not JSON"}
	}
	if event.Error != nil {
		return &Failure{FailureServer, "an error in the middle of the stream"}
	}
	for _, choice := range event.Choices {
		if choice.Delta.Content != "" {
			*firstToken = time.Now()
			return nil
		}
	}
	return nil
}
