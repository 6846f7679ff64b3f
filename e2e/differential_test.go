package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// generated answers /gen/N with a response that N decides: status, header,
// cookies, trailers, a 103 before it, and the shape of the body.
func generated(w http.ResponseWriter, r *http.Request) {
	seed, err := strconv.ParseUint(r.PathValue("seed"), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	random := rand.New(rand.NewPCG(seed, 0))
	early := random.IntN(8) == 0
	one := func(choices ...string) string { return choices[random.IntN(len(choices))] }
	h := w.Header()
	if early {
		h.Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		h.Del("Link")
	}
	for i := range random.IntN(6) {
		h.Add(one("X-One", "X-Two", "Vary", "Cache-Control", "Etag", "X-Lower"), one("a", "b, c", "\"quoted\"", "", "caf\xe9", strings.Repeat("v", i*100)))
	}
	for range random.IntN(5) {
		h.Add("Set-Cookie", one("a", "b", "BAYEUX_BROWSER", "__Host-c", "")+one("=1", "=\"x y\"", "=", "")+
			one("", ";", "; Path=/", "; Path=/; HttpOnly", ";secure;samesite=lax", "; Max-Age=0", "; expires=Thu, 01 Jan 1970 00:00:00 GMT", "; Comment=caf\xe9"))
	}
	status := []int{200, 200, 200, 200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 504}[random.IntN(22)]
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", one("text/plain", "application/json", "text/event-stream", "text/html; charset=utf-8"))
	body := bytes.Repeat([]byte("0123456789abcdef"), []int{0, 1, 32, 600, 5000}[random.IntN(5)])
	shape := one("whole", "known", "chunks", "flushed chunks", "trailers")
	switch shape {
	case "known":
		h.Set("Content-Length", strconv.Itoa(len(body)))
	case "trailers":
		h.Set("Trailer", "X-Trailer")
	}
	w.WriteHeader(status)
	for len(body) > 0 {
		n := len(body)
		if shape != "whole" {
			n = 1 + random.IntN(n)
		}
		_, _ = w.Write(body[:n])
		body = body[n:]
		if shape == "flushed chunks" {
			w.(http.Flusher).Flush()
		}
	}
	if shape == "trailers" {
		h.Set("X-Trailer", "1")
	}
}

// Clients get the same with the plugin and without it, Set-Cookie apart: over
// HTTP/1.1 the header is compared as it is on the wire. Two things differ, as the
// README says: the sticky cookie, which a 103 takes away without the plugin, and
// the framing of an error whose length the node did not tell.
func TestDifferential(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/gen/{seed}", generated)
	n := httptest.NewServer(mux)
	t.Cleanup(n.Close)
	const responses = 10000
	onEachTraefik(t, behaviour(n.URL), func(t *testing.T, traefik *stage.Traefik) {
		var next, cookies atomic.Int64
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				client := traefik.Client()
				client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
				for {
					seed := int(next.Add(1))
					if seed > responses || t.Failed() {
						return
					}
					method := []string{"GET", "GET", "HEAD", "POST"}[seed%4]
					ask := func(host string) (answer, error) { return overHTTP1(traefik, method, host, seed) }
					if seed%3 == 0 {
						ask = func(host string) (answer, error) { return overHTTP2(client, method, host, seed) }
					}
					without, err := ask("plain.test")
					if err != nil {
						t.Errorf("%d: without the plugin: %v", seed, err)
						return
					}
					with, err := ask("default.test")
					if err != nil {
						t.Errorf("%d: with the plugin: %v", seed, err)
						return
					}
					cookies.Add(int64(with.cookies))
					want := without.cookies
					if rand.New(rand.NewPCG(uint64(seed), 0)).IntN(8) == 0 {
						want++ // the 103 has it
					}
					if with.cookies != want {
						t.Errorf("%d: got %d cookies; want %d", seed, with.cookies, want)
					}
					if !reflect.DeepEqual(with.header, without.header) || with.body != without.body || !reflect.DeepEqual(with.trailer, without.trailer) {
						t.Errorf("%d, %s: got\n%q\nand %d octets, trailers %v; want\n%q\nand %d octets, trailers %v", seed, method,
							with.header, len(with.body), with.trailer, without.header, len(without.body), without.trailer)
					}
				}
			})
		}
		group.Wait()
		t.Logf("%d responses with %d cookies", responses, cookies.Load())
		if cookies.Load() < responses {
			t.Errorf("got %d cookies in all; want at least the sticky one of each response", cookies.Load())
		}
	})
}

// answer is what a client got.
type answer struct {
	header  []string // its lines but for Set-Cookie and Date, 1xx included
	cookies int      // Set-Cookie lines of the final response, twins apart
	body    string
	trailer http.Header
}

// twin reports whether the plugin has added the line.
func twin(line string) bool {
	return strings.HasSuffix(line, "; Max-Age=0") && strings.Contains(line, "=; SameSite=None; Secure")
}

// overHTTP1 reads a response from the wire.
func overHTTP1(traefik *stage.Traefik, method, host string, seed int) (answer, error) {
	conn, err := net.Dial("tcp", traefik.HTTP)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return answer{}, err
	}
	if _, err := fmt.Fprintf(conn, "%s /gen/%d HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method, seed, host); err != nil {
		return answer{}, err
	}
	wire, err := io.ReadAll(conn)
	if err != nil {
		return answer{}, err
	}
	var a answer
	rest := wire
	for final := false; !final; {
		block, after, found := bytes.Cut(rest, []byte("\r\n\r\n"))
		if !found {
			return a, fmt.Errorf("no end of the header in %q", rest)
		}
		final = !bytes.HasPrefix(block, []byte("HTTP/1.1 1"))
		failed := final && len(block) > 9 && block[9] >= '3'
		for _, line := range strings.Split(string(block), "\r\n") {
			switch {
			case strings.HasPrefix(line, "Date: "), failed && (strings.HasPrefix(line, "Content-Length: ") || strings.HasPrefix(line, "Transfer-Encoding: ")):
			case !strings.HasPrefix(line, "Set-Cookie: "):
				a.header = append(a.header, line)
			case final && !twin(line):
				a.cookies++
			}
		}
		if !final {
			rest = after
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(rest)), &http.Request{Method: method})
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	a.body, a.trailer = string(body), response.Trailer
	return a, err
}

func overHTTP2(client *http.Client, method, host string, seed int) (answer, error) {
	r, err := http.NewRequest(method, fmt.Sprintf("https://%s/gen/%d", host, seed), nil)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Accept-Encoding", "identity")
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 {
		return answer{}, fmt.Errorf("got %s", response.Proto)
	}
	body, err := io.ReadAll(response.Body)
	a := answer{body: string(body), trailer: response.Trailer}
	for _, line := range response.Header["Set-Cookie"] {
		if !twin(line) {
			a.cookies++
		}
	}
	response.Header.Del("Set-Cookie")
	response.Header.Del("Date")
	// fastProxy does not flush the header of an empty body.
	if response.StatusCode >= 300 || len(body) == 0 && method != http.MethodHead {
		response.ContentLength = 0
		response.Header.Del("Content-Length")
	}
	a.header = []string{response.Status, fmt.Sprint(response.ContentLength), fmt.Sprint(response.Header)}
	return a, err
}
