// Package bench measures what the plugin costs: in one process (see
// cmd/bench) and on real Traefik (see cmd/bench-traefik).
package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Response is one kind of response, as the reverse proxy writes it.
type Response struct {
	Name    string
	Lines   []string // Set-Cookie, which the balancer and the node set
	Upgrade bool
	Writes  int // of Size octets each
	Size    int
}

const bayeux = "BAYEUX_BROWSER=tkrslvcc2i6u66d5; Path=/; HttpOnly"

// Responses are the kinds that are measured.
func Responses() []Response {
	return []Response{
		{Name: "no cookies", Writes: 1, Size: 512},
		{Name: "2 cookies", Lines: []string{"gms_node=b52e7b55edbbb02e; Path=/", bayeux}, Writes: 1, Size: 512},
		{Name: "2 dated cookies", Lines: []string{
			"XSRF-TOKEN=eyJpdiI6; expires=Wed, 25 Nov 2099 12:00:00 GMT; Max-Age=7200; path=/; samesite=lax",
			"session=eyJpdiI6; expires=Wed, 25 Nov 2099 12:00:00 GMT; path=/; httponly; samesite=lax",
		}, Writes: 1, Size: 512},
		{Name: "50 cookies", Lines: lines(50), Writes: 1, Size: 512},
		{Name: "a cookie of 4 KiB", Lines: []string{"long=" + strings.Repeat("x", 4000) + "; Path=/"}, Writes: 1, Size: 512},
		{Name: "64 writes of 32 KiB", Writes: 64, Size: 32 << 10},
		{Name: "upgrade", Lines: []string{"gms_node=b52e7b55edbbb02e; Path=/"}, Upgrade: true},
	}
}

// Large are kinds of one shape and different sizes, to see how the time grows
// with them: each is ten times the one before it.
func Large() [][]Response {
	var longs, manys []Response
	for _, n := range []int{100, 1000, 10000} {
		manys = append(manys, Response{Name: fmt.Sprintf("%d lines", n), Lines: lines(n), Writes: 1, Size: 512})
	}
	for _, n := range []int{10 << 10, 100 << 10, 1 << 20} {
		longs = append(longs, Response{Name: fmt.Sprintf("a line of %d KiB", n>>10), Lines: []string{"long=1; Comment=" + strings.Repeat("x", n) + "; Path=/"}, Writes: 1, Size: 512})
	}
	return [][]Response{longs, manys}
}

func lines(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("cookie%d=value; Path=/; HttpOnly", i)
	}
	return list
}

// Handler writes the response as httputil.ReverseProxy does.
func (r Response) Handler() http.Handler {
	body := make([]byte, r.Size)
	length := fmt.Sprint(r.Size * r.Writes)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		if len(r.Lines) > 0 {
			h["Set-Cookie"] = append([]string(nil), r.Lines...)
		}
		if r.Upgrade {
			_, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			h.Set("Upgrade", "websocket")
			answer := &http.Response{StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Header: h}
			_ = answer.Write(rw)
			_ = rw.Flush()
			return
		}
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", length)
		w.WriteHeader(http.StatusOK)
		for range r.Writes {
			_, _ = w.Write(body)
		}
	})
}

// sink is the server's end: it takes everything and does nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) Flush()                      {}

func (s *sink) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, bufio.NewReadWriter(bufio.NewReader(strings.NewReader("")), bufio.NewWriter(io.Discard)), nil
}
