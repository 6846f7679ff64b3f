// Command demo shows in the terminal what the plugin does: it starts a real
// Traefik and three GMS nodes (see e2e/gms for what they are), talks to them as
// a chat widget in a company's page does, in a browser that blocks third-party
// cookies, with and without the plugin, and keeps them running until Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // until the end
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if err := stage.InstallGMS(ctx, os.Stdout); err != nil {
		return err
	}
	if _, err := stage.BuildTraefik(ctx, stage.TraefikV3, os.Stdout); err != nil {
		return err
	}
	fmt.Println("Starting three GMS nodes and Traefik.")
	cluster, err := stage.StartCluster(false, "A", "B", "C")
	if err != nil {
		return err
	}
	defer cluster.Stop()
	traefik, err := stage.StartTraefik(ctx, stage.TraefikOptions{Line: stage.TraefikV3}, stage.GMSConfiguration(cluster, "https://company.test"), os.Stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, traefik.Stop()) }()

	plain, chips := "https://gms-plain.test", "https://gms.test"
	fmt.Println("\nA chat widget in a company's page, in a browser that blocks third-party cookies.")
	row("", "without the plugin", "with the plugin")

	without, with := stage.NewGMSClient(traefik, plain), stage.NewGMSClient(traefik, chips)
	if err := errors.Join(without.Handshake(), with.Handshake()); err != nil {
		return err
	}
	fmt.Println("\nSet-Cookie lines of the CometD handshake:")
	rows(describe(without), describe(with))
	row("then the chat", chat(without), chat(with))

	without, with = stage.NewGMSClient(traefik, plain), stage.NewGMSClient(traefik, chips)
	const messages = 9
	if err := errors.Join(without.RESTChat("Bo", messages), with.RESTChat("Bo", messages)); err != nil {
		return err
	}
	fmt.Println("\nSet-Cookie lines of a chat over REST, first answer:")
	rows(first(describe(without)), first(describe(with)))
	row("nodes that answered", strings.Join(without.Nodes(), " "), strings.Join(with.Nodes(), " "))

	fmt.Printf("\nTraefik keeps running, until Ctrl-C:\n  with the plugin     http://gms.localhost%[1]s/genesys/1/admin/node/status\n"+
		"  without the plugin  http://gms-plain.localhost%[1]s/genesys/1/admin/node/status\n"+
		"  for example         curl -si http://gms.localhost%[1]s/genesys/2/chat/customer-support -d nickname=Bo\n",
		traefik.HTTP[strings.LastIndexByte(traefik.HTTP, ':'):])
	<-ctx.Done()
	fmt.Println("\nEnding Traefik and the nodes.")
	return nil
}

// describe returns the Set-Cookie lines that a client got, an attribute to a
// line, each with what the browser did; values are shortened.
func describe(c *stage.GMSClient) [][]string {
	var cookies [][]string
	for _, line := range c.SetCookies() {
		parts := strings.Split(line, "; ")
		name, value, _ := strings.Cut(parts[0], "=")
		if len(value) > 12 {
			value = value[:11] + "…"
		}
		parts[0] = name + "=" + value
		for i := range parts[1:] {
			parts[i+1] = "  ; " + parts[i+1]
		}
		verdict := "  -> dropped by the browser"
		if c.Kept(name) {
			verdict = "  -> kept by the browser"
		}
		cookies = append(cookies, append(parts, verdict))
	}
	return cookies
}

// first returns the lines of the first cookie: a client that keeps none gets
// it with every answer.
func first(cookies [][]string) [][]string { return cookies[:min(1, len(cookies))] }

// chat opens a chat over CometD and says what came of it.
func chat(c *stage.GMSClient) string {
	transcript, err := c.Chat("Bo", 1)
	if err != nil {
		return "never opens: " + err.Error()[strings.LastIndexByte(err.Error(), ' ')+1:]
	}
	return fmt.Sprintf("opens: %d messages", len(transcript))
}

const width = 34

func row(label, left, right string) {
	fmt.Printf("%-20s %s%s %s\n", label, left, strings.Repeat(" ", max(0, width-utf8.RuneCountInString(left))), right)
}

// rows prints two lists of cookies side by side.
func rows(left, right [][]string) {
	for i := range max(len(left), len(right)) {
		var l, r []string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		for k := range max(len(l), len(r)) {
			row("", at(l, k), at(r, k))
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
