package page

import "testing"

func TestFill(t *testing.T) {
	section := Section{"<!-- a -->", "<!-- end of a -->"}
	tests := []struct {
		name, page, want string
	}{
		{"text is replaced", "x\n<!-- a -->\nold\n<!-- end of a -->\ny\n", "x\n<!-- a -->\nnew\n<!-- end of a -->\ny\n"},
		{"an empty section is filled", "<!-- a -->\n<!-- end of a -->\n", "<!-- a -->\nnew\n<!-- end of a -->\n"},
		{"no begin", "old\n<!-- end of a -->\n", ""},
		{"no end", "<!-- a -->\nold\n", ""},
		{"the end comes first", "<!-- end of a -->\nold\n<!-- a -->\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := section.Fill([]byte(tt.page), "new\n")
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("Fill: %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
