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
	testRewriter(t, CreateConfig()).rewrite(lines, nil)
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
				if got := rw.rewrite([]string{line}, nil); got[0] != line+"; SameSite=None; Secure; Partitioned" {
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

func TestExpiresIsNotRemembered(t *testing.T) {
	rw := testRewriter(t, CreateConfig())
	rw.rewrite([]string{"a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT"}, nil)
	if n := len(rw.results.Load().(map[string]result)); n != 0 {
		t.Errorf("got %d results remembered; want none: the line deletes the cookie from 2100 on", n)
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
			if got := rw.rewrite([]string{line}, nil)[0]; got != line+"; SameSite=None; Secure; Partitioned" {
				t.Errorf("got %.80q…", got)
			}
		}
	}
}
