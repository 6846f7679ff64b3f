package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// runs are the ways in which every test of this file runs. With TRAEFIK set
// there is one run, of that binary.
func runs() []stage.TraefikOptions {
	if os.Getenv("TRAEFIK") != "" {
		return []stage.TraefikOptions{{}}
	}
	return []stage.TraefikOptions{{Line: stage.TraefikV3}, {Line: stage.TraefikV3, FastProxy: true}, {Line: stage.TraefikV2}}
}

// onEachTraefik runs a test against a Traefik with that dynamic configuration,
// once for each of the runs.
func onEachTraefik(t *testing.T, dynamic string, test func(t *testing.T, traefik *stage.Traefik)) {
	for _, options := range runs() {
		t.Run(options.String(), func(t *testing.T) { test(t, startTraefik(t, options, dynamic)) })
	}
}

func startTraefik(t *testing.T, options stage.TraefikOptions, dynamic string) *stage.Traefik {
	t.Helper()
	traefik, err := stage.StartTraefik(context.Background(), options, dynamic, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Traefik's log, its end:\n%s", tail(traefik.Log(), 4000))
		}
		if err := traefik.Stop(); err != nil {
			t.Error(err)
		}
	})
	return traefik
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// get sends a request and returns the response with its body read.
func get(t *testing.T, client *http.Client, method, address string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func equalLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// eventually waits for a condition as long as a slow machine may need.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	if err := stage.Poll(time.Minute, try); err != nil {
		t.Fatal(err)
	}
}

// node is a node that misbehaves on demand: what a request's path names.
func node(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	cookies := func(w http.ResponseWriter) {
		w.Header().Add("Set-Cookie", "BAYEUX_BROWSER=1; Path=/; HttpOnly")
		w.Header().Add("Set-Cookie", "other=2")
	}
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) {
		cookies(w)
		io.WriteString(w, strings.Repeat("hello ", 1000))
	})
	mux.HandleFunc("/name/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", r.PathValue("name")+"=1; Path=/"+r.PathValue("name"))
	})
	mux.HandleFunc("/odd", func(w http.ResponseWriter, _ *http.Request) { w.Header()["Set-Cookie"] = oddLines })
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		cookies(w)
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
	})
	// Each stream waits between header, first and second part until the
	// client, which has seen the one before, asks for the next.
	next := make(chan struct{})
	mux.HandleFunc("/next", func(http.ResponseWriter, *http.Request) { next <- struct{}{} })
	mux.HandleFunc("/stream/{kind}", func(w http.ResponseWriter, r *http.Request) {
		cookies(w)
		w.Header().Set("Content-Type", "text/plain")
		switch r.PathValue("kind") {
		case "events":
			w.Header().Set("Content-Type", "text/event-stream")
		case "known":
			w.Header().Set("Content-Length", fmt.Sprint(len("data 1data 2")+len(padding)))
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		for _, part := range []string{"data 1", "data 2"} {
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
			io.WriteString(w, part)
			w.(http.Flusher).Flush()
		}
		if r.PathValue("kind") == "known" {
			io.WriteString(w, padding)
		}
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.Header().Set("Set-Cookie", "hint=1")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header()["Set-Cookie"] = []string{"final=1"}
		io.WriteString(w, "done")
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		cookies(w)
		w.Header().Set("Trailer", "X-Announced")
		io.WriteString(w, "body")
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	mux.HandleFunc("/late-trailer", func(w http.ResponseWriter, _ *http.Request) {
		cookies(w)
		w.Header().Set("Content-Type", "text/plain") // without it Traefik v2 guesses or not, as time has it
		w.WriteHeader(http.StatusBadRequest)
		w.(http.Flusher).Flush() // or net/http sends no trailer that was not announced
		io.WriteString(w, "body")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
		conn, err := upgrader.Upgrade(w, r, http.Header{"Set-Cookie": {"BAYEUX_BROWSER=1; Path=/; HttpOnly", "other=2"}})
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// padding makes a body too large for the plugin to leave it to the server.
var padding = strings.Repeat("x", 10000)

// oddLines are lines that lesser plugins lose or mend, and what the default
// rules append to each.
var (
	oddLines = []string{
		"a=1", "a=2", "a=1", "", ";", "json={\"a\": [1, 2]}", "quoted=\"a b\"", "nameless", "utf8=日本", "latin1=\xe9",
		"long=" + strings.Repeat("x", 8<<10), "long=1; Comment=" + strings.Repeat("x", 8<<10), "b=1; Priority=High; Foo",
	}
	unpartitioned = map[string]bool{"": true, ";": true} // for they are no cookies
)

// The cookies of node's answers as the default rules make them.
var rewritten = []string{
	"BAYEUX_BROWSER=1; SameSite=None; HttpOnly; Secure; Path=/; Partitioned",
	"other=2; SameSite=None; Secure; Partitioned",
}

// behaviour is the configuration of TestTraefik: routers by host, all to one
// node, but for `down`, whose nodes are all down.
func behaviour(node string) string {
	rule := func(host string) string { return "{rule: 'Host(`" + host + ".test`)', service: sticky" }
	var routers strings.Builder
	for host, middlewares := range map[string]string{
		"plain": "", "default": "chips", "full": "full", "embedded": "embedded",
		"compress-after": "chips, compress", "compress-before": "compress, chips",
		"retry-after": "chips, retry", "retry-before": "retry, chips",
		"errors-after": "chips, errors", "errors-before": "errors, chips",
		"buffering-after": "chips, buffering", "buffering-before": "buffering, chips",
	} {
		fmt.Fprintf(&routers, "    %s: %s, middlewares: [%s]}\n", host, rule(host), middlewares)
	}
	return `
http:
  routers:
` + routers.String() + `
    named: {rule: 'Host(` + "`named.test`" + `)', service: named, middlewares: [affinity]}
    derived: {rule: 'Host(` + "`derived.test`" + `)', service: sticky, middlewares: [affinity]}
    weighted: {rule: 'Host(` + "`weighted.test`" + `)', service: weighted, middlewares: [affinity]}
    down: {rule: 'Host(` + "`down.test`" + `)', service: down, middlewares: [chips]}
    half-down-after: {rule: 'Host(` + "`half-down-after.test`" + `)', service: half-down, middlewares: [chips, retry]}
    half-down-before: {rule: 'Host(` + "`half-down-before.test`" + `)', service: half-down, middlewares: [retry, chips]}
    down-plain: {rule: 'Host(` + "`down-plain.test`" + `)', service: down}
  middlewares:
    chips: {plugin: {traefik-chips: {expireUnpartitioned: true}}}
    full:
      plugin:
        traefik-chips:
          cookies:
            - {name: BAYEUX_BROWSER, set: 'SameSite=None, HttpOnly, Secure, Path=/genesys, Partitioned, Max-Age=60, Priority=High', remove: [Domain]}
            - {name: 'oth*', keep: true}
          affinity: {services: [sticky], cookies: [unused]}
          expireUnpartitioned: false
          httpsOnly: true
    embedded: {plugin: {traefik-chips: {embeddedOnly: true}}}
    affinity:
      plugin:
        traefik-chips:
          cookies: [{name: '*', keep: true}]
          affinity: {cookies: [gms_node, gms_group], services: [sticky@file]}
    compress: {compress: {}}
    retry: {retry: {attempts: 3}}
    errors: {errors: {status: ['503'], service: sticky, query: /ok}}
    buffering: {buffering: {maxResponseBodyBytes: 1000000}}
  services:
    sticky: {loadBalancer: {sticky: {cookie: {}}, servers: [{url: '` + node + `'}]}}
    named: {loadBalancer: {sticky: {cookie: {name: gms_node, httpOnly: true, sameSite: lax}}, servers: [{url: '` + node + `'}]}}
    weighted: {weighted: {sticky: {cookie: {name: gms_group}}, services: [{name: named, weight: 1}]}}
    half-down: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}, {url: '` + node + `'}]}}
    down: {loadBalancer: {sticky: {cookie: {}}, servers: [{url: 'http://127.0.0.1:1'}]}}
`
}

func TestTraefik(t *testing.T) {
	n := node(t)
	onEachTraefik(t, behaviour(n.URL), func(t *testing.T, traefik *stage.Traefik) {
		client := traefik.Client()
		// The sticky cookies' names and values are learned where no plugin is.
		plain, plainBody := get(t, client, "GET", "http://plain.test/ok", nil)
		sticky, _, _ := strings.Cut(plain.Header["Set-Cookie"][0], ";")
		equalLines(t, "without the plugin", plain.Header["Set-Cookie"], []string{sticky + "; Path=/", "BAYEUX_BROWSER=1; Path=/; HttpOnly", "other=2"})
		wanted := append([]string{sticky + "; Path=/; SameSite=None; Secure; Partitioned"}, rewritten...)

		t.Run("default rules", func(t *testing.T) {
			answer, body := get(t, client, "GET", "http://default.test/ok", nil)
			equalLines(t, "Set-Cookie", answer.Header["Set-Cookie"], wanted)
			if body != plainBody {
				t.Error("the body is another one")
			}
		})
		t.Run("full configuration", func(t *testing.T) {
			answer, _ := get(t, client, "GET", "https://full.test/ok", nil)
			equalLines(t, "HTTPS", answer.Header["Set-Cookie"], []string{
				sticky + "; Path=/; SameSite=None; HttpOnly; Secure; Partitioned",
				"BAYEUX_BROWSER=1; SameSite=None; HttpOnly; Secure; Path=/genesys; Max-Age=60; Priority=High; Partitioned",
				"other=2",
			})
			answer, _ = get(t, client, "GET", "http://full.test/ok", nil)
			equalLines(t, "HTTP", answer.Header["Set-Cookie"], plain.Header["Set-Cookie"])
		})
		t.Run("affinity", func(t *testing.T) {
			_, value, _ := strings.Cut(sticky, "=")
			answer, _ := get(t, client, "GET", "http://derived.test/ok", nil)
			equalLines(t, "derived name", answer.Header["Set-Cookie"], []string{sticky + "; Path=/; SameSite=None; HttpOnly; Secure; Partitioned", "BAYEUX_BROWSER=1; Path=/; HttpOnly", "other=2"})
			answer, _ = get(t, client, "GET", "http://named.test/ok", nil)
			equalLines(t, "given name", answer.Header["Set-Cookie"], []string{"gms_node=" + value + "; Path=/; SameSite=None; HttpOnly; Secure; Partitioned", "BAYEUX_BROWSER=1; Path=/; HttpOnly", "other=2"})
			answer, _ = get(t, client, "GET", "http://weighted.test/ok", nil)
			lines := answer.Header["Set-Cookie"]
			if len(lines) != 4 || !strings.HasPrefix(lines[0], "gms_group=") || !strings.HasSuffix(lines[0], "; Path=/; SameSite=None; HttpOnly; Secure; Partitioned") {
				t.Errorf("weighted service: got %q", lines)
			}
		})
		t.Run("twin of the sticky cookie", func(t *testing.T) {
			name, _, _ := strings.Cut(sticky, "=")
			answer, _ := get(t, client, "GET", "http://default.test/ok", http.Header{"Cookie": {name + "=of-a-dead-node"}})
			equalLines(t, "Set-Cookie", answer.Header["Set-Cookie"], append([]string{name + "=; SameSite=None; Secure; Path=/; Max-Age=0"}, wanted...))
		})
		t.Run("odd lines", func(t *testing.T) {
			answer, _ := get(t, client, "GET", "http://default.test/odd", nil)
			want := wanted[:1:1]
			for _, line := range oddLines {
				if !unpartitioned[line] {
					line += "; SameSite=None; Secure; Partitioned"
				}
				want = append(want, line)
			}
			equalLines(t, "Set-Cookie", answer.Header["Set-Cookie"], want)
		})
		t.Run("concurrent requests with cookies never seen before", func(t *testing.T) {
			var group sync.WaitGroup
			for g := range 8 {
				group.Go(func() {
					for i := range 100 {
						name := fmt.Sprintf("n%d-%d", g, i)
						answer, err := client.Get("http://default.test/name/" + name)
						if err != nil {
							t.Error(err)
							return
						}
						answer.Body.Close()
						want := name + "=1; Path=/" + name + "; SameSite=None; Secure; Partitioned"
						if got := answer.Header["Set-Cookie"]; len(got) != 2 || got[1] != want {
							t.Errorf("got %q; want %q", got, want)
						}
					}
				})
			}
			group.Wait()
			if n := strings.Count(traefik.Log(), "chips: chips@file: cookie "); n != 64 {
				t.Errorf("got %d cookie names in the log; want 64", n)
			}
		})
		t.Run("embedded requests only", func(t *testing.T) {
			for name, header := range map[string]http.Header{
				"a frame's own fetch":           {"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Storage-Access": {"none"}},
				"a fetch out of another site":   {"Sec-Fetch-Site": {"cross-site"}},
				"a WebSocket from another site": {"Origin": {"https://bank.test"}},
				"a client that tells nothing":   {},
			} {
				answer, _ := get(t, client, "GET", "http://embedded.test/ok", header)
				equalLines(t, name, answer.Header["Set-Cookie"], wanted)
			}
			for name, header := range map[string]http.Header{
				"the service's own page":          {"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Dest": {"document"}},
				"a link to it on another site":    {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Dest": {"document"}},
				"its own fetch":                   {"Sec-Fetch-Site": {"same-origin"}},
				"its own WebSocket, in Chromium":  {"Origin": {"http://embedded.test"}},
				"a WebSocket from its other port": {"Origin": {"https://embedded.test:8443"}},
			} {
				answer, _ := get(t, client, "GET", "http://embedded.test/ok", header)
				equalLines(t, name, answer.Header["Set-Cookie"], plain.Header["Set-Cookie"])
			}
		})
		t.Run("log", func(t *testing.T) {
			for _, want := range []string{
				`chips: chips@file: cookies[0] BAYEUX_BROWSER: set SameSite=None, HttpOnly, Secure, Path=/, Partitioned; cookies[1] *: set`,
				`chips: chips@file: cookie \"other\": attributes \"\" became \"; SameSite=None; Secure; Partitioned\" (cookies[1])`,
			} {
				if n := strings.Count(traefik.Log(), want); n == 0 || strings.Contains(want, "became") && n != 1 {
					t.Errorf("%d times in Traefik's log: %s", n, want)
				}
			}
		})
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
			t.Run(protocol, func(t *testing.T) {
				client, scheme := client, "http://"
				if protocol == "HTTP/2" {
					client, scheme = traefik.Client(), "https://"
					client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
				}
				for _, request := range []string{"GET /ok", "HEAD /ok", "GET /status/200", "GET /status/204", "GET /status/304", "GET /status/404", "GET /status/503", "HEAD /status/200", "GET /trailers", "GET /late-trailer"} {
					t.Run(request, func(t *testing.T) {
						method, path, _ := strings.Cut(request, " ")
						without, withoutBody := get(t, client, method, scheme+"plain.test"+path, nil)
						with, withBody := get(t, client, method, scheme+"default.test"+path, nil)
						if !strings.HasPrefix(with.Proto, protocol) {
							t.Errorf("got %s; want %s", with.Proto, protocol)
						}
						equalLines(t, "Set-Cookie", with.Header["Set-Cookie"], wanted)
						sameButCookies(t, with, without)
						if withBody != withoutBody || !reflect.DeepEqual(with.Trailer, without.Trailer) {
							t.Errorf("got a body of %d octets, trailers %v; want %d, %v", len(withBody), with.Trailer, len(withoutBody), without.Trailer)
						}
						if request == "GET /late-trailer" && with.Trailer.Get("X-Late") != "2" {
							t.Errorf("got trailers %v", with.Trailer)
						}
						if request == "GET /trailers" && (with.Trailer.Get("X-Announced") != "1" || with.Trailer.Get("X-Late") != "2") {
							t.Errorf("got trailers %v", with.Trailer)
						}
					})
				}
				for _, kind := range []string{"events", "chunked", "known"} {
					t.Run("stream of "+kind, func(t *testing.T) { stream(t, client, scheme+"default.test", kind) })
				}
			})
		}
		t.Run("Traefik's own 502", func(t *testing.T) {
			without, withoutBody := get(t, client, "GET", "http://down-plain.test/", nil)
			with, withBody := get(t, client, "GET", "http://down.test/", nil)
			if with.StatusCode != http.StatusBadGateway || withBody != withoutBody || len(with.Header["Set-Cookie"]) != 1 {
				t.Errorf("got %d %q with cookies %q; want 502 %q", with.StatusCode, withBody, with.Header["Set-Cookie"], withoutBody)
			}
			for _, line := range with.Header["Set-Cookie"] {
				if !strings.HasSuffix(line, "; Path=/; SameSite=None; Secure; Partitioned") {
					t.Errorf("got %q", line)
				}
			}
			sameButCookies(t, with, without)
		})
		for _, order := range []string{"compress", "retry", "errors", "buffering"} {
			for _, place := range []string{"after", "before"} {
				t.Run(order+" "+place, func(t *testing.T) {
					host := "http://" + order + "-" + place + ".test"
					answer, body := get(t, client, "GET", host+"/ok", nil)
					equalLines(t, "Set-Cookie", answer.Header["Set-Cookie"], wanted)
					if body != plainBody {
						t.Errorf("the body is another one")
					}
					compressed, _ := get(t, client, "GET", host+"/ok", http.Header{"Accept-Encoding": {"gzip"}})
					equalLines(t, "Set-Cookie with gzip", compressed.Header["Set-Cookie"], wanted)
					if got := compressed.Header.Get("Content-Encoding"); (got == "gzip") != (order == "compress") {
						t.Errorf("got Content-Encoding %q", got)
					}
					failed, body := get(t, client, "GET", host+"/status/503", nil)
					if failed.StatusCode != http.StatusServiceUnavailable || (body == plainBody) != (order == "errors") {
						t.Errorf("got %d with %d octets", failed.StatusCode, len(body))
					}
					for _, line := range failed.Header["Set-Cookie"] {
						if !strings.Contains(line, "; Partitioned") {
							// The error page is asked for by the errors middleware
							// itself, past what stands behind it in the router.
							if order == "errors" && place == "before" {
								continue
							}
							t.Errorf("got %q", line)
						}
					}
				})
			}
		}
		for _, place := range []string{"after", "before"} {
			t.Run("retry "+place+", half of the nodes down", func(t *testing.T) {
				for range 6 {
					answer, body := get(t, client, "GET", "http://half-down-"+place+".test/ok", nil)
					if answer.StatusCode != http.StatusOK || body != plainBody {
						t.Errorf("got %d with %d octets; want the answer of the node that lives", answer.StatusCode, len(body))
					}
					equalLines(t, "Set-Cookie", answer.Header["Set-Cookie"], rewritten)
				}
			})
		}
		for _, kind := range []string{"events", "chunked", "known"} {
			for _, host := range []string{"retry-after", "retry-before", "errors-before"} {
				t.Run("stream of "+kind+" through "+host, func(t *testing.T) { stream(t, client, "http://"+host+".test", kind) })
			}
		}
		t.Run("103 Early Hints", func(t *testing.T) {
			var hints []textproto.MIMEHeader
			trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
				hints = append(hints, header)
				return nil
			}}
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "GET", "http://default.test/early", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if len(hints) != 1 || hints[0].Get("Link") == "" || hints[0]["Set-Cookie"] != nil {
				t.Errorf("got hints %v; want one with a Link and no cookies", hints)
			}
			equalLines(t, "Set-Cookie", answer.Header["Set-Cookie"], []string{wanted[0], "hint=1; SameSite=None; Secure; Partitioned", "final=1; SameSite=None; Secure; Partitioned"})
		})
		t.Run("WebSocket", func(t *testing.T) { upgrade(t, traefik, wanted) })
	})
}

// sameButCookies compares all that a client sees of two responses, but for
// their cookies and dates.
func sameButCookies(t *testing.T, got, want *http.Response) {
	t.Helper()
	strip := func(h http.Header) http.Header {
		h = h.Clone()
		h.Del("Set-Cookie")
		h.Del("Date")
		return h
	}
	if got.StatusCode != want.StatusCode || got.ContentLength != want.ContentLength ||
		!reflect.DeepEqual(got.TransferEncoding, want.TransferEncoding) || !reflect.DeepEqual(strip(got.Header), strip(want.Header)) {
		t.Errorf("got %d, length %d, %v, %v; want %d, length %d, %v, %v", got.StatusCode, got.ContentLength, got.TransferEncoding, strip(got.Header),
			want.StatusCode, want.ContentLength, want.TransferEncoding, strip(want.Header))
	}
}

// stream fails where the header or a part of the body is held back: the node
// goes on only when the client has what came before.
func stream(t *testing.T, client *http.Client, host, kind string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", host+"/stream/"+kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatalf("no header: %v", err)
	}
	defer answer.Body.Close()
	if got := answer.Header["Set-Cookie"]; len(got) != 3 || !strings.HasSuffix(got[2], "Partitioned") {
		t.Errorf("got cookies %q", got)
	}
	for _, want := range []string{"data 1", "data 2"} {
		get(t, client, "GET", "http://plain.test/next", nil)
		part := make([]byte, len(want))
		if _, err := io.ReadFull(answer.Body, part); err != nil || string(part) != want {
			t.Fatalf("got %q, %v; want %q", part, err, want)
		}
	}
	if rest, err := io.ReadAll(answer.Body); err != nil || kind != "known" && len(rest) > 0 || kind == "known" && string(rest) != padding {
		t.Errorf("got %q, %v at the end", rest, err)
	}
}

func upgrade(t *testing.T, traefik *stage.Traefik, wanted []string) {
	dialer := websocket.Dialer{NetDial: func(network, _ string) (net.Conn, error) { return net.Dial(network, traefik.HTTP) }}
	conn, answer, err := dialer.Dial("ws://default.test/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sameLines(t, answer.Header["Set-Cookie"], wanted)
	for _, size := range []int{1, 1000, 1 << 20} {
		sent := strings.Repeat("\r\n\r\nSet-Cookie: a=b\r\n", size/21+1)
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(sent)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != sent {
			t.Fatalf("a message of %d octets came back as %d, %v", len(sent), len(got), err)
		}
	}

	// Firefox says it with another Connection field.
	raw, err := net.Dial("tcp", traefik.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(30 * time.Second))
	request := "GET /ws HTTP/1.1\r\nHost: default.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(raw, request); err != nil {
		t.Fatal(err)
	}
	answer, err = http.ReadResponse(bufio.NewReader(raw), nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v; want 101", answer, err)
	}
	sameLines(t, answer.Header["Set-Cookie"], wanted)
}

// sameLines compares without regard to order: fastProxy writes the node's
// fields first.
func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	seen := map[string]int{}
	for _, line := range got {
		seen[line]++
	}
	for _, line := range want {
		seen[line]--
	}
	for line, n := range seen {
		if n != 0 {
			t.Errorf("%d times too often: %q", n, line)
		}
	}
}

func TestWrongConfigurationAndItsRepair(t *testing.T) {
	n := node(t)
	configuration := func(set string) string {
		return `
http:
  routers:
    gms: {rule: 'Host(` + "`gms.test`" + `)', service: gms, middlewares: [chips]}
    other: {rule: 'Host(` + "`other.test`" + `)', service: gms}
  middlewares:
    chips: {plugin: {traefik-chips: {cookies: [{name: 'a b', set: ['` + set + `']}, {name: '*'}, {name: c, keep: true}]}}}
  services: {gms: {loadBalancer: {servers: [{url: '` + n.URL + `'}]}}}
`
	}
	onEachTraefik(t, configuration("Partitoned"), func(t *testing.T, traefik *stage.Traefik) {
		client := traefik.Client()
		if answer, _ := get(t, client, "GET", "http://gms.test/ok", nil); answer.StatusCode != http.StatusNotFound {
			t.Errorf("a refused router answers %d; want 404", answer.StatusCode)
		}
		if answer, _ := get(t, client, "GET", "http://other.test/ok", nil); answer.StatusCode != http.StatusOK {
			t.Errorf("a router without the plugin answers %d; want 200", answer.StatusCode)
		}
		for _, fault := range []string{`cookies[0].name: \"a b\"`, `cookies[0].set: \"Partitoned\" is no attribute`, `cookies[1]: \"*\" does nothing`, `cookies[2].name: \"c\" never applies`} {
			if !strings.Contains(traefik.Log(), fault) {
				t.Errorf("Traefik's log lacks %s", fault)
			}
		}
		repaired := strings.NewReplacer("a b", "a", ", {name: '*'}, {name: c, keep: true}", "").Replace(configuration("HttpOnly"))
		if err := traefik.Configure(repaired); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if answer, _ := get(t, client, "GET", "http://gms.test/ok", nil); answer.StatusCode != http.StatusOK {
				return fmt.Errorf("the repaired router answers %d", answer.StatusCode)
			}
			return nil
		})
	})
}

func TestGMS(t *testing.T) {
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprintf("bare=%t", bare), func(t *testing.T) {
			cluster, err := stage.StartCluster(bare, "A", "B", "C")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Stop)
			onEachTraefik(t, stage.GMSConfiguration(cluster, stage.DefaultPlugin), func(t *testing.T, traefik *stage.Traefik) {
				with := stage.NewGMSClient(traefik, "https://gms.test")
				if err := with.Handshake(); err != nil {
					t.Fatal(err)
				}
				lines := with.SetCookies()
				if len(lines) != 2 || !strings.HasPrefix(lines[0], "gms_node=") || !strings.HasSuffix(lines[0], "; Path=/; SameSite=None; HttpOnly; Secure; Partitioned") ||
					!strings.HasPrefix(lines[1], "BAYEUX_BROWSER=") || !strings.HasSuffix(lines[1], "; SameSite=None; HttpOnly; Secure; Path=/; Partitioned") {
					t.Errorf("got cookies %q", lines)
				}
				transcript, err := with.Chat("Bo", 10)
				if err != nil {
					t.Error(err)
				}
				if got := strings.Count(strings.Join(transcript, "\n"), "Agent: You said: message "); got != 10 {
					t.Errorf("got %d answers; want 10:\n%s", got, strings.Join(transcript, "\n"))
				}
				if nodes := distinct(with.Nodes()); len(nodes) != 1 {
					t.Errorf("got answers of the nodes %v; want one node", nodes)
				}
				if err := with.RESTChat("Bo", 10); err != nil {
					t.Error(err)
				}
				if nodes := distinct(with.Nodes()); len(nodes) != 1 {
					t.Errorf("after REST: got answers of the nodes %v; want one node", nodes)
				}
				if origin := with.AllowedOrigin(); origin != "https://bank.test" {
					t.Errorf("got Access-Control-Allow-Origin %q", origin)
				}

				preflight, _ := get(t, traefik.Client(), "OPTIONS", "https://gms.test/genesys/cometd/handshake", http.Header{
					"Origin": {"https://bank.test"}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type"},
				})
				if preflight.StatusCode != http.StatusOK || preflight.Header.Get("Access-Control-Allow-Credentials") != "true" ||
					preflight.Header.Get("Access-Control-Allow-Origin") != "https://bank.test" || !strings.EqualFold(preflight.Header.Get("Access-Control-Allow-Headers"), "content-type") {
					t.Errorf("the preflight got %d, %v", preflight.StatusCode, preflight.Header)
				}

				without := stage.NewGMSClient(traefik, "https://gms-plain.test")
				if err := without.Handshake(); err != nil {
					t.Fatal(err)
				}
				if _, err := without.Chat("Bo", 1); err == nil {
					t.Error("without the plugin the chat opened")
				}
				if err := without.RESTChat("Bo", 10); err != nil {
					t.Error(err)
				}
				if nodes := distinct(without.Nodes()); len(nodes) != 3 {
					t.Errorf("without the plugin: got answers of the nodes %v; want all three", nodes)
				}
			})
		})
	}
}

func distinct(nodes []string) []string {
	nodes = slices.Clone(nodes)
	slices.Sort(nodes)
	return slices.Compact(nodes)
}
