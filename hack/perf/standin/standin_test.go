package standin

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func post(t *testing.T, url, body string) (contentType, answer string) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Header.Get("Content-Type"), string(data)
}

func TestHandler(t *testing.T) {
	server := httptest.NewServer(Handler(Options{Embedding: 20 * time.Millisecond, Pieces: 3}))
	defer server.Close()

	began := time.Now()
	_, body := post(t, server.URL+"/v1/embeddings", `{"input":["a"]}`)
	var embedded struct {
		Data []struct{ Embedding []float32 }
	}
	if err := json.Unmarshal([]byte(body), &embedded); err != nil || len(embedded.Data) != 1 || len(embedded.Data[0].Embedding) != dimensions {
		t.Errorf("the embedding is %.100s, %v", body, err)
	}
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("the embedding took %s, want at least 20 ms", took)
	}
	if _, body := post(t, server.URL+"/v1/embeddings", `{"input":["a"],"encoding_format":"base64"}`); !strings.Contains(body, `"embedding":"`) {
		t.Errorf("the embedding is %.100s, want base64", body)
	}

	_, body = post(t, server.URL+"/query", `{"vector":[1],"top_k":5,"include_metadata":true}`)
	var found struct {
		Matches []struct {
			ID       string
			Score    float64
			Metadata struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(body), &found); err != nil || len(found.Matches) != topK || found.Matches[0].Metadata.Text == "" {
		t.Errorf("the matches are %.100s, %v", body, err)
	}

	_, body = post(t, server.URL+"/v1/chat/completions", `{"messages":[]}`)
	if !strings.Contains(body, `"finish_reason":"stop"`) || !strings.Contains(body, sentence) {
		t.Errorf("the completion is %.200s", body)
	}
	contentType, body := post(t, server.URL+"/v1/chat/completions", `{"stream":true}`)
	if contentType != "text/event-stream" || strings.Count(body, sentence) != 3 || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("the stream is %.200s", body)
	}
}

// TestServeModel asks twice on one connection, and once with another method.
func TestServeModel(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- ServeModel(listener, 20*time.Millisecond) }()
	url := "http://" + listener.Addr().String() + "/v1/chat/completions"
	for range 2 {
		began := time.Now()
		contentType, body := post(t, url, `{"messages":[]}`)
		if contentType != "application/json" || !strings.Contains(body, `"finish_reason":"stop"`) || !json.Valid([]byte(body)) {
			t.Errorf("the answer is %s %.200s", contentType, body)
		}
		if took := time.Since(began); took < 20*time.Millisecond {
			t.Errorf("the answer took %s, want at least 20 ms", took)
		}
	}
	response, err := http.Head(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("HEAD is answered with %s, want 404", response.Status)
	}
	listener.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v, want that the listener is closed", err)
	}
}

// TestPerCaller asks three times at once from one address and once from another.
func TestPerCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := Handler(Options{Model: time.Second, PerCaller: 2})
		began := time.Now()
		took := map[string][]time.Duration{}
		var mu sync.Mutex
		var calls sync.WaitGroup
		for _, address := range []string{"198.18.0.2:1", "198.18.0.2:2", "198.18.0.2:3", "198.18.0.3:1"} {
			calls.Go(func() {
				request := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{}`))
				request.RemoteAddr = address
				handler.ServeHTTP(httptest.NewRecorder(), request)
				mu.Lock()
				defer mu.Unlock()
				caller, _, _ := strings.Cut(address, ":")
				took[caller] = append(took[caller], time.Since(began))
			})
		}
		calls.Wait()
		want := map[string][]time.Duration{"198.18.0.2": {time.Second, time.Second, 2 * time.Second}, "198.18.0.3": {time.Second}}
		if diff := cmp.Diff(want, took); diff != "" {
			t.Errorf("time to the answer (-want +got):\n%s", diff)
		}
	})
}

func TestDelayKeepsRepliesInOrder(t *testing.T) {
	echo := listen(t)
	go func() {
		conn, err := echo.Accept()
		if err == nil {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	proxy := listen(t)
	go func() { _ = Delay(t.Context(), proxy, echo.Addr().String(), 30*time.Millisecond) }()
	conn, err := net.Dial("tcp", proxy.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for _, line := range []string{"one\n", "two\n"} {
		began := time.Now()
		if _, err := conn.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.ReadString('\n'); got != line || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, line)
		}
		if took := time.Since(began); took < 30*time.Millisecond {
			t.Errorf("the reply took %s, want at least 30 ms", took)
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
