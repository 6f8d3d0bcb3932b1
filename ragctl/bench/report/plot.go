package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Series is a line of a chart.
type Series struct {
	Name string
	// Points are x and y, in rising order of x. A y that is not a number breaks
	// the line.
	Points [][2]float64
	// Dashed marks what was planned or allowed, not measured.
	Dashed bool
}

// Tick is a marked place on an axis.
type Tick struct {
	At    float64
	Label string
}

// Chart is a line chart.
type Chart struct {
	Title, XLabel, YLabel string
	// LogX and LogY make an axis logarithmic; what is not positive is left out.
	LogX, LogY bool
	// XTicks replace the ticks of the x axis.
	XTicks []Tick
	// YFormat writes a value of the y axis; nil takes plain numbers.
	YFormat func(float64) string
	Series  []Series
}

// The frame of every chart, in SVG user units.
const (
	chartWidth, chartHeight                      = 640.0, 300.0
	plotLeft, plotRight, plotTop, plotBottomEdge = 64.0, 624.0, 44.0, 244.0
)

// palette is that of Okabe and Ito, which people with a colour vision deficiency
// can tell apart.
var palette = []string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#777777"}

// ChartStyle is the style sheet of the charts: light, or dark where the reader's
// system is.
const ChartStyle = `svg.chart{font:12px system-ui,sans-serif;max-width:100%;height:auto}
svg.chart .back{fill:#fff}svg.chart text{fill:#222}svg.chart .muted{fill:#666}
svg.chart .grid{stroke:#ddd;stroke-width:1}svg.chart .axis{stroke:#888}
svg.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}svg.chart .dashed{stroke-dasharray:5 4}
@media (prefers-color-scheme:dark){svg.chart .back{fill:#161b22}svg.chart text{fill:#ddd}svg.chart .muted{fill:#999}svg.chart .grid{stroke:#333}}`

// scale maps values to user units.
type scale struct {
	low, high, from, to float64
	log                 bool
}

func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

func (s scale) holds(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!s.log || v > 0)
}

// SVG draws the chart as one element. standalone adds what a file of its own
// needs.
func (c Chart) SVG(standalone bool) string {
	var b strings.Builder
	openSVG(&b, c.Title, chartHeight, standalone)
	x := c.scaleOf(0, c.LogX, plotLeft, plotRight)
	y := c.scaleOf(1, c.LogY, plotBottomEdge, plotTop)
	ticks := c.XTicks
	if ticks == nil {
		ticks = ticksOf(x, number)
	}
	for _, t := range ticks {
		if t.At < x.low || t.At > x.high {
			continue
		}
		at := x.at(t.At)
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, at, plotTop, at, plotBottomEdge)
		fmt.Fprintf(&b, `<text class="muted" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, at, plotBottomEdge+16, html.EscapeString(t.Label))
	}
	format := c.YFormat
	if format == nil {
		format = number
	}
	for _, t := range ticksOf(y, format) {
		at := y.at(t.At)
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, plotLeft, at, plotRight, at)
		fmt.Fprintf(&b, `<text class="muted" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, plotLeft-6, at+4, html.EscapeString(t.Label))
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, plotLeft, plotBottomEdge, plotRight, plotBottomEdge)
	fmt.Fprintf(&b, `<text class="muted" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, (plotLeft+plotRight)/2, plotBottomEdge+34, html.EscapeString(c.XLabel))
	fmt.Fprintf(&b, `<text class="muted" x="14" y="%.1f" text-anchor="middle" transform="rotate(-90 14 %.1f)">%s</text>`, (plotTop+plotBottomEdge)/2, (plotTop+plotBottomEdge)/2, html.EscapeString(c.YLabel))
	for i, s := range c.Series {
		drawSeries(&b, s, palette[i%len(palette)], x, y)
	}
	c.legend(&b)
	b.WriteString("</svg>")
	return b.String()
}

func openSVG(b *strings.Builder, title string, height float64, standalone bool) {
	b.WriteString(`<svg class="chart" role="img" `)
	if standalone {
		b.WriteString(`xmlns="http://www.w3.org/2000/svg" `)
	}
	fmt.Fprintf(b, `viewBox="0 0 %g %g" width="%g" height="%g" aria-label="%s">`, chartWidth, height, chartWidth, height, html.EscapeString(title))
	if standalone {
		fmt.Fprintf(b, "<style>%s</style>", ChartStyle)
	}
	fmt.Fprintf(b, `<rect class="back" width="%g" height="%g" rx="6"/>`, chartWidth, height)
	fmt.Fprintf(b, `<text x="16" y="20" font-weight="600">%s</text>`, html.EscapeString(title))
}

func drawSeries(b *strings.Builder, s Series, colour string, x, y scale) {
	var path strings.Builder
	var last string
	command, points := "M", 0
	for _, p := range s.Points {
		if !x.holds(p[0]) || !y.holds(p[1]) {
			command = "M"
			continue
		}
		last = fmt.Sprintf("%.1f,%.1f", x.at(p[0]), y.at(p[1]))
		path.WriteString(command + last)
		command = "L"
		points++
	}
	if points == 0 {
		return
	}
	if points == 1 {
		at := strings.Split(last, ",")
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="4" fill="%s"/>`, at[0], at[1], colour)
		return
	}
	class := "line"
	if s.Dashed {
		class += " dashed"
	}
	fmt.Fprintf(b, `<path class="%s" stroke="%s" d="%s"><title>%s</title></path>`, class, colour, path.String(), html.EscapeString(s.Name))
}

func (c Chart) legend(b *strings.Builder) {
	at := plotLeft
	for i, s := range c.Series {
		class := "line"
		if s.Dashed {
			class += " dashed"
		}
		fmt.Fprintf(b, `<line class="%s" stroke="%s" x1="%.1f" y1="32" x2="%.1f" y2="32"/>`, class, palette[i%len(palette)], at, at+18)
		fmt.Fprintf(b, `<text x="%.1f" y="36">%s</text>`, at+23, html.EscapeString(s.Name))
		at += 23 + 7*float64(len([]rune(s.Name))) + 16
	}
}

// scaleOf spans all values of an axis; a linear one starts at 0.
func (c Chart) scaleOf(axis int, log bool, from, to float64) scale {
	s := scale{low: math.Inf(1), high: math.Inf(-1), from: from, to: to, log: log}
	for _, series := range c.Series {
		for _, p := range series.Points {
			if s.holds(p[axis]) {
				s.low, s.high = min(s.low, p[axis]), max(s.high, p[axis])
			}
		}
	}
	switch {
	case s.low > s.high && log:
		s.low, s.high = 1, 10
	case s.low > s.high:
		s.low, s.high = 0, 1
	case log && axis == 1:
		s.low = math.Pow(10, math.Floor(math.Log10(s.low)))
		s.high = math.Pow(10, math.Ceil(math.Log10(s.high)))
	case !log && axis == 1:
		s.low, s.high = min(0, s.low), s.high*1.05
	}
	if s.low == s.high {
		if s.high++; log {
			s.high = s.low * 10
		}
	}
	return s
}

// ticksOf marks round values: powers of ten, or about five steps of 1, 2 or 5.
func ticksOf(s scale, format func(float64) string) []Tick {
	var out []Tick
	if s.log {
		for e := math.Floor(math.Log10(s.low)); e <= math.Ceil(math.Log10(s.high)); e++ {
			if v := math.Pow(10, e); v >= s.low*0.999 && v <= s.high*1.001 {
				out = append(out, Tick{v, format(v)})
			}
		}
		if len(out) > 1 {
			return out
		}
		out = nil
	}
	raw := (s.high - s.low) / 5
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit * 10
	for _, m := range []float64{1, 2, 5} {
		if unit*m >= raw*0.999 {
			step = unit * m
			break
		}
	}
	for n := math.Ceil(s.low / step); n*step <= s.high*1.0001; n++ {
		if v := n * step; !s.log || v > 0 {
			out = append(out, Tick{v, format(v)})
		}
	}
	return out
}
