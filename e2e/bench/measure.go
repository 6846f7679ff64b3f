package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"time"

	chips "github.com/traefikchips/traefik-chips"

	"github.com/traefikchips/traefik-chips/e2e/interpreted"
)

// Variant is one way to handle a response.
type Variant struct {
	Name string
	Ours bool // the interpreted plugin
	New  func(next http.Handler) (http.Handler, error)
}

// Naive is the name of the variant that the others are compared with.
const Naive = "naive wrapper"

// full is a configuration with every option.
var full = map[string]any{
	"cookies": []any{
		map[string]any{"name": "BAYEUX_BROWSER", "set": "SameSite=None, HttpOnly, Secure, Path=/, Partitioned", "remove": "Domain"},
		map[string]any{"name": "XSRF-*", "keep": true},
		map[string]any{"name": "*", "set": "SameSite=None, Secure, Partitioned, Priority=High"},
	},
	"affinity": map[string]any{"cookies": "gms_node", "services": "gms"},
}

// Variants loads the ways that are measured.
func Variants() ([]Variant, error) {
	naive, err := interpreted.Load("e2e/bench/naive")
	if err != nil {
		return nil, err
	}
	pass, err := interpreted.Load("e2e/bench/pass")
	if err != nil {
		return nil, err
	}
	ours, err := interpreted.Load("")
	if err != nil {
		return nil, err
	}
	with := func(p *interpreted.Plugin, config map[string]any) func(http.Handler) (http.Handler, error) {
		return func(next http.Handler) (http.Handler, error) { return p.New(config, next) }
	}
	return []Variant{
		{"no plugin", false, func(next http.Handler) (http.Handler, error) { return next, nil }},
		{"calls next only", false, with(pass, nil)},
		{Naive, false, with(naive, nil)},
		{"ours", true, with(ours, nil)},
		{"ours, full configuration", true, with(ours, full)},
		{"ours, compiled", false, func(next http.Handler) (http.Handler, error) {
			return chips.New(context.Background(), next, chips.CreateConfig(), "bench@file")
		}},
	}, nil
}

// Cost is what one response costs, a median over the rounds.
type Cost struct {
	Time   time.Duration
	Allocs float64
	Bytes  float64
}

// Measure returns the cost of a response in each of the variants. The rounds
// of the variants alternate, so that what disturbs the machine disturbs all.
func Measure(r Response, variants []Variant, rounds int, round time.Duration) ([]Cost, error) {
	runs := make([]func(n int) Cost, len(variants))
	for i, v := range variants {
		handler, err := v.New(r.Handler())
		if err != nil {
			return nil, err
		}
		runs[i] = func(n int) Cost { return run(handler, r.Upgrade, n) }
	}
	iterations := make([]int, len(variants))
	for i := range runs {
		runs[i](10) // what is remembered, and the interpreter's first call
		n := 1
		for runs[i](n).Time*time.Duration(n) < round {
			n *= 2
		}
		iterations[i] = n
	}
	all := make([][]Cost, len(variants))
	for range rounds {
		for i := range runs {
			all[i] = append(all[i], runs[i](iterations[i]))
		}
	}
	costs := make([]Cost, len(variants))
	for i, list := range all {
		costs[i] = Cost{
			Time:   time.Duration(median(list, func(c Cost) float64 { return float64(c.Time) })),
			Allocs: median(list, func(c Cost) float64 { return c.Allocs }),
			Bytes:  median(list, func(c Cost) float64 { return c.Bytes }),
		}
	}
	return costs, nil
}

// run serves n requests without cookies: the responses to them are those that
// set some.
func run(handler http.Handler, upgrade bool, n int) Cost {
	w := &sink{header: http.Header{}}
	r := httptest.NewRequest(http.MethodPost, "/genesys/cometd", nil)
	if upgrade {
		r.Header.Set("Upgrade", "websocket")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for range n {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	return Cost{
		Time:   elapsed / time.Duration(n),
		Allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
		Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}

func median[T any](list []T, value func(T) float64) float64 {
	values := make([]float64, len(list))
	for i, v := range list {
		values[i] = value(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
