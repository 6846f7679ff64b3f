package chips

import (
	"context"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/traefik/paerser/parser"
)

func TestRefusedConfigurations(t *testing.T) {
	rule := func(name string, set, remove []string, keep bool) *Config {
		return &Config{Cookies: []CookieRule{{Name: name, Set: set, Remove: remove, Keep: keep}}}
	}
	set := func(elements ...string) *Config { return rule("a", elements, nil, false) }
	remove := func(elements ...string) *Config { return rule("a", nil, elements, false) }
	const known = "known are SameSite, HttpOnly, Secure, Path, Domain, Max-Age, Priority, Partitioned"
	const charset = "has a character that no attribute may have: a semicolon, a control character or one outside ASCII"
	const needsSecure = "needs Secure in the same set: browsers refuse the cookie without it"
	tests := []struct {
		name   string
		config *Config
		want   []string
	}{
		{"unknown attribute", set("Partitoned"), []string{`cookies[0].set: "Partitoned" is no attribute; ` + known}},
		{"empty attribute", set("Secure", ""), []string{`cookies[0].set: "" is no attribute; ` + known}},
		{"Expires", set("Expires=0"), []string{`cookies[0].set: "Expires=0" is no attribute; ` + known}},
		{"wrong SameSite", set("SameSite=Non"), []string{`cookies[0].set: "SameSite=Non" needs one of None, Lax, Strict as its value`}},
		{"no SameSite", set("SameSite"), []string{`cookies[0].set: "SameSite" needs one of None, Lax, Strict as its value`}},
		{"wrong Priority", set("Priority=1"), []string{`cookies[0].set: "Priority=1" needs one of Low, Medium, High as its value`}},
		{"value of a flag", set("Secure=true"), []string{`cookies[0].set: "Secure=true" has a value, but Secure takes none`}},
		{"empty value of a flag", set("HttpOnly="), []string{`cookies[0].set: "HttpOnly=" has a value, but HttpOnly takes none`}},
		{"no Path", set("Path"), []string{`cookies[0].set: "Path" needs a value that starts with /`}},
		{"relative Path", set("Path=a/b"), []string{`cookies[0].set: "Path=a/b" needs a value that starts with /`}},
		{"long Path", set("Path=/" + strings.Repeat("a", 1024)), []string{`cookies[0].set: "Path=/` + strings.Repeat("a", 1024) + `" is longer than the 1024 octets that browsers read`}},
		{"no Domain", set("Domain="), []string{`cookies[0].set: "Domain=" needs the name of a host as its value`}},
		{"wrong Domain", set("Domain=a b"), []string{`cookies[0].set: "Domain=a b" needs the name of a host as its value`}},
		{"Max-Age in words", set("Max-Age=1h"), []string{`cookies[0].set: "Max-Age=1h" needs whole seconds, 1 or more, as its value`}},
		{"Max-Age that deletes", set("Max-Age=0"), []string{`cookies[0].set: "Max-Age=0" needs whole seconds, 1 or more, as its value`}},
		{"semicolon", set("Path=/; Domain=evil.test"), []string{`cookies[0].set: "Path=/; Domain=evil.test" ` + charset}},
		{"control character", set("Path=/\r\nX: y"), []string{`cookies[0].set: "Path=/\r\nX: y" ` + charset}},
		{"not ASCII", set("Path=/ü"), []string{`cookies[0].set: "Path=/ü" ` + charset}},
		{"a letter that folds into ASCII", remove("ſecure"), []string{`cookies[0].remove: "ſecure" is no attribute; ` + known}},
		{"set twice", set("Path=/", "path=/x"), []string{`cookies[0].set: "path=/x" sets Path a second time`}},
		{"removed twice", remove("Path", "path"), []string{`cookies[0].remove: "path" removes Path a second time`}},
		{"set and removed", rule("a", []string{"Path=/"}, []string{"path"}, false), []string{`cookies[0].remove: "path" is set by the same rule`}},
		{"removed with a value", remove("Path=/"), []string{`cookies[0].remove: "Path=/" is no attribute; ` + known}},
		{"Partitioned without Secure", set("Partitioned"), []string{`cookies[0].set: "Partitioned" ` + needsSecure}},
		{"SameSite=None without Secure", set("samesite=none"), []string{`cookies[0].set: "SameSite=None" ` + needsSecure}},
		{"empty name", rule("", []string{"Secure"}, nil, false), []string{`cookies[0].name: "" is no cookie name`}},
		{"empty name behind a rule for all", &Config{Cookies: []CookieRule{{Name: "*", Keep: true}, {Keep: true}}}, []string{`cookies[1].name: "" is no cookie name`}},
		{"no cookie name", rule("a b", []string{"Secure"}, nil, false), []string{`cookies[0].name: "a b" is no cookie name`}},
		{"a rule that does nothing", rule("a", nil, nil, false), []string{`cookies[0]: "a" does nothing: one of set, remove and keep is needed`}},
		{"a rule that keeps and edits", rule("a", []string{"Secure"}, nil, true), []string{`cookies[0].keep: "true" excludes set and remove`}},
		{"shadowed rules", &Config{Cookies: []CookieRule{
			{Name: "a*", Keep: true}, {Name: "abc", Keep: true}, {Name: "a*c", Keep: true}, {Name: "*a", Keep: true}, {Name: "*", Keep: true}, {Name: "b", Keep: true},
		}}, []string{
			`cookies[1].name: "abc" never applies, because cookies[0] comes first and matches the same cookies`,
			`cookies[2].name: "a*c" never applies, because cookies[0] comes first and matches the same cookies`,
			`cookies[5].name: "b" never applies, because cookies[4] comes first and matches the same cookies`,
		}},
		{"affinity", &Config{Affinity: Affinity{Cookies: []string{"a;b", "gms_*"}, Services: []string{"", "@file"}, Set: []string{"None"}}}, []string{
			`affinity.set: "None" is no attribute; ` + known,
			`affinity.cookies[0]: "a;b" is no cookie name`,
			`affinity.cookies[1]: "gms_*" is one name, in which * stands for nothing else`,
			`affinity.services[0]: "" is no name of a service`,
			`affinity.services[1]: "@file" is no name of a service`,
		}},
		{"affinity.set without a cookie", &Config{Affinity: Affinity{Set: []string{"Secure", "HttpOnly"}}}, []string{
			`affinity.set: "Secure, HttpOnly" has no effect without affinity.cookies or affinity.services`,
		}},
		{"all faults at once", &Config{Cookies: []CookieRule{
			{Name: "a b", Set: []string{"Partitoned", "SameSite=None"}, Remove: []string{"x"}},
			{Name: "c"},
		}}, []string{
			`cookies[0].name: "a b" is no cookie name`,
			`cookies[0].set: "Partitoned" is no attribute; ` + known,
			`cookies[0].set: "SameSite=None" ` + needsSecure,
			`cookies[0].remove: "x" is no attribute; ` + known,
			`cookies[1]: "c" does nothing: one of set, remove and keep is needed`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			handler, err := New(context.Background(), http.NotFoundHandler(), tt.config, "gms-chips@file")
			if err == nil || handler != nil {
				t.Fatalf("got %v, %v; want an error and no handler", handler, err)
			}
			want := "chips: gms-chips@file: the configuration is refused: " + strings.Join(tt.want, "; ")
			if err.Error() != want {
				t.Errorf("got\n%s\nwant\n%s", err, want)
			}
		})
	}
}

func TestMatcherOfARefusedName(t *testing.T) {
	config := CreateConfig()
	config.Cookies = []CookieRule{{Name: "a\xff", Keep: true}}
	if _, err := New(context.Background(), http.NotFoundHandler(), config, "test@file"); err == nil {
		t.Error("a name that is not UTF-8 was taken")
	}
}

func TestMatcher(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true}, {"a", "A", false}, {"a", "ab", false}, {"*", "", true}, {"*", "a", true},
		{"a*", "a", true}, {"a*", "ba", false}, {"*a", "ba", true}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"a*b*c", "a1b2c", true}, {"a*b*c", "acb", false}, {"*b*", "abc", true}, {"**", "x", true}, {"a.c", "abc", false},
	}
	for _, tt := range tests {
		if got := matcher(tt.pattern).MatchString(tt.name); got != tt.want {
			t.Errorf("matcher(%q) and %q: got %t; want %t", tt.pattern, tt.name, got, tt.want)
		}
	}
}

// The Docker labels of the README, decoded by the library that Traefik decodes
// labels with, give the policy of the README's file. (That the two agree is
// shown again in the e2e module, where a reader of YAML and mapstructure are.)
func TestDockerLabels(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ *- "?(traefik\.http\.middlewares\.[^=]+)=(.*?)"?$`).FindAllStringSubmatch(string(readme), -1) {
		labels[m[1]] = m[2]
	}
	if len(labels) < 8 {
		t.Fatalf("got %d labels in the README; want at least 8: %v", len(labels), labels)
	}
	var decoded struct {
		HTTP struct {
			Middlewares map[string]struct {
				Plugin map[string]map[string]any
			}
		}
	}
	if err := parser.Decode(labels, &decoded, "traefik", "traefik.http"); err != nil {
		t.Fatal(err)
	}
	config := fromLabels(t, decoded.HTTP.Middlewares["gms-chips"].Plugin["traefik-chips"])
	got, err := compile(config, "gms-chips@docker")
	if err != nil {
		t.Fatal(err)
	}
	want, err := compile(&Config{
		Cookies: []CookieRule{
			{Name: "BAYEUX_BROWSER", Set: []string{"SameSite=None", "HttpOnly", "Secure", "Path=/", "Partitioned"}, Remove: []string{"Domain"}},
			{Name: "XSRF-*", Keep: true},
			{Name: "*", Set: []string{"SameSite=None", "Secure", "Partitioned"}},
		},
		Affinity:            Affinity{Cookies: []string{"gms_node"}},
		ExpireUnpartitioned: true,
	}, "gms-chips@docker")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// fromLabels decodes what paerser makes of labels, maps and strings, as
// Traefik's plugin loader does with mapstructure: keys without regard to case,
// strings become lists at commas and booleans by name. The e2e module's tests
// use mapstructure itself.
func fromLabels(t *testing.T, m map[string]any) *Config {
	t.Helper()
	config := CreateConfig()
	var decode func(v reflect.Value, value any)
	decode = func(v reflect.Value, value any) {
		switch v.Kind() {
		case reflect.Struct:
			for key, field := range value.(map[string]any) {
				f := v.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, key) })
				if !f.IsValid() {
					t.Fatalf("no option %s", key)
				}
				decode(f, field)
			}
		case reflect.Slice:
			elements, isList := value.([]any)
			if text, ok := value.(string); ok {
				for _, element := range strings.Split(text, ",") {
					elements = append(elements, element)
				}
			} else if !isList {
				t.Fatalf("no list: %T", value)
			}
			v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
			for i, element := range elements {
				decode(v.Index(i), element)
			}
		case reflect.Bool:
			v.SetBool(value.(string) == "true")
		default:
			v.SetString(value.(string))
		}
	}
	decode(reflect.ValueOf(config).Elem(), m)
	return config
}
