package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/mitchellh/mapstructure"

	chips "github.com/traefikchips/traefik-chips"
)

// attribute is what the plugin may append to a line.
var attribute = regexp.MustCompile(`^ (SameSite=(None|Lax|Strict)|HttpOnly|Secure|Path=/[ -:<-~]*|Domain=[!-:<-~]+|Max-Age=-?[0-9]+|Priority=(Low|Medium|High)|Partitioned)$`)

// No value of a configuration can put a semicolon, a control character or a
// second attribute into a header. Decoded as Traefik does it.
func FuzzConfiguration(f *testing.F) {
	f.Add("a", "SameSite=None, Secure, Partitioned", "Domain", "gms_node", "gms@file", "Secure")
	f.Add("*", "Path=/; Secure, HttpOnly", "", "", "", "")
	f.Add("a*", "Path=/\r\nSet-Cookie: x=1", "Secure;", "a;b", "x\n", "Max-Age=1;2")
	f.Add("a", "Domain=a b, Max-Age=60, Priority=high", "path,SAMESITE", "a=b", "", "")
	f.Add("__Host-*", "Secure, Path=/x, Domain=\x7f", "HttpOnly", "", "@", "Path=/é")
	f.Fuzz(func(t *testing.T, name, set, remove, cookie, service, affinitySet string) {
		config := chips.CreateConfig()
		decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
			DecodeHook: mapstructure.StringToSliceHookFunc(","), WeaklyTypedInput: true, Result: config,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := decoder.Decode(map[string]any{
			"cookies":  []any{map[string]any{"name": name, "set": set, "remove": remove}},
			"affinity": map[string]any{"cookies": cookie, "services": service, "set": affinitySet},
		}); err != nil {
			return
		}
		names := []string{"a", strings.ReplaceAll(name, "*", "x"), cookie}
		var lines []string
		for _, n := range names {
			if n != "" && !strings.ContainsAny(n, "=;\r\n\x00") {
				lines = append(lines, n+"=1")
			}
		}
		handler, err := chips.New(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = lines
		}), config, "fuzz@file")
		if err != nil {
			return // refused
		}
		recorder := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", strings.Join(lines, "; "))
		handler.ServeHTTP(recorder, r)
		for _, line := range recorder.Header()["Set-Cookie"] {
			pair, rest, _ := strings.Cut(line, ";")
			if !strings.HasSuffix(pair, "=1") && !strings.HasSuffix(pair, "=") {
				t.Errorf("got the pair %q", pair)
			}
			seen := map[string]bool{}
			for _, a := range strings.Split(rest, ";") {
				if rest == "" {
					break
				}
				kind, _, _ := strings.Cut(a, "=")
				if !attribute.MatchString(a) || seen[kind] {
					t.Errorf("got the attribute %q in %q", a, line)
				}
				seen[kind] = true
			}
		}
	})
}
