package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/traefikchips/traefik-chips/e2e/bench"
	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// load is what one run showed.
type load struct {
	rate     float64 // requests per second
	p50, p99 time.Duration
	cpu      time.Duration // of Traefik, for each request
	memory   float64       // of Traefik at its end, in MiB
}

// attack sends requests over kept-alive connections. Rate 0 is a closed loop:
// each of the clients sends its next request when it has the answer.
func attack(t *stage.Traefik, variant, path string, clients int, rate vegeta.Rate, length, timeout time.Duration) (load, error) {
	attacker := vegeta.NewAttacker(vegeta.Workers(uint64(clients)), vegeta.MaxWorkers(uint64(clients)), vegeta.Connections(clients),
		vegeta.MaxConnections(clients), vegeta.KeepAlive(true), vegeta.HTTP2(false), vegeta.Timeout(timeout))
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: "http://" + t.HTTP + path, Header: http.Header{"Host": {variant + ".test"}}})
	before, err := usageOf(t)
	if err != nil {
		return load{}, err
	}
	var m vegeta.Metrics
	for result := range attacker.Attack(target, rate, length, variant) {
		m.Add(result)
	}
	m.Close()
	after, err := usageOf(t)
	if err != nil {
		return load{}, err
	}
	if m.Requests == 0 || m.Success < 1 {
		return load{}, fmt.Errorf("%s: %d requests, success %.3f: %v", variant, m.Requests, m.Success, m.Errors)
	}
	return load{m.Rate, m.Latencies.P50, m.Latencies.P99, (after.cpu - before.cpu) / time.Duration(m.Requests), after.memory}, nil
}

// alternate runs each variant in turn, round by round, and returns the medians.
// Every round begins with another variant, since what ran just before counts.
func alternate(rounds int, once func(variant string) (load, error)) ([]load, error) {
	all := make([][]load, len(variants))
	for round := range rounds {
		for k := range variants {
			i := (round + k) % len(variants)
			l, err := once(variants[i])
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], l)
		}
	}
	medians := make([]load, len(variants))
	for i, list := range all {
		medians[i] = load{
			rate:   median(list, func(l load) float64 { return l.rate }),
			p50:    median(list, func(l load) time.Duration { return l.p50 }),
			p99:    median(list, func(l load) time.Duration { return l.p99 }),
			cpu:    median(list, func(l load) time.Duration { return l.cpu }),
			memory: median(list, func(l load) float64 { return l.memory }),
		}
	}
	return medians, nil
}

func median[T float64 | time.Duration](list []load, value func(load) T) T {
	var values []T
	for _, l := range list {
		values = append(values, value(l))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// closedLoop is the throughput of small answers.
func closedLoop(t *stage.Traefik, rounds int, length time.Duration) ([]load, bench.Table, error) {
	once := func(v string) (load, error) { return attack(t, v, "/small", 16, vegeta.Rate{}, length, time.Minute) }
	if _, err := alternate(1, once); err != nil { // warm
		return nil, bench.Table{}, err
	}
	loads, err := alternate(rounds, once)
	if err != nil {
		return nil, bench.Table{}, err
	}
	table := bench.Table{Head: []string{"small answers, closed loop", "requests/s", "loss", "p50", "p99", "Traefik's CPU per request", "memory"}}
	for i, l := range loads {
		table.Rows = append(table.Rows, []string{variants[i], fmt.Sprintf("%.0f", l.rate), fmt.Sprintf("%.1f %%", 100*(1-l.rate/loads[0].rate)),
			micros(l.p50), micros(l.p99), micros(l.cpu), fmt.Sprintf("%.0f MiB", l.memory)})
	}
	return loads, table, nil
}

// openLoop is the latency of small answers at half of what Traefik can do.
func openLoop(t *stage.Traefik, rounds int, length time.Duration, rate float64) (bench.Table, error) {
	loads, err := alternate(rounds, func(v string) (load, error) {
		return attack(t, v, "/small", 64, vegeta.Rate{Freq: int(rate), Per: time.Second}, length, time.Minute)
	})
	table := bench.Table{Head: []string{fmt.Sprintf("small answers, %.0f a second", rate), "p50", "p99", "Traefik's CPU per request"}}
	for i, l := range loads {
		table.Rows = append(table.Rows, []string{variants[i], micros(l.p50), micros(l.p99), micros(l.cpu)})
	}
	return table, err
}

// longPolls are clients that wait for an answer all at once, each variant on a
// Traefik of its own, whose memory nobody has used before.
func longPolls(ctx context.Context, node string, clients int, hold time.Duration) (bench.Table, error) {
	loads, err := alternate(1, func(v string) (l load, err error) {
		t, err := stage.StartTraefik(ctx, stage.TraefikOptions{Line: stage.TraefikV3}, configuration(node, variants), os.Stderr)
		if err != nil {
			return load{}, err
		}
		defer func() { err = errors.Join(err, t.Stop()) }()
		// They all come within five seconds, each with one request.
		rate := vegeta.Rate{Freq: clients, Per: 5 * time.Second}
		return attack(t, v, "/poll", clients, rate, 5*time.Second, hold+time.Minute)
	})
	table := bench.Table{Head: []string{fmt.Sprintf("long-polls of %s, %d clients", hold, clients), "p50", "p99", "Traefik's CPU per request", "memory"}}
	for i, l := range loads {
		table.Rows = append(table.Rows, []string{variants[i], l.p50.Round(time.Millisecond).String(), l.p99.Round(time.Millisecond).String(), micros(l.cpu), fmt.Sprintf("%.0f MiB", l.memory)})
	}
	return table, err
}

// events is the number of them in a stream.
const events = 100

// eventStreams measures how long an event is on its way.
func eventStreams(t *stage.Traefik) (bench.Table, error) {
	const clients = 100
	table := bench.Table{Head: []string{fmt.Sprintf("%d event streams, an event each 50 ms", clients), "p50", "p99", "Traefik's CPU per event"}}
	for _, v := range variants {
		before, err := usageOf(t)
		if err != nil {
			return table, err
		}
		var mu sync.Mutex
		var delays []time.Duration
		var failure error
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				list, err := stream(t, v)
				mu.Lock()
				defer mu.Unlock()
				delays = append(delays, list...)
				if err != nil {
					failure = err
				}
			})
		}
		group.Wait()
		if failure != nil {
			return table, failure
		}
		after, err := usageOf(t)
		if err != nil {
			return table, err
		}
		slices.Sort(delays)
		n := len(delays)
		table.Rows = append(table.Rows, []string{v, micros(delays[n/2]), micros(delays[n*99/100]), micros((after.cpu - before.cpu) / time.Duration(n))})
	}
	return table, nil
}

func stream(t *stage.Traefik, variant string) ([]time.Duration, error) {
	answer, err := t.Client().Get("http://" + variant + ".test/events")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var delays []time.Duration
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if sent, found := strings.CutPrefix(lines.Text(), "data: "); found {
			nanos, err := strconv.ParseInt(sent, 10, 64)
			if err != nil {
				return nil, err
			}
			delays = append(delays, time.Since(time.Unix(0, nanos)))
		}
	}
	if len(delays) != events {
		return nil, fmt.Errorf("%s: %d of %d events", variant, len(delays), events)
	}
	return delays, nil
}

// manyRouters measures Traefik's start, its memory and a hot reload with that
// many routers, and with fewer.
func manyRouters(ctx context.Context, node string, most int) (bench.Table, error) {
	table := bench.Table{Head: []string{"routers", "start", "memory", "hot reload"}}
	for _, kind := range []string{"none", "ours"} {
		for _, n := range []int{1, 10, most} {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("%s-%d", kind, i))
			}
			start := time.Now()
			t, err := stage.StartTraefik(ctx, stage.TraefikOptions{Line: stage.TraefikV3}, configuration(node, names), os.Stderr)
			if err != nil {
				return table, err
			}
			started := time.Since(start)
			used, err := usageOf(t)
			if err == nil {
				start = time.Now()
				err = t.Configure(configuration(node, append(names, kind+"-new")))
			}
			reloaded := time.Since(start)
			if stopErr := t.Stop(); err == nil {
				err = stopErr
			}
			if err != nil {
				return table, err
			}
			table.Rows = append(table.Rows, []string{fmt.Sprintf("%d, %s", n, kind), started.Round(10 * time.Millisecond).String(),
				fmt.Sprintf("%.0f MiB", used.memory), reloaded.Round(10 * time.Millisecond).String()})
		}
	}
	return table, nil
}

func micros(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
