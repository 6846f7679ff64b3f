package chips

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// seen is a cookie as a browser reads it.
type seen struct {
	name, value                   string
	path, domain                  string
	sameSite, priority            string
	secure, httpOnly, partitioned bool
	deleted                       bool
	maxAge                        string
	rest                          string // the attributes that no rule can govern
}

// read reads a Set-Cookie line as a browser does: written from the steps of
// RFC 6265bis sections 5.6 and 5.7, character by character, for these tests
// alone. Expires is among the rest, as a text.
func read(line string) (seen, bool) {
	for i := 0; i < len(line); i++ {
		if c := line[i]; c <= 0x08 || 0x0a <= c && c <= 0x1f || c == 0x7f {
			return seen{}, false
		}
	}
	trim := func(s string) string {
		for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
			s = s[1:]
		}
		for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
			s = s[:len(s)-1]
		}
		return s
	}
	lower := func(s string) string {
		b := []byte(s)
		for i, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[i] = c + 'a' - 'A'
			}
		}
		return string(b)
	}
	var c seen
	parts := strings.Split(line, ";")
	if i := strings.IndexByte(parts[0], '='); i >= 0 {
		c.name, c.value = trim(parts[0][:i]), trim(parts[0][i+1:])
	} else {
		c.value = trim(parts[0])
	}
	if c.name == "" && c.value == "" || len(c.name)+len(c.value) > 4096 {
		return seen{}, false
	}
	for _, part := range parts[1:] {
		name, value := trim(part), ""
		if i := strings.IndexByte(part, '='); i >= 0 {
			name, value = trim(part[:i]), trim(part[i+1:])
		}
		if len(value) > 1024 || name == "" && value == "" {
			continue
		}
		switch lower(name) {
		case "path":
			c.path = ""
			if len(value) > 0 && value[0] == '/' {
				c.path = value
			}
		case "domain":
			c.domain = lower(value)
		case "samesite":
			c.sameSite = lower(value)
			if c.sameSite != "none" && c.sameSite != "lax" && c.sameSite != "strict" {
				c.sameSite = ""
			}
		case "priority":
			c.priority = lower(value)
		case "secure":
			c.secure = true
		case "httponly":
			c.httpOnly = true
		case "partitioned":
			c.partitioned = true
		case "max-age":
			digits := strings.TrimPrefix(value, "-")
			if digits != "" && strings.Trim(digits, "0123456789") == "" {
				c.maxAge = value
				c.deleted = value[0] == '-' || strings.Trim(digits, "0") == ""
			}
		default:
			c.rest += name + "=" + value + ";"
		}
	}
	return c, true
}

// rewriteOne returns the last of the lines that one line becomes: the others
// expire twins.
func rewriteOne(rw *rewriter, line string) string {
	lines := rewrite(rw, []string{line}, nil)
	return lines[len(lines)-1]
}

func testRewriter(t testing.TB, config *Config) *rewriter {
	t.Helper()
	p, err := compile(config, "test@file")
	if err != nil {
		t.Fatal(err)
	}
	return newRewriter(p, "test@file")
}

func FuzzRewrite(f *testing.F) {
	for _, c := range goldenCases(f) {
		for _, line := range c.Lines {
			f.Add(line)
		}
	}
	f.Add("a=b; max-age=x; Expires=Thu, 01-Jan-70 00:00:00 GMT; Max-Age=-0")
	rules := map[string]*Config{
		"default": {ExpireUnpartitioned: true},
		"all": {Cookies: []CookieRule{{Name: "*", Set: []string{
			"SameSite=Lax", "HttpOnly", "Secure", "Path=/p", "Domain=example.com", "Max-Age=60", "Priority=High", "Partitioned",
		}}}},
		"remove": {Cookies: []CookieRule{{Name: "*", Remove: attributeOrder}}},
	}
	rewriters := map[string]*rewriter{}
	for name, config := range rules {
		rewriters[name] = testRewriter(f, config)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for name, rw := range rewriters {
			once := rewriteOne(rw, line)
			if twice := rewriteOne(rw, once); twice != once {
				t.Errorf("%s: %q becomes %q and then %q", name, line, once, twice)
			}
			before, ok := read(line)
			after, stillOK := read(once)
			if ok != stillOK {
				t.Errorf("%s: %q, a cookie: %t, becomes %q, a cookie: %t", name, line, ok, once, stillOK)
			}
			if !ok {
				continue
			}
			want := before
			prefix := -1
			for i, p := range []string{"__host-http-", "__host-", "__http-", "__secure-"} {
				if prefix < 0 && strings.HasPrefix(asciiLower(before.name), p) {
					prefix = i
				}
			}
			host, http := prefix == 0 || prefix == 1, prefix == 0 || prefix == 2
			switch name {
			case "default":
				want.sameSite, want.secure, want.partitioned = "none", true, true
				if before.name == "BAYEUX_BROWSER" {
					want.httpOnly, want.path = true, "/"
				}
			case "all":
				want.sameSite, want.secure, want.partitioned, want.httpOnly, want.priority = "lax", true, true, true, "high"
				if !host {
					want.path, want.domain = "/p", "example.com"
				}
				if !before.deleted && !expired(line) {
					want.maxAge = "60"
				}
			case "remove":
				want.sameSite, want.partitioned, want.priority, want.domain = "", false, "", ""
				want.secure = before.secure && prefix >= 0
				want.httpOnly = before.httpOnly && http
				if !host {
					want.path = ""
				}
				if host {
					want.domain = ""
				}
				if !before.deleted && !expired(line) {
					want.maxAge = ""
				}
			}
			if !reflect.DeepEqual(after, want) {
				t.Errorf("%s: %q becomes %q: a browser sees\n%+v\nwant\n%+v", name, line, once, after, want)
			}
		}
	})
}

// expired reports whether Expires deletes the cookie, for which the date
// reader has tests of its own.
func expired(line string) bool {
	i := strings.IndexByte(line, ';')
	return i >= 0 && readLifetime(line[i:], time.Now()).deletes
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func TestParseCookieDate(t *testing.T) {
	tests := []struct {
		date string
		want string // RFC 3339, or empty where browsers ignore it
	}{
		{"Mon, 23 Nov 2026 04:12:05 GMT", "2026-11-23T04:12:05Z"},
		{"Mon, 23-Nov-2026 04:12:05 GMT", "2026-11-23T04:12:05Z"},
		{"Monday, 23-Nov-26 04:12:05 GMT", "2026-11-23T04:12:05Z"},
		{"Mon Nov 23 04:12:05 2026", "2026-11-23T04:12:05Z"},
		{"Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"},
		{"Thu, 01-Jan-70 00:00:00 GMT", "1970-01-01T00:00:00Z"},
		{"1 jan 69 0:0:0", "2069-01-01T00:00:00Z"},
		{"23 november 2026 4:12:5am", "2026-11-23T04:12:05Z"},
		{"2026 Nov 23 04:12:05", "2026-11-23T04:12:05Z"},
		{"Friday July 31st 2020 10:00:00", ""},
		{"31 Feb 2026 00:00:00", ""},
		{"1 Jan 1600 00:00:00", ""},
		{"1 Jan 2026 24:00:00", ""},
		{"1 Jan 2026", ""},
		{"0", ""},
		{"", ""},
	}
	for _, tt := range tests {
		got, ok := parseCookieDate(tt.date)
		text := ""
		if ok {
			text = got.Format(time.RFC3339)
		}
		if text != tt.want {
			t.Errorf("parseCookieDate(%q): got %q; want %q", tt.date, text, tt.want)
		}
	}
}

func TestReadLifetime(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	long := "/" + strings.Repeat("a", 1024)
	tests := []struct {
		attributes string
		want       lifetime
	}{
		{"", lifetime{}},
		{"; Path=/a; PATH = /b ; Domain=A.test", lifetime{path: "/b", domain: "A.test"}},
		{"; Path=/a; Path=b", lifetime{}},
		{"; Path=/a; Path", lifetime{}},
		{"; Path=/a; Path=" + long, lifetime{path: "/a"}},
		{"; Max-Age=0", lifetime{deletes: true}},
		{"; Max-Age=-5; max-age=x", lifetime{deletes: true}},
		{"; Max-Age=0; Max-Age=1", lifetime{}},
		{"; Max-Age=+0", lifetime{}},
		{"; Expires=Sun, 22 Nov 2026 00:00:00 GMT", lifetime{deletes: true, volatile: true}},
		{"; Expires=Sun, 22 Nov 2027 00:00:00 GMT", lifetime{volatile: true}},
		{"; Expires=Sun, 22 Nov 2026 00:00:00 GMT; Max-Age=1", lifetime{volatile: true}},
		{"; Expires=Sun, 22 Nov 2026 00:00:00 GMT; Expires=never", lifetime{deletes: true, volatile: true}},
	}
	for _, tt := range tests {
		if got := readLifetime(tt.attributes, now); got != tt.want {
			t.Errorf("readLifetime(%.60q): got %+v; want %+v", tt.attributes, got, tt.want)
		}
	}
}
