package bench

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// Allocations are those of one response, by its kind and by the variant. Times
// depend on the machine, these on the version of Go alone.
type Allocations map[string]map[string]float64

// Add notes the allocations of the interpreted plugin.
func (a Allocations) Add(r Response, variants []Variant, costs []Cost) {
	a[r.Name] = map[string]float64{}
	for i, v := range variants {
		if v.Ours {
			a[r.Name][v.Name] = costs[i].Allocs
		}
	}
}

func allocationsFile() string {
	return filepath.Join(stage.Root(), "e2e", "bench", "allocations.json")
}

// Write puts the figures into the file that CI compares with.
func (a Allocations) Write() error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(allocationsFile(), append(text, '\n'), 0o644)
}

// ReadAllocations reads that file.
func ReadAllocations() (Allocations, error) {
	text, err := os.ReadFile(allocationsFile())
	if err != nil {
		return nil, err
	}
	var a Allocations
	return a, json.Unmarshal(text, &a)
}
