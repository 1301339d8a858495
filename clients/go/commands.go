package landlord

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Options go with a command. The zero value asks for nothing.
type Options struct {
	// IdempotencyKey is the caller's own name for the request. Sent again with it, a command is not done twice. Another
	// command with it is refused.
	IdempotencyKey string
	// IfMatch is the revision that the tenant must be at; nil for any.
	IfMatch *uint64
	// Reason is for the audit.
	Reason string
	// Deadline undoes the operation when it has taken this long; 0 for never.
	Deadline time.Duration
}

// Command is a command that has no spec.
type Command string

// The commands that have no spec.
const (
	// Restart starts anew what a tenant runs, with the values that its secrets have now.
	Restart Command = "restart"
	// Destroy removes everything of a tenant, but for what its spec retains.
	Destroy Command = "destroy"
	// Cancel stops what is on its way for a tenant, and undoes it.
	Cancel Command = "cancel"
	// Retry tries again now what waits to be tried again.
	Retry Command = "retry"
	// Pause begins nothing for a tenant until it is resumed.
	Pause Command = "pause"
	// Resume goes on after a pause.
	Resume Command = "resume"
	// Abandon gives up a destroy or a release that never ends. Options.Reason is required.
	Abandon Command = "abandon"
)

// SpecCommand is a command that has a spec.
type SpecCommand string

// The commands that have a spec.
const (
	// Put makes a tenant run a spec, whether it exists or not.
	Put SpecCommand = "put"
	// Provision makes a tenant run a spec. Refused where it runs another one.
	Provision SpecCommand = "provision"
	// Update makes a tenant that runs something run another spec.
	Update SpecCommand = "update"
)

// Command sends a command for a tenant. It returns when the engine has accepted it, which is before its operation ends.
func (c *Client) Command(ctx context.Context, tenantID string, command Command, options Options) (*Accepted, error) {
	asked, err := options.request(http.MethodPost, tenantID, string(command))
	if err != nil {
		return nil, err
	}
	return c.command(ctx, asked)
}

// CommandSpec sends a command with a spec for the tenant that the spec names. It returns when the engine has accepted
// it, which is before its operation ends.
func (c *Client) CommandSpec(ctx context.Context, command SpecCommand, spec *TenantComputeSpec, options Options) (*Accepted, error) {
	if spec == nil {
		return nil, invalid("", "there is no spec")
	}
	asked, err := options.withSpec(spec.TenantID, command, spec)
	if err != nil {
		return nil, err
	}
	return c.command(ctx, asked)
}

// Release removes what a tenant that is gone has retained. An empty provider is where its last life retained something.
// Options.Deadline does not go with it.
func (c *Client) Release(ctx context.Context, tenantID, provider string, options Options) (*Accepted, error) {
	options.Deadline = 0
	asked, err := options.request(http.MethodPost, tenantID, "release")
	if err != nil {
		return nil, err
	}
	if provider != "" {
		asked.query.Set("provider", provider)
	}
	return c.command(ctx, asked)
}

// Reclaim removes what a sweep found, if its tenant is still as the sweep saw it. Options.IfMatch does not go with it.
func (c *Client) Reclaim(ctx context.Context, orphan *Orphan, options Options) (*Accepted, error) {
	options.IfMatch = nil
	body, err := plainJSON(orphan)
	if err != nil {
		return nil, err
	}
	return c.command(ctx, request{
		method: http.MethodPost, path: "/v1/reclaim", query: options.query(), header: options.header(), body: body,
	})
}

func (c *Client) command(ctx context.Context, asked request) (*Accepted, error) {
	accepted := new(Accepted)
	if err := c.ask(ctx, asked, accepted); err != nil {
		return nil, err
	}
	return accepted, nil
}

func (o Options) withSpec(tenantID string, command SpecCommand, spec *TenantComputeSpec) (request, error) {
	method, name := http.MethodPost, string(command)
	if command == Put {
		method, name = http.MethodPut, ""
	}
	body, err := specJSON(spec)
	if err != nil {
		return request{}, err
	}
	asked, err := o.request(method, tenantID, name)
	asked.body = body
	return asked, err
}

func (o Options) request(method, tenantID, command string) (request, error) {
	if command != "" {
		command = "/" + command
	}
	path, err := named("/v1/tenants/", tenantID, command)
	return request{method: method, path: path, query: o.query(), header: o.header()}, err
}

func (o Options) query() url.Values {
	query := url.Values{}
	if o.Reason != "" {
		query.Set("reason", o.Reason)
	}
	if o.Deadline > 0 {
		query.Set("deadline", o.Deadline.String())
	}
	return query
}

func (o Options) header() http.Header {
	header := http.Header{}
	if o.IdempotencyKey != "" {
		header.Set("Idempotency-Key", o.IdempotencyKey)
	}
	if o.IfMatch != nil {
		header.Set("If-Match", `"`+strconv.FormatUint(*o.IfMatch, 10)+`"`)
	}
	return header
}
