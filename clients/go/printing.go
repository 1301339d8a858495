package landlord

import (
	"encoding/json"
	"fmt"
)

// Stands for a value that must not print.
const hidden = "<hidden>"

// String is the spec as JSON, without what may be secret.
func (s TenantComputeSpec) String() string {
	containers := make([]ContainerSpec, 0, len(s.Containers))
	for _, container := range s.Containers {
		containers = append(containers, container.redacted())
	}
	s.Containers = containers
	if s.ProviderConfig != nil {
		s.ProviderConfig = json.RawMessage(`"` + hidden + `"`)
	}
	return printed(s)
}

// Format prints what String says, whatever the verb.
func (s TenantComputeSpec) Format(to fmt.State, _ rune) { fmt.Fprint(to, s.String()) }

// String is the container as JSON, without what may be secret.
func (c ContainerSpec) String() string { return printed(c.redacted()) }

// Format prints what String says, whatever the verb.
func (c ContainerSpec) Format(to fmt.State, _ rune) { fmt.Fprint(to, c.String()) }

// String is the check as JSON, without what may be secret.
func (h HealthCheckConfig) String() string { return printed(*h.redacted()) }

// Format prints what String says, whatever the verb.
func (h HealthCheckConfig) Format(to fmt.State, _ rune) { fmt.Fprint(to, h.String()) }

// String is the file as JSON, without its content.
func (f FileSpec) String() string { return printed(f.redacted()) }

// Format prints what String says, whatever the verb.
func (f FileSpec) Format(to fmt.State, _ rune) { fmt.Fprint(to, f.String()) }

// String says who wrote the line and when. The text may hold the tenant's secrets.
func (l LogLine) String() string {
	l.Text = hidden
	return printed(l)
}

// Format prints what String says, whatever the verb.
func (l LogLine) Format(to fmt.State, _ rune) { fmt.Fprint(to, l.String()) }

func (c ContainerSpec) redacted() ContainerSpec {
	c.Command, c.Args, c.Env = hideAll(c.Command), hideAll(c.Args), hideValues(c.Env)
	c.HealthCheck, c.Liveness = c.HealthCheck.redacted(), c.Liveness.redacted()
	var files []FileSpec
	for _, file := range c.Files {
		files = append(files, file.redacted())
	}
	c.Files = files
	return c
}

func (h *HealthCheckConfig) redacted() *HealthCheckConfig {
	if h == nil {
		return nil
	}
	check := *h
	check.Command, check.Headers = hideAll(h.Command), hideValues(h.Headers)
	return &check
}

func (f FileSpec) redacted() FileSpec {
	if f.Content != "" {
		f.Content = hidden
	}
	return f
}

func hideAll(values []string) []string {
	var all []string
	for range values {
		all = append(all, hidden)
	}
	return all
}

func hideValues(values map[string]string) map[string]string {
	all := make(map[string]string, len(values))
	for name := range values {
		all[name] = hidden
	}
	return all
}

func printed(redacted interface{}) string {
	text, err := plainJSON(redacted)
	if err != nil {
		return hidden
	}
	return string(text)
}
