// Package naive is what the benchmarks compare the plugin with: the wrapper that
// one writes first. It forwards all four methods and appends three attributes to
// each Set-Cookie line. It loses the cookies of upgrades, holds streams back, and
// breaks on 1xx; it is not for use.
package naive

import (
	"bufio"
	"context"
	"net"
	"net/http"
)

// Config has no options.
type Config struct{}

// CreateConfig returns the defaults.
func CreateConfig() *Config { return &Config{} }

// New builds the middleware.
func New(_ context.Context, next http.Handler, _ *Config, _ string) (http.Handler, error) {
	return &middleware{next}, nil
}

type middleware struct{ next http.Handler }

func (m *middleware) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	m.next.ServeHTTP(&writer{rw: rw}, r)
}

type writer struct {
	rw    http.ResponseWriter
	wrote bool
}

func (w *writer) Header() http.Header { return w.rw.Header() }

func (w *writer) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		lines := w.rw.Header()["Set-Cookie"]
		for i, line := range lines {
			lines[i] = line + "; SameSite=None; Secure; Partitioned"
		}
	}
	w.rw.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.rw.Write(b)
}

func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.rw.(http.Hijacker).Hijack()
}
