package chips

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestRewriteLeavesTheLinesAlone(t *testing.T) {
	lines := []string{"a=1", "b=2; Max-Age=0"}
	rewrite(testRewriter(t, CreateConfig()), lines, nil)
	if want := []string{"a=1", "b=2; Max-Age=0"}; !reflect.DeepEqual(lines, want) {
		t.Errorf("got %q; want %q", lines, want)
	}
}

func TestRewriteConcurrently(t *testing.T) {
	rw := testRewriter(t, CreateConfig())
	var wg sync.WaitGroup
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 500; i++ {
				line := fmt.Sprintf("a%d=1; Path=/%d", i%100, i)
				if got := rewrite(rw, []string{line}, nil); got[0] != line+"; SameSite=None; Secure; Partitioned" {
					t.Errorf("got %q", got)
				}
			}
		}()
	}
	wg.Wait()
	if n := len(rw.results.Load().(map[string]result)); n == 0 || n > maxRemembered {
		t.Errorf("got %d results remembered; want 1 to %d", n, maxRemembered)
	}
	if n := len(rw.changed); n != maxNames {
		t.Errorf("got %d names in the log; want %d", n, maxNames)
	}
}

// A kind is remembered without its date, and what it means to be past or future
// is decided anew for each line.
func TestDatesOfOneKind(t *testing.T) {
	rw := testRewriter(t, CreateConfig())
	const twin = "a=; SameSite=None; Secure; Path=/; Max-Age=0"
	for _, tt := range []struct {
		date    string
		deletes bool
	}{
		{"Fri, 01 Jan 2100 00:00:00 GMT", false},
		{"Sat, 02 Jan 2100 00:00:00 GMT", false},
		{"Thu, 01 Jan 1970 00:00:00 GMT", true},
		{"Fri, 02 Jan 1970 00:00:00 GMT", true},
		{"Sat, 02-Jan-2100 00:00:00 GMT", false},
		{"Fri, 02-Jan-1970 00:00:00 GMT", true},
	} {
		for range [2]int{} {
			line := "a=1; expires=" + tt.date + "; Path=/"
			want := []string{line + "; SameSite=None; Secure; Partitioned"}
			if tt.deletes {
				want = []string{twin, want[0]}
			}
			if got := rewrite(rw, []string{line}, nil); !reflect.DeepEqual(got, want) {
				t.Errorf("got %q; want %q", got, want)
			}
		}
	}
	if n := len(rw.results.Load().(map[string]result)); n != 2 {
		t.Errorf("got %d results remembered; want 2: past and future", n)
	}
	// A Max-Age beats the date; an odd date is not remembered, nor is one that
	// stands in what browsers refuse.
	for line, want := range map[string][]string{
		"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9": {"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9; SameSite=None; Secure; Partitioned"},
		"a=1; Expires=01 Jan 70 0:0:0; Path=/":                  {twin, "a=1; Expires=01 Jan 70 0:0:0; Path=/; SameSite=None; Secure; Partitioned"},
		// The last Expires decides, which deletes.
		"a=1; expires=Fri, 01 Jan 2100 00:00:00 GMT;EXPIRES=Thu, 01 Jan 1970 00:00:00 GMT; Path=/": {twin, "a=1; expires=Fri, 01 Jan 2100 00:00:00 GMT;EXPIRES=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; SameSite=None; Secure; Partitioned"},
		"a=1; b=\x00; Expires=Fri, 01 Jan 2100 00:00:00 GMT":                                       {"a=1; b=\x00; Expires=Fri, 01 Jan 2100 00:00:00 GMT"},
	} {
		if got := rewrite(rw, []string{line}, nil); !reflect.DeepEqual(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	if n := len(rw.results.Load().(map[string]result)); n != 3 {
		t.Errorf("got %d results remembered; want 3", n)
	}
}

func TestLongLines(t *testing.T) {
	rw := testRewriter(t, CreateConfig())
	for _, line := range []string{
		"a=" + strings.Repeat("x", 8<<10) + "; Path=/",
		"a=1; Comment=" + strings.Repeat("x", 8<<10),
		strings.Repeat("n", 8<<10) + "=1",
	} {
		for i := 0; i < 2; i++ {
			if got := rewrite(rw, []string{line}, nil)[0]; got != line+"; SameSite=None; Secure; Partitioned" {
				t.Errorf("got %.80q…", got)
			}
		}
	}
}
