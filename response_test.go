package chips

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// recorder notes the calls that reach the writer which Traefik gave.
type recorder struct {
	*httptest.ResponseRecorder
	calls []string
}

func (r *recorder) WriteHeader(status int) {
	r.calls = append(r.calls, fmt.Sprintf("WriteHeader(%d) %q", status, r.Header()["Set-Cookie"]))
	if status >= 200 {
		r.ResponseRecorder.WriteHeader(status)
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.calls = append(r.calls, "Write "+string(b))
	return len(b), nil
}

func (r *recorder) Flush() { r.calls = append(r.calls, "Flush") }

func TestCommit(t *testing.T) {
	const header200 = `WriteHeader(200) ["a=1; SameSite=None; Secure; Partitioned"]`
	large := strings.Repeat("y", 9999)
	cookie := func(w http.ResponseWriter) http.Header {
		w.Header()["Set-Cookie"] = []string{"a=1"}
		return w.Header()
	}
	tests := []struct {
		name   string
		method string
		next   http.HandlerFunc
		want   []string
	}{
		{"the first final status wins", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w)
			w.WriteHeader(404)
			w.WriteHeader(200)
		}, []string{`WriteHeader(404) ["a=1; SameSite=None; Secure; Partitioned"]`}},
		{"Write commits with 200", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w)
			io.WriteString(w, "x")
		}, []string{header200, "Write x", "Flush"}},
		{"a handler that writes nothing", "GET", func(w http.ResponseWriter, _ *http.Request) { cookie(w) }, nil},
		{"a stream of unknown length", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w).Set("Content-Type", "text/plain")
			w.WriteHeader(200)
			io.WriteString(w, "x")
			io.WriteString(w, "y")
		}, []string{header200, "Flush", "Write x", "Flush", "Write y", "Flush"}},
		{"a header that net/http has to guess from the body", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w)
			w.WriteHeader(200)
			io.WriteString(w, "x")
		}, []string{header200, "Write x", "Flush"}},
		{"a small body of known length is left to the server", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w).Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "9999")
			w.WriteHeader(200)
			io.WriteString(w, "x")
			io.WriteString(w, "y")
		}, []string{header200, "Write x", "Write y"}},
		{"a large body of known length is flushed until it is complete", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w).Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "10000")
			w.WriteHeader(200)
			io.WriteString(w, "x")
			io.WriteString(w, large)
		}, []string{header200, "Flush", "Write x", "Flush", "Write " + large}},
		{"events of known length", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w).Set("Content-Type", "text/event-stream; charset=utf-8")
			w.Header().Set("Content-Length", "10000")
			w.WriteHeader(200)
			io.WriteString(w, "x")
			io.WriteString(w, large)
		}, []string{header200, "Flush", "Write x", "Flush", "Write " + large, "Flush"}},
		{"no body", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w).Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(200)
		}, []string{header200}},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w).Set("Content-Type", "text/plain")
			w.WriteHeader(200)
		}, []string{header200}},
		{"an error is not flushed", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w).Set("Content-Type", "text/plain")
			w.WriteHeader(503)
			io.WriteString(w, "x")
		}, []string{`WriteHeader(503) ["a=1; SameSite=None; Secure; Partitioned"]`, "Write x"}},
		{"cookies of 1xx wait and come first", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = []string{"sticky=1"}
			w.WriteHeader(103)
			clear(w.Header())
			w.Header()["Set-Cookie"] = []string{"hint=1"}
			w.WriteHeader(103)
			clear(w.Header())
			cookie(w).Set("Content-Length", "0")
			w.WriteHeader(200)
		}, []string{`WriteHeader(103) []`, `WriteHeader(103) []`,
			`WriteHeader(200) ["sticky=1; SameSite=None; Secure; Partitioned" "hint=1; SameSite=None; Secure; Partitioned" "a=1; SameSite=None; Secure; Partitioned"]`}},
		{"a trailer that nobody announced, behind an error", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w)
			w.WriteHeader(400)
			io.WriteString(w, "x")
			w.Header().Set(http.TrailerPrefix+"X-Late", "1")
		}, []string{`WriteHeader(400) ["a=1; SameSite=None; Secure; Partitioned"]`, "Write x", "Flush"}},
		{"101 is final", "GET", func(w http.ResponseWriter, _ *http.Request) {
			cookie(w)
			w.WriteHeader(101)
			w.WriteHeader(200)
		}, []string{`WriteHeader(101) ["a=1; SameSite=None; Secure; Partitioned"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			handler, err := New(context.Background(), tt.next, CreateConfig(), "test@file")
			if err != nil {
				t.Fatal(err)
			}
			r := &recorder{ResponseRecorder: httptest.NewRecorder()}
			handler.ServeHTTP(r, httptest.NewRequest(tt.method, "/", nil))
			if !reflect.DeepEqual(r.calls, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(r.calls, "\n"), strings.Join(tt.want, "\n"))
			}
			if got := r.Header()["Set-Cookie"]; tt.want == nil && !reflect.DeepEqual(got, []string{"a=1; SameSite=None; Secure; Partitioned"}) {
				t.Errorf("got cookies %q", got)
			}
		})
	}
}

func TestPanicsPass(t *testing.T) {
	for _, value := range []any{http.ErrAbortHandler, "other"} {
		func() {
			handler, err := New(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Set-Cookie", "a=1")
				panic(value)
			}), CreateConfig(), "test@file")
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			defer func() {
				if got := recover(); got != value {
					t.Errorf("got panic %v; want %v", got, value)
				}
			}()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		}()
	}
}

func upgradeRequest() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	return r
}

func TestHijackOfAWriterThatCannot(t *testing.T) {
	respond(t, CreateConfig(), upgradeRequest(), func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("got %v; want http.ErrNotSupported", err)
		}
	})
}

// hijacked serves a handler that hijacks behind the middleware and returns all
// that the client reads.
func hijacked(t *testing.T, write func(*bufio.ReadWriter)) string {
	t.Helper()
	handler, err := New(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		write(rw)
	}), CreateConfig(), "test@file")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: gms.test\r\nCookie: old=1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestUpgradeHeader(t *testing.T) {
	const header = "HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: a=1\r\nX: Set-Cookie: b\r\nset-cookie:old=2;Path=/\r\n\r\n"
	const edited = "HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: a=1; SameSite=None; Secure; Partitioned\r\nX: Set-Cookie: b\r\n" +
		"Set-Cookie: old=; SameSite=None; Secure; Path=/; Max-Age=0\r\nSet-Cookie: old=2;Path=/; SameSite=None; Secure; Partitioned\r\n\r\n"
	const body = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n\r\nbytes"
	long := strings.Repeat("X-Long: "+strings.Repeat("x", 5000)+"\r\n", 20)
	tests := []struct{ name, written, want string }{
		{"a header", header, edited},
		{"a header and a body in one packet", header + body, edited + body},
		{"a header longer than any buffer", strings.Replace(header, "X:", long+"X:", 1) + body, strings.Replace(edited, "X:", long+"X:", 1) + body},
		{"what is no header", "\x00\x01Set-Cookie: a=1\r\n\r\n", "\x00\x01Set-Cookie: a=1\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := hijacked(t, func(rw *bufio.ReadWriter) {
				rw.WriteString(tt.written)
				rw.Flush()
			})
			if got != tt.want {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
			got = hijacked(t, func(rw *bufio.ReadWriter) {
				for i := range []byte(tt.written) {
					rw.WriteString(tt.written[i : i+1])
					rw.Flush()
				}
			})
			if got != tt.want {
				t.Errorf("octet by octet: got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

// Through net/http's reverse proxy, as in Traefik: a 103 with a cookie and then
// an upgrade, with the sticky cookie that a balancer set before.
func TestUpgradeThroughTheReverseProxy(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"hint=1"}
		w.WriteHeader(http.StatusEarlyHints)
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nSet-Cookie: BAYEUX_BROWSER=1\r\n\r\nfirst")
		rw.Flush()
		io.Copy(conn, rw)
	}))
	defer node.Close()
	target, _ := url.Parse(node.URL)
	proxy := httputil.NewSingleHostReverseProxy(target)
	handler, err := New(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sticky", Value: "1", Path: "/"})
		proxy.ServeHTTP(w, r)
	}), CreateConfig(), "test@file")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		if header["Set-Cookie"] != nil {
			t.Errorf("the 103 has cookies: %q", header["Set-Cookie"])
		}
		return nil
	}})
	r, _ := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
	r.Header = http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"echo"}}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	want := []string{
		"sticky=1; Path=/; SameSite=None; Secure; Partitioned",
		"hint=1; SameSite=None; Secure; Partitioned",
		"BAYEUX_BROWSER=1; SameSite=None; HttpOnly; Secure; Path=/; Partitioned",
	}
	if got := answer.Header["Set-Cookie"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	io.WriteString(answer.Body.(io.Writer), "second")
	got := make([]byte, len("firstsecond"))
	if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != "firstsecond" {
		t.Errorf("got %q, %v", got, err)
	}
}
