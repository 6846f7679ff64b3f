// Command bench-traefik measures what the plugin costs on a real Traefik, beside
// no plugin and the naive wrapper, and writes the figures into BENCHMARKS.md and
// .assets/bench-traefik.svg. The nodes are a process of their own: this program,
// started with the argument `node`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/traefikchips/traefik-chips/e2e/bench"
	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// The routers that are compared, by the names of their middlewares. The first
// comes twice: two runs without a plugin differ by the machine's noise.
var variants = []string{"none", "naive", "ours", "none-again"}

func main() {
	rounds := flag.Int("rounds", 12, "rounds of each closed loop; the median counts")
	seconds := flag.Int("seconds", 3, "length of a round")
	clients := flag.Int("clients", 2000, "long-polling clients")
	hold := flag.Duration("hold", 30*time.Second, "how long a long-poll is held")
	routers := flag.Int("routers", 100, "the largest number of routers")
	flag.Parse()
	var err error
	if flag.Arg(0) == "node" {
		err = serveNode(*hold)
	} else {
		err = run(*rounds, time.Duration(*seconds)*time.Second, *clients, *hold, *routers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-traefik:", err)
		os.Exit(1)
	}
}

func run(rounds int, length time.Duration, clients int, hold time.Duration, routers int) (err error) {
	ctx := context.Background()
	nodes, err := stage.StartProcess(exec.Command("/proc/self/exe", "-hold", hold.String(), "node"))
	if err != nil {
		return err
	}
	defer nodes.Stop()
	t, err := stage.StartTraefik(ctx, stage.TraefikOptions{Line: stage.TraefikV3}, configuration(nodes.Address, variants), os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Stop()) }()
	version, err := traefikVersion(t)
	if err != nil {
		return err
	}

	var text strings.Builder
	fmt.Fprintf(&text, "Traefik %s, %s.\n\n", version, bench.Environment())
	section := func(table bench.Table, err error) error {
		if err == nil {
			fmt.Fprintf(&text, "%s\n", table)
			fmt.Println(table)
		}
		return err
	}
	loads, table, err := closedLoop(t, rounds, length)
	if err := section(table, err); err != nil {
		return err
	}
	summary := fmt.Sprintf("%s\nTraefik %s, %s.\n", table, version, bench.Environment())
	half := loads[0].rate / 2
	for _, load := range []func() (bench.Table, error){
		func() (bench.Table, error) { return openLoop(t, rounds, length, half) },
		func() (bench.Table, error) { return longPolls(ctx, nodes.Address, clients, hold) },
		func() (bench.Table, error) { return eventStreams(t) },
		func() (bench.Table, error) { return manyRouters(ctx, nodes.Address, routers) },
	} {
		if err := section(load()); err != nil {
			return err
		}
	}
	values := make([][]float64, 3)
	for i := range values {
		values[i] = []float64{loads[i].rate}
	}
	if err := bench.Chart("bench-traefik", "Small answers, 16 clients", "requests per second", []string{"closed loop"}, []string{"no plugin", "naive wrapper", "ours"}, values); err != nil {
		return err
	}
	return bench.Publish("bench-traefik", summary, text.String())
}

// configuration has a router for each variant, `none.test`, to the node.
func configuration(node string, names []string) string {
	var routers strings.Builder
	for _, name := range names {
		fmt.Fprintf(&routers, "    %s: {rule: 'Host(`%[1]s.test`)', service: node%s}\n", name, middlewareOf(name))
	}
	return fmt.Sprintf(`
http:
  routers:
%s  middlewares:
    naive: {plugin: {naive: {}}}
    ours: {plugin: {traefik-chips: {affinity: {cookies: [gms_node]}}}}
  services:
    node: {loadBalancer: {servers: [{url: 'http://%s'}]}}
`, routers.String(), node)
}

// middlewareOf returns the option of a router for a variant, or for one of
// many, `ours-17`.
func middlewareOf(name string) string {
	kind, _, _ := strings.Cut(name, "-")
	if slices.Contains([]string{"naive", "ours"}, kind) {
		return ", middlewares: [" + kind + "]"
	}
	return ""
}
