package bench

import (
	"testing"
	"time"
)

// The interpreted plugin allocates no more than the committed figures say.
// `make bench` writes them anew.
func TestAllocations(t *testing.T) {
	committed, err := ReadAllocations()
	if err != nil {
		t.Fatal(err)
	}
	variants, err := Variants()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Responses() {
		costs, err := Measure(r, variants, 5, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		compared := 0
		for i, v := range variants {
			want, known := committed[r.Name][v.Name]
			if !known {
				continue
			}
			compared++
			// What the runtime itself allocates now and then is no fault.
			if got := costs[i].Allocs; got > want*1.01+0.5 {
				t.Errorf("%s, %s: got %.1f allocations; committed are %.1f", r.Name, v.Name, got, want)
			}
		}
		if compared != 2 {
			t.Errorf("%s: %d of 2 variants are committed", r.Name, compared)
		}
	}
}
