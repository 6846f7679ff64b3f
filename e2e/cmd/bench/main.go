// Command bench measures what a response costs in one process, interpreted as
// Traefik does it, and writes the figures into BENCHMARKS.md, .assets/bench.svg
// and, for CI, e2e/bench/allocations.json.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/traefikchips/traefik-chips/e2e/bench"
)

func main() {
	rounds := flag.Int("rounds", 51, "rounds of each measurement; the median counts")
	flag.Parse()
	if err := run(*rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int) error {
	variants, err := bench.Variants()
	if err != nil {
		return err
	}
	naive := slices.IndexFunc(variants, func(v bench.Variant) bool { return v.Name == bench.Naive })
	times := bench.Table{Head: []string{"ns per response (against the naive wrapper)"}}
	memory := bench.Table{Head: []string{"allocations (octets)"}}
	for _, v := range variants {
		times.Head, memory.Head = append(times.Head, v.Name), append(memory.Head, v.Name)
	}
	charted := []int{1, naive, 3}
	values := make([][]float64, len(charted))
	var groups, series []string
	allocations := bench.Allocations{}
	var two, fifty time.Duration
	for _, r := range bench.Responses() {
		costs, err := bench.Measure(r, variants, rounds, 10*time.Millisecond)
		if err != nil {
			return err
		}
		timeRow, memoryRow := []string{r.Name}, []string{r.Name}
		for _, c := range costs {
			timeRow = append(timeRow, fmt.Sprintf("%d (%.2f)", c.Time.Nanoseconds(), ratio(c, costs[naive])))
			memoryRow = append(memoryRow, fmt.Sprintf("%.0f (%.0f)", c.Allocs, c.Bytes))
		}
		times.Rows, memory.Rows = append(times.Rows, timeRow), append(memory.Rows, memoryRow)
		for i, v := range charted {
			values[i] = append(values[i], ratio(costs[v], costs[naive]))
		}
		groups = append(groups, r.Name)
		allocations.Add(r, variants, costs)
		switch r.Name {
		case "2 cookies":
			two = costs[3].Time
		case "50 cookies":
			fifty = costs[3].Time
		}
		fmt.Println(times.Rows[len(times.Rows)-1])
	}
	for _, v := range charted {
		series = append(series, variants[v].Name)
	}
	large := bench.Table{Head: []string{"growth", "time", "against a tenth of it"}}
	for _, family := range bench.Large() {
		var last time.Duration
		for _, r := range family {
			costs, err := bench.Measure(r, variants[3:4], max(3, rounds/10), 10*time.Millisecond)
			if err != nil {
				return err
			}
			against := ""
			if last > 0 {
				against = fmt.Sprintf("%.1f", float64(costs[0].Time)/float64(last))
			}
			last = costs[0].Time
			large.Rows = append(large.Rows, []string{r.Name, last.Round(10 * time.Microsecond).String(), against})
		}
	}
	large.Rows = append(large.Rows, []string{"50 cookies against 2", "", fmt.Sprintf("%.1f", float64(fifty)/float64(two))})
	text := fmt.Sprintf("%s.\n\n%s\n%s\n%s\nThe plugin remembers 128 kinds of lines. More than that, which no service sends, are worked out anew each time.\n", bench.Environment(), times, memory, large)
	fmt.Print("\n", text)
	if err := allocations.Write(); err != nil {
		return err
	}
	if err := bench.Chart("bench", "Time per response, interpreted", "against the naive wrapper", groups, series, values); err != nil {
		return err
	}
	return bench.Publish("bench", fmt.Sprintf("%s\n%s.\n", times, bench.Environment()), text)
}

func ratio(a, b bench.Cost) float64 { return float64(a.Time) / float64(b.Time) }
