package ecs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// convertDashboards makes one Grafana dashboard of each of CloudWatch's.
func (w *workload) convertDashboards() {
	for _, doc := range slices.Clone(w.others) {
		switch doc.kind {
		case kindDashboard:
			w.convertDashboard(doc)
		case kindWidgets:
			w.emitDashboard("dashboard", w.convertWidgets(doc.node))
		}
	}
}

// convertDashboard reads the dashboard's body, which is JSON inside a string.
func (w *workload) convertDashboard(doc *document) {
	name, body := doc.node.Get("DashboardName"), doc.node.Get("DashboardBody")
	title := cmp.Or(name.Text(), "dashboard")
	roots, err := jsontree.Parse(doc.source, []byte(body.Text()))
	if err != nil || len(roots) != 1 || !roots[0].IsObject() {
		w.person(body, ledger.StepObserve, "Not JSON inside: give what get-dashboard prints, or the body as a file of its own.")
		w.approximated(name, "", "No dashboard was made of it.")
		return
	}
	root := roots[0]
	w.book.AddNested(body, root)
	w.roots[root] = &document{kind: kindWidgets, source: doc.source, node: root}
	panels := w.convertWidgets(root)
	object := "ConfigMap/" + w.dashboardName(title)
	if len(panels) == 0 {
		w.person(body, ledger.StepObserve, "None of its widgets has a counterpart; they are listed one by one.")
		w.approximated(name, "", "No dashboard was made of it.")
		return
	}
	w.approximated(body, object, "")
	w.mapped(name, object+" title")
	w.emitDashboard(title, panels)
}

func (w *workload) dashboardName(title string) string {
	if label := dnsLabel(title, maxLabel); label == w.name || label == "" {
		title = "dashboard"
	}
	return dnsLabel(w.name+"-"+title, maxLabel)
}

// convertWidgets returns the panels of the widgets that have a counterpart.
func (w *workload) convertWidgets(root *jsontree.Node) []any {
	var panels []any
	for _, widget := range root.Get("widgets").Items() {
		var panel map[string]any
		switch strings.ToLower(widget.Get("type").Text()) {
		case "metric":
			panel = w.metricPanel(widget)
		case "text":
			panel = w.textPanel(widget)
		}
		if panel == nil {
			w.claim(widget, ledger.Person, "", "A widget of type "+cmp.Or(widget.Get("type").Text(), "unknown")+" without a counterpart: rebuild it, or keep it in CloudWatch.", ledger.StepObserve)
			continue
		}
		panel["id"] = len(panels) + 1
		panel["gridPos"] = map[string]any{
			"x": gridNumber(widget.Get("x"), 0, 23), "y": gridNumber(widget.Get("y"), 0, 10_000),
			"w": gridNumber(widget.Get("width"), 6, 24), "h": gridNumber(widget.Get("height"), 6, 1000),
		}
		for _, name := range []string{"x", "y", "width", "height"} {
			w.mapped(widget.Get(name), "panel gridPos")
		}
		panels = append(panels, panel)
	}
	return panels
}

func gridNumber(node *jsontree.Node, fallback, most int) int {
	if value, ok := node.Int(); ok && value >= 0 {
		return min(value, most)
	}
	return fallback
}

func (w *workload) textPanel(widget *jsontree.Node) map[string]any {
	markdown := widget.Find("properties", "markdown")
	if looksSecret("", markdown.Text()) {
		return nil
	}
	w.mapped(widget.Get("type"), "text panel")
	w.mapped(markdown, "text panel")
	return map[string]any{"type": "text", "title": "", "options": map[string]any{"mode": "markdown", "content": markdown.Text()}}
}

// metricPanel translates the metrics of a widget; nil where none has a counterpart.
func (w *workload) metricPanel(widget *jsontree.Node) map[string]any {
	properties := widget.Get("properties")
	var targets []any
	unit := ""
	for _, m := range widgetMetrics(properties) {
		expression, mapping, ok := w.expressionFor(m.namespace, m.name, statisticOf(m.statistic, properties.Get("stat").Text()), 0)
		if !ok {
			w.claim(m.node, ledger.Person, "", "No metric here stands for "+cmp.Or(strings.TrimSpace(m.namespace+" "+m.name), "it")+": add what does, or keep it in CloudWatch.", ledger.StepObserve)
			continue
		}
		unit = mapping.unit
		targets = append(targets, map[string]any{
			"refId": refID(len(targets)), "expr": expression, "legendFormat": cmp.Or(m.label, m.name), "datasource": grafanaSource,
		})
		w.approximated(m.node, "panel target "+refID(len(targets)-1), mapping.note)
	}
	if len(targets) == 0 {
		return nil
	}
	title := properties.Get("title").Text()
	w.mapped(widget.Get("type"), "panel type")
	w.mapped(properties.Get("title"), "panel title")
	w.approximated(properties.Get("view"), "panel type", "")
	w.mapped(properties.Get("stacked"), "panel stacking")
	w.approximated(properties.Get("stat"), "panel target", "")
	w.approximated(properties.Get("period"), "panel target", "")
	stacking := "none"
	if properties.Get("stacked").True() {
		stacking = "normal"
	}
	return map[string]any{
		"type": panelType(properties.Get("view").Text()), "title": title, "datasource": grafanaSource, "targets": targets,
		"fieldConfig": map[string]any{
			"defaults":  map[string]any{"unit": unit, "custom": map[string]any{"stacking": map[string]any{"mode": stacking}}},
			"overrides": []any{},
		},
	}
}

// grafanaSource is the data source that the dashboard's variable chooses.
var grafanaSource = map[string]any{"type": "prometheus", "uid": "${datasource}"}

func refID(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return fmt.Sprintf("A%d", n)
}

func panelType(view string) string {
	switch view {
	case "singleValue":
		return "stat"
	case "gauge":
		return "gauge"
	case "pie":
		return "piechart"
	case "bar":
		return "barchart"
	default:
		return "timeseries"
	}
}

// widgetMetric is one row of a widget's metrics.
type widgetMetric struct {
	node                              *jsontree.Node
	namespace, name, label, statistic string
}

// widgetMetrics reads the rows: namespace, name, dimensions, and an object of
// options at the end. A dot repeats what stands above it.
func widgetMetrics(properties *jsontree.Node) []widgetMetric {
	var metrics []widgetMetric
	var above []*jsontree.Node
	for _, row := range properties.Get("metrics").Items() {
		cells := row.Items()
		m := widgetMetric{node: row}
		m.namespace, m.name = cell(cells, above, 0), cell(cells, above, 1)
		if len(cells) > 0 && cells[len(cells)-1].IsObject() {
			options := cells[len(cells)-1]
			m.label, m.statistic = options.Get("label").Text(), options.Get("stat").Text()
		}
		metrics = append(metrics, m)
		above = cellsOf(cells, above)
	}
	return metrics
}

func cell(cells, above []*jsontree.Node, i int) string {
	if resolved := cellsOf(cells, above); i < len(resolved) {
		return resolved[i].Text()
	}
	return ""
}

// cellsOf resolves the dots of a row.
func cellsOf(cells, above []*jsontree.Node) []*jsontree.Node {
	resolved := slices.Clone(cells)
	for i, c := range resolved {
		if c.Text() == "." && i < len(above) {
			resolved[i] = above[i]
		}
	}
	return resolved
}

// emitDashboard adds the ConfigMap that Grafana's sidecar loads dashboards from.
func (w *workload) emitDashboard(title string, panels []any) {
	if len(panels) == 0 {
		return
	}
	data, err := json.MarshalIndent(map[string]any{
		"title": title, "uid": dnsLabel(w.name+"-"+title, 40), "schemaVersion": 41, "editable": true, "tags": []any{"ragservice", w.name},
		"time":   map[string]any{"from": "now-6h", "to": "now"},
		"panels": panels,
		"templating": map[string]any{"list": []any{
			map[string]any{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
		}},
	}, "", "  ")
	if err != nil { // maps, slices, strings and numbers always marshal
		w.warn("the dashboard %s could not be written", title)
		return
	}
	name := w.dashboardName(title)
	config := &corev1.ConfigMap{ObjectMeta: w.meta(name), Data: map[string]string{name + ".json": string(data) + "\n"}}
	config.Labels["grafana_dashboard"] = "1"
	w.add(config)
}
