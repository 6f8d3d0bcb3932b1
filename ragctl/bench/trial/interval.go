package trial

import "math"

// Ratio is a ratio with the bounds of its 95 % confidence interval. Low and High
// are 0 where fewer than two rounds give no interval.
type Ratio struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low,omitempty"`
	High  float64 `json:"high,omitempty"`
}

// Certain says whether the interval leaves out 1: that the two differ.
func (r Ratio) Certain() bool { return r.Low > 1 || r.High > 0 && r.High < 1 }

// PairedRatio compares paired values, one pair per round, by the geometric mean of
// their ratios. The interval is Student's on the logarithms: ratios of times and
// rates multiply, and so do their errors. It is nil where a value is not positive,
// since such have no ratio.
func PairedRatio(values, base []float64) *Ratio {
	n := float64(len(values))
	if n == 0 || len(values) != len(base) {
		return nil
	}
	logs := make([]float64, len(values))
	mean := 0.0
	for i := range values {
		if values[i] <= 0 || base[i] <= 0 {
			return nil
		}
		logs[i] = math.Log(values[i] / base[i])
		mean += logs[i] / n
	}
	r := &Ratio{Value: math.Exp(mean)}
	if n < 2 {
		return r
	}
	squares := 0.0
	for _, l := range logs {
		squares += (l - mean) * (l - mean)
	}
	half := studentT95(len(logs)-1) * math.Sqrt(squares/(n-1)/n)
	r.Low, r.High = math.Exp(mean-half), math.Exp(mean+half)
	return r
}

// studentT95 is the 97.5th percentile of Student's t distribution, by the degrees
// of freedom: two-sided bounds of 95 %. Up to ten it is tabulated; above, the
// expansion of Cornish and Fisher is right to the third digit.
func studentT95(df int) float64 {
	table := []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}
	if df <= len(table) {
		return table[df-1]
	}
	const z = 1.959964
	v := float64(df)
	z3 := z * z * z
	z5 := z3 * z * z
	z7 := z5 * z * z
	return z + (z3+z)/(4*v) + (5*z5+16*z3+3*z)/(96*v*v) + (3*z7+19*z5+17*z3-15*z)/(384*v*v*v)
}
