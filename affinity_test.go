package chips

import (
	"strings"
	"testing"
)

func TestStickyCookieName(t *testing.T) {
	tests := []struct{ service, middleware, want string }{
		{"gms@file", "gms-chips@docker", "_943b9"},
		{"gms", "gms-chips@file", "_943b9"},
		{"gms", "gms-chips@docker", stickyCookieName("gms@docker", "")},
	}
	for _, tt := range tests {
		if got := stickyCookieName(tt.service, tt.middleware); got != tt.want {
			t.Errorf("stickyCookieName(%q, %q): got %q; want %q", tt.service, tt.middleware, got, tt.want)
		}
	}
}

func TestCarries(t *testing.T) {
	tests := []struct {
		fields []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"a=1"}, true},
		{[]string{"b=1; a=1"}, true},
		{[]string{"b=1;a=1"}, true},
		{[]string{"b=1", "a="}, true},
		{[]string{"ba=1; b=a=1; ab=1; A=1; a"}, false},
		{[]string{"b=a=1; ba=1; a=1"}, true},
		{[]string{strings.Repeat("ba=1; ", 10000) + "a=1"}, true},
	}
	for _, tt := range tests {
		if got := carries(tt.fields, "a"); got != tt.want {
			t.Errorf("carries(%.60q): got %t; want %t", tt.fields, got, tt.want)
		}
	}
}

func FuzzCarries(f *testing.F) {
	f.Add("a=1; ba=2", "a")
	f.Add("b=a=1", "a")
	f.Fuzz(func(t *testing.T, field, name string) {
		if name == "" || strings.ContainsAny(name, "=; \t") {
			return // rewrite never asks for such a name
		}
		want := false
		for i, pair := range strings.Split(field, ";") {
			if i > 0 {
				pair = strings.TrimPrefix(pair, " ")
			}
			want = want || strings.HasPrefix(pair, name+"=")
		}
		if got := carries([]string{field}, name); got != want {
			t.Errorf("carries(%q, %q): got %t; want %t", field, name, got, want)
		}
	})
}
