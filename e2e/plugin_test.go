package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/traefik/paerser/parser"
	"golang.org/x/mod/modfile"
	"gopkg.in/yaml.v3"

	"github.com/traefikchips/traefik-chips/e2e/interpreted"
	"github.com/traefikchips/traefik-chips/e2e/stage"
)

func loadPlugin(t testing.TB) *interpreted.Plugin {
	t.Helper()
	p, err := interpreted.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestInterpretedGolden(t *testing.T) {
	p := loadPlugin(t)
	text, err := os.ReadFile(filepath.Join(stage.Root(), "testdata", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name        string
		Config      map[string]any
		Cookie      []string
		Lines, Want []string
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 40 {
		t.Fatalf("got %d golden cases; want at least 40", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			handler, err := p.New(c.Config, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Set-Cookie"] = append([]string(nil), c.Lines...)
				w.WriteHeader(http.StatusOK)
			}))
			if err != nil {
				t.Fatal(err)
			}
			// The second response comes from what the first one left remembered.
			for range 2 {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header["Cookie"] = c.Cookie
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, r)
				if got := recorder.Result().Header["Set-Cookie"]; !reflect.DeepEqual(got, c.Want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.Want, "\n"))
				}
			}
		})
	}
}

func TestInterpretedLog(t *testing.T) {
	p := loadPlugin(t)
	handler, err := p.New(nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"__Host-a=secret; Path=/", "BAYEUX_BROWSER=secret"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	want := `chips: test@file: cookies[0] BAYEUX_BROWSER: set SameSite=None, HttpOnly, Secure, Path=/, Partitioned; cookies[1] *: set SameSite=None, Secure, Partitioned; expireUnpartitioned: true, embeddedOnly: false, httpsOnly: false
chips: test@file: cookie "__Host-a": attributes "; Path=/" became "; Path=/; SameSite=None; Secure; Partitioned" (cookies[1])
chips: test@file: cookie "BAYEUX_BROWSER": attributes "" became "; SameSite=None; HttpOnly; Secure; Path=/; Partitioned" (cookies[0])
`
	if got := p.Stdout.String(); got != want {
		t.Errorf("stdout: got\n%s\nwant\n%s", got, want)
	}
	if got := p.Stderr.String(); got != "" {
		t.Errorf("stderr: got %q; want nothing", got)
	}
}

func TestInterpretedWarning(t *testing.T) {
	p := loadPlugin(t)
	config := map[string]any{"cookies": []any{map[string]any{"name": "*", "set": "Secure, Path=/x", "remove": "Secure"}}}
	if _, err := p.New(config, http.NotFoundHandler()); err == nil ||
		err.Error() != `chips: test@file: the configuration is refused: cookies[0].remove: "Secure" is set by the same rule` {
		t.Errorf("got error %v", err)
	}
	config = map[string]any{"cookies": []any{map[string]any{"name": "*", "set": "Secure, Path=/x"}}}
	handler, err := p.New(config, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"__Host-a=secret; Path=/"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	want := `chips: test@file: cookie "__Host-a": skipped set Path=/x (cookies[0]): the prefix of the name forbids it` + "\n"
	if got := p.Stderr.String(); got != want {
		t.Errorf("stderr: got\n%s\nwant\n%s", got, want)
	}
}

func TestInterpretedFaults(t *testing.T) {
	_, err := loadPlugin(t).New(map[string]any{
		"cookies": []any{
			map[string]any{"name": "a b", "set": "samesite=non, Priority=1, Path=x, Max-Age=0, Domain=, Secure=1, Foo, HttpOnly, httponly", "remove": "httponly, path=/"},
			map[string]any{"name": "*", "set": "Partitioned"},
			map[string]any{"name": "c", "keep": true},
			map[string]any{"name": "d"},
		},
		"affinity": map[string]any{"cookies": "e*", "services": "@file"},
	}, http.NotFoundHandler())
	const known = "is no attribute; known are SameSite, HttpOnly, Secure, Path, Domain, Max-Age, Priority, Partitioned"
	want := "chips: test@file: the configuration is refused: " + strings.Join([]string{
		`affinity.cookies[0]: "e*" is one name, in which * stands for nothing else`,
		`affinity.services[0]: "@file" is no name of a service`,
		`cookies[0].name: "a b" is no cookie name`,
		`cookies[0].set: "samesite=non" needs one of None, Lax, Strict as its value`,
		`cookies[0].set: "Priority=1" needs one of Low, Medium, High as its value`,
		`cookies[0].set: "Path=x" needs a value that starts with /`,
		`cookies[0].set: "Max-Age=0" needs whole seconds, 1 or more, as its value`,
		`cookies[0].set: "Domain=" needs the name of a host as its value`,
		`cookies[0].set: "Secure=1" has a value, but Secure takes none`,
		`cookies[0].set: "Foo" ` + known,
		`cookies[0].set: "httponly" sets HttpOnly a second time`,
		`cookies[0].remove: "httponly" is set by the same rule`,
		`cookies[0].remove: "path=/" ` + known,
		`cookies[1].set: "Partitioned" needs Secure in the same set: browsers refuse the cookie without it`,
		`cookies[2].name: "c" never applies, because cookies[1] comes first and matches the same cookies`,
		`cookies[3]: "d" does nothing: one of set, remove and keep is needed`,
		`cookies[3].name: "d" never applies, because cookies[1] comes first and matches the same cookies`,
	}, "; ")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestInterpretedPanic(t *testing.T) {
	for _, value := range []any{http.ErrAbortHandler, "other"} {
		handler, err := loadPlugin(t).New(nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=1")
			panic(value)
		}))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		func() {
			defer func() {
				if got := recover(); got != value {
					t.Errorf("got panic %v; want %v", got, value)
				}
			}()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		}()
	}
}

// The plugin catalog refuses a plugin for each of these.
func TestCatalog(t *testing.T) {
	m, err := interpreted.ReadManifest(stage.Root())
	if err != nil {
		t.Fatal(err)
	}
	if m.DisplayName == "" || m.Summary == "" || m.Type != "middleware" || m.BasePkg != "chips" || m.Import != stage.ModuleName || len(m.TestData) == 0 {
		t.Errorf("the manifest lacks something: %+v", m)
	}
	text, err := os.ReadFile(filepath.Join(stage.Root(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if mod.Module.Mod.Path != stage.ModuleName {
		t.Errorf("got module %s; want %s", mod.Module.Mod.Path, stage.ModuleName)
	}
	for _, r := range mod.Require {
		for _, forbidden := range []string{"github.com/traefik/yaegi", "github.com/traefik/traefik", "github.com/traefik/mesh"} {
			if r.Mod.Path == forbidden || strings.HasPrefix(r.Mod.Path, forbidden+"/") {
				t.Errorf("go.mod requires %s", r.Mod)
			}
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := loadPlugin(t).New(m.TestData, http.NotFoundHandler())
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("New took more than 10 s")
	}
}

// The README's two complete configurations, the file and the labels, are
// accepted and compile to the same rules, which New prints.
func TestReadmeConfigurations(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(stage.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var file, labels map[string]any
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1) {
		var content struct {
			HTTP struct {
				Routers     map[string]any
				Middlewares map[string]struct{ Plugin map[string]map[string]any }
			} `yaml:"http"`
			Labels []string
		}
		if err := yaml.Unmarshal(block[1], &content); err != nil {
			t.Fatalf("%v:\n%s", err, block[1])
		}
		if content.HTTP.Routers != nil {
			file = content.HTTP.Middlewares["gms-chips"].Plugin["traefik-chips"]
		}
		if content.Labels != nil {
			pairs := map[string]string{}
			for _, label := range content.Labels {
				key, value, _ := strings.Cut(label, "=")
				pairs[key] = value
			}
			var decoded struct {
				HTTP struct {
					Middlewares map[string]struct{ Plugin map[string]map[string]any }
				}
			}
			if err := parser.Decode(pairs, &decoded, "traefik", "traefik.http"); err != nil {
				t.Fatal(err)
			}
			labels = decoded.HTTP.Middlewares["gms-chips"].Plugin["traefik-chips"]
		}
	}
	compiled := func(config map[string]any) string {
		p := loadPlugin(t)
		if _, err := p.New(config, http.NotFoundHandler()); err != nil {
			t.Fatal(err)
		}
		return p.Stdout.String()
	}
	if len(file) == 0 || len(labels) == 0 {
		t.Fatalf("the README lacks a configuration: file %v, labels %v", file, labels)
	}
	if fromFile, fromLabels := compiled(file), compiled(labels); fromFile != fromLabels {
		t.Errorf("file:\n%s\nlabels:\n%s", fromFile, fromLabels)
	}
}
