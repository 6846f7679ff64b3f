package chips

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
)

// golden is a case of testdata/golden.json, which the interpreted tests of the
// e2e module run as well.
type golden struct {
	Name   string
	Config json.RawMessage // laid over the defaults
	Cookie []string        // the request's Cookie header fields
	Lines  []string        // the node's Set-Cookie lines
	Want   []string
}

func goldenCases(tb testing.TB) []golden {
	tb.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		tb.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(text, &cases); err != nil {
		tb.Fatal(err)
	}
	if len(cases) < 40 {
		tb.Fatalf("got %d golden cases; want at least 40", len(cases))
	}
	return cases
}

// UnmarshalJSON reads a rule as Traefik's decoder does: one string with commas
// is a list.
func (r *CookieRule) UnmarshalJSON(text []byte) error {
	var raw struct {
		Name   string
		Set    list
		Remove list
		Keep   bool
	}
	err := json.Unmarshal(text, &raw)
	*r = CookieRule{Name: raw.Name, Set: raw.Set, Remove: raw.Remove, Keep: raw.Keep}
	return err
}

// UnmarshalJSON is the same for the sticky cookies.
func (a *Affinity) UnmarshalJSON(text []byte) error {
	var raw struct{ Cookies, Services, Set list }
	err := json.Unmarshal(text, &raw)
	*a = Affinity{Cookies: raw.Cookies, Services: raw.Services, Set: raw.Set}
	return err
}

type list []string

func (l *list) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) == nil {
		*l = strings.Split(s, ",")
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// respond sends a request through a middleware with that configuration, in
// front of a handler, and returns the response.
func respond(tb testing.TB, config *Config, r *http.Request, next http.HandlerFunc) *http.Response {
	tb.Helper()
	handler, err := New(context.Background(), next, config, "test@file")
	if err != nil {
		tb.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Result()
}

func setting(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = lines
		w.WriteHeader(http.StatusOK)
	}
}

func TestGolden(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			config := CreateConfig()
			if c.Config != nil {
				if err := json.Unmarshal(c.Config, config); err != nil {
					t.Fatal(err)
				}
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Cookie"] = c.Cookie
			got := respond(t, config, r, setting(c.Lines...)).Header["Set-Cookie"]
			if !reflect.DeepEqual(got, c.Want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.Want, "\n"))
			}
		})
	}
}

func TestNewLeavesTheConfigAlone(t *testing.T) {
	config := &Config{
		Cookies:  []CookieRule{{Name: " a ", Set: []string{" Secure ", "path=/"}}},
		Affinity: Affinity{Cookies: []string{" b "}, Services: []string{"c"}},
	}
	before, _ := json.Marshal(config)
	for i := 0; i < 2; i++ {
		if _, err := New(context.Background(), http.NotFoundHandler(), config, "test@file"); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := json.Marshal(config); string(after) != string(before) {
		t.Errorf("got %s; want %s", after, before)
	}
}

func TestWhichRequestsAreRewritten(t *testing.T) {
	httpsOnly := func(c *Config) { c.HTTPSOnly = true }
	embeddedOnly := func(c *Config) { c.EmbeddedOnly = true }
	tests := []struct {
		name      string
		configure func(*Config)
		url       string
		header    map[string]string
		rewritten bool
	}{
		{"plain HTTP", func(*Config) {}, "http://gms.test/", nil, true},
		{"httpsOnly, plain HTTP", httpsOnly, "http://gms.test/", nil, false},
		{"httpsOnly, plain WebSocket", httpsOnly, "http://gms.test/", map[string]string{"X-Forwarded-Proto": "ws"}, false},
		{"httpsOnly, TLS", httpsOnly, "https://gms.test/", nil, true},
		{"httpsOnly, https before Traefik", httpsOnly, "http://gms.test/", map[string]string{"X-Forwarded-Proto": "https"}, true},
		{"httpsOnly, wss before Traefik", httpsOnly, "http://gms.test/", map[string]string{"X-Forwarded-Proto": "wss"}, true},
		{"httpsOnly, two proxies before Traefik", httpsOnly, "http://gms.test/", map[string]string{"X-Forwarded-Proto": "HTTPS, http"}, true},
		{"embeddedOnly, a frame's own fetch", embeddedOnly, "https://gms.test/", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Storage-Access": "none"}, true},
		{"embeddedOnly, cross-site fetch", embeddedOnly, "https://gms.test/", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "empty"}, true},
		{"embeddedOnly, frame", embeddedOnly, "https://gms.test/", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, true},
		{"embeddedOnly, a link on another site to the service's own page", embeddedOnly, "https://gms.test/", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, false},
		{"embeddedOnly, first party", embeddedOnly, "https://gms.test/", map[string]string{"Sec-Fetch-Site": "same-origin"}, false},
		{"embeddedOnly, typed into the address bar", embeddedOnly, "https://gms.test/", map[string]string{"Sec-Fetch-Site": "none"}, false},
		{"embeddedOnly, same site", embeddedOnly, "https://gms.test/", map[string]string{"Sec-Fetch-Site": "same-site"}, false},
		{"embeddedOnly, Chromium's WebSocket from another host", embeddedOnly, "https://gms.test/", map[string]string{"Origin": "https://company.test"}, true},
		{"embeddedOnly, Chromium's WebSocket from the same host", embeddedOnly, "https://gms.test:8443/", map[string]string{"Origin": "https://GMS.test"}, false},
		{"embeddedOnly, an opaque origin", embeddedOnly, "https://gms.test/", map[string]string{"Origin": "null"}, true},
		{"embeddedOnly, a client that tells nothing", embeddedOnly, "https://gms.test/", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := CreateConfig()
			tt.configure(config)
			r := httptest.NewRequest(http.MethodGet, tt.url, nil)
			for name, value := range tt.header {
				r.Header.Set(name, value)
			}
			got := respond(t, config, r, setting("a=b")).Header.Get("Set-Cookie") != "a=b"
			if got != tt.rewritten {
				t.Errorf("rewritten: got %t; want %t", got, tt.rewritten)
			}
		})
	}
}
