// Package pass is the least that an interpreted middleware can do: it calls the
// next handler. The benchmarks show what that costs.
package pass

import (
	"context"
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

func (m *middleware) ServeHTTP(rw http.ResponseWriter, r *http.Request) { m.next.ServeHTTP(rw, r) }
