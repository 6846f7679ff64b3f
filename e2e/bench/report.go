package bench

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// Environment tells on one line what the figures were measured on.
func Environment() string {
	cpu := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(text), "model name"); found {
			line, _, _ := strings.Cut(rest, "\n")
			cpu = strings.Trim(line, "\t :")
		}
	}
	yaegi := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/traefik/yaegi" {
				yaegi = m.Version
			}
		}
	}
	return fmt.Sprintf("%s, %d of its cores, %s, Yaegi %s, %s", cpu, runtime.NumCPU(), runtime.Version(), yaegi, time.Now().Format(time.DateOnly))
}

// Table is a table in Markdown.
type Table struct {
	Head []string
	Rows [][]string
}

// String returns the table in Markdown; all columns but the first hold figures.
func (t Table) String() string {
	var b strings.Builder
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(t.Head)
	b.WriteString("|---" + strings.Repeat("|---:", len(t.Head)-1) + "|\n")
	for _, r := range t.Rows {
		row(r)
	}
	return b.String()
}

// Publish writes a summary into README.md and the whole into BENCHMARKS.md, in
// both between the comments `<!-- name -->` and `<!-- /name -->`.
func Publish(name, summary, text string) error {
	return errors.Join(publish("README.md", name, summary), publish("BENCHMARKS.md", name, text))
}

func publish(file, name, text string) error {
	path := filepath.Join(stage.Root(), file)
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	open, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, found := strings.Cut(string(page), open)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no section %s", file, name)
	}
	return os.WriteFile(path, []byte(before+open+text+end+after), 0o644)
}

// gray is legible on white and on black.
var gray = color.RGBA{R: 0x7d, G: 0x85, B: 0x90, A: 0xff}

// bars are the colours of the variants of a chart, legible on both as well.
var bars = []color.Color{
	color.RGBA{R: 0x8c, G: 0x95, B: 0x9f, A: 0xff},
	color.RGBA{R: 0xd2, G: 0x8b, B: 0x26, A: 0xff},
	color.RGBA{R: 0x2f, G: 0x81, B: 0xf7, A: 0xff},
	color.RGBA{R: 0x3f, G: 0xa4, B: 0x5b, A: 0xff},
}

// Chart writes a bar chart as .assets/name.svg: for each group a bar of each of
// the series.
func Chart(name, title, unit string, groups []string, series []string, values [][]float64) error {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, unit
	p.BackgroundColor = color.Transparent
	for _, c := range []*color.Color{
		&p.Title.TextStyle.Color, &p.X.Color, &p.Y.Color, &p.X.Label.TextStyle.Color, &p.Y.Label.TextStyle.Color, &p.X.Tick.Color,
		&p.Y.Tick.Color, &p.X.Tick.Label.Color, &p.Y.Tick.Label.Color, &p.Legend.TextStyle.Color,
	} {
		*c = gray
	}
	width := vg.Points(60 / float64(len(series)))
	for i, s := range series {
		bar, err := plotter.NewBarChart(plotter.Values(values[i]), width)
		if err != nil {
			return err
		}
		bar.Color, bar.LineStyle.Width = bars[i%len(bars)], 0
		bar.Offset = width * vg.Length(float64(i)-float64(len(series)-1)/2)
		p.Add(bar)
		p.Legend.Add(s, bar)
	}
	p.Legend.Top = true
	p.NominalX(groups...)
	p.Y.Min = 0
	return p.Save(vg.Points(float64(110*len(groups)+80)), vg.Points(280), filepath.Join(stage.Root(), ".assets", name+".svg"))
}
