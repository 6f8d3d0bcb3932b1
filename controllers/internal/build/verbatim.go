package build

import "encoding/json"

// verbatim passes on a list of the Kubernetes API that the user wrote. Only for
// parts that the operator hands over untouched: what it decides itself is built
// field by field.
func verbatim[C, T any](list []T) ([]*C, error) {
	var configs []*C
	for _, item := range list {
		c, err := verbatimOne[C](item)
		if err != nil {
			return nil, err
		}
		configs = append(configs, c)
	}
	return configs, nil
}

func verbatimOne[C, T any](item T) (*C, error) {
	data, err := json.Marshal(item)
	if err != nil {
		return nil, err
	}
	c := new(C)
	return c, json.Unmarshal(data, c)
}
