// Command stage brings up the deployment that the plugin was made for: a real
// Traefik, GMS nodes (see e2e/gms for what they are) with the plugin and without
// it, and pages of two companies that embed the chat. It prints the addresses as
// JSON and runs until its standard input closes.
//
// With -demo it prints the address of the demo page instead, for a person and
// their own browser, and runs until Ctrl-C.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

func main() {
	demo := flag.Bool("demo", false, "print the address of the demo page, and run until Ctrl-C")
	line := flag.String("traefik", stage.TraefikV3, "the line of Traefik, v3 or v2; TRAEFIK in the environment names a binary instead")
	route := flag.String("route", "", "where https://widget.test leads, `127.0.0.1:1234`")
	flag.Parse()
	if err := run(*demo, *line, *route); err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
}

func run(demo bool, line, route string) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	s, err := stage.Start(ctx, stage.TraefikOptions{Line: line}, route, os.Stderr)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C, before it was up
		}
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	if demo {
		fmt.Printf("The chat of a company's page, without and with the plugin:\n\n  %s\n\nOpen it in your browser. Ctrl-C ends it.\n", s.Addresses().Demo)
	} else {
		if err := json.NewEncoder(os.Stdout).Encode(s.Addresses()); err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	<-ctx.Done()
	return nil
}
