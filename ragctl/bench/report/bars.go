package report

import (
	"fmt"
	"html"
	"strings"
)

// Bar is a bar of a chart.
type Bar struct {
	Name  string
	Value float64
	// Low and High are the spread of the value; 0 for none.
	Low, High float64
	// Label is written at the end of the bar.
	Label string
	// Colour counts in the palette of the charts.
	Colour int
}

// BarChart compares single values.
type BarChart struct {
	Title string
	Bars  []Bar
}

// SVG draws the chart as one element. standalone adds what a file of its own
// needs.
func (c BarChart) SVG(standalone bool) string {
	const left, right, first, pitch, thick = 220.0, 500.0, 36.0, 26.0, 16.0
	var b strings.Builder
	openSVG(&b, c.Title, first+pitch*float64(len(c.Bars))+10, standalone)
	highest := 0.0
	for _, bar := range c.Bars {
		highest = max(highest, bar.Value, bar.High)
	}
	if highest == 0 {
		highest = 1
	}
	at := func(v float64) float64 { return left + (right-left)*v/highest }
	for i, bar := range c.Bars {
		y := first + pitch*float64(i)
		end := at(max(bar.Value, bar.High))
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%s</text>`, left-8, y+12, html.EscapeString(bar.Name))
		fmt.Fprintf(&b, `<rect x="%g" y="%.1f" width="%.1f" height="%g" rx="2" fill="%s"/>`, left, y, max(1, at(bar.Value)-left), thick, palette[bar.Colour%len(palette)])
		if bar.High > 0 {
			fmt.Fprintf(&b, `<path class="axis" fill="none" d="M%.1f,%.1fH%.1fM%.1f,%.1fv8M%.1f,%.1fv8"/>`,
				at(bar.Low), y+thick/2, at(bar.High), at(bar.Low), y+thick/2-4, at(bar.High), y+thick/2-4)
		}
		fmt.Fprintf(&b, `<text class="muted" x="%.1f" y="%.1f">%s</text>`, end+8, y+12, html.EscapeString(bar.Label))
	}
	b.WriteString("</svg>")
	return b.String()
}
