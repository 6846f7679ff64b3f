package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// serveNode answers /small at once, /poll when it was held, and /events with a
// hundred events, each with the time at which it was sent. It is a
// stage.Process.
func serveNode(hold time.Duration) error {
	body := []byte(strings.Repeat("x", 512))
	mux := http.NewServeMux()
	mux.HandleFunc("/small", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/poll", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(hold):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "[]")
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range events {
			fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("{\"address\": %q}\n", l.Addr())
	server := &http.Server{Handler: mux}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// usage is what a process has used so far.
type usage struct {
	cpu    time.Duration
	memory float64 // resident, in MiB
}

func usageOf(t *stage.Traefik) (usage, error) {
	stat, err := t.Stat()
	if err != nil {
		return usage{}, err
	}
	return usage{time.Duration(stat.CPUTime() * float64(time.Second)), float64(stat.ResidentMemory()) / (1 << 20)}, nil
}

// traefikVersion asks the binary that runs.
func traefikVersion(t *stage.Traefik) (string, error) {
	out, err := exec.Command("go", "version", "-m", "-json", fmt.Sprintf("/proc/%d/exe", t.Pid())).Output()
	if err != nil {
		return "", err
	}
	var info struct {
		Deps []struct{ Path, Version string }
		Main struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return "", err
	}
	for _, m := range append(info.Deps, info.Main) {
		if strings.HasPrefix(m.Path, "github.com/traefik/traefik/v") {
			return m.Version, nil
		}
	}
	return "", fmt.Errorf("no module of Traefik in the binary")
}
