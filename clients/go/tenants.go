package landlord

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// TenantsQuery is which tenants are listed. The zero value is all of them, from the first.
type TenantsQuery struct {
	// State is "pending", "provisioning", "running", "updating" or "destroying".
	State    string
	Provider string
	// Health is "healthy", "unhealthy" or "unknown", as it was last seen.
	Health string
	// Label is what the labels have to fulfil, all of it: "team=blue,tier!=free,canary,!legacy".
	Label string
	// Prefix is what the id begins with.
	Prefix string
	// After is TenantsPage.Next of the page before.
	After string
	// Limit is at most 500, which 0 stands for.
	Limit int
}

// Tenants lists the living tenants, ordered by id, a page at a time. The last page has no Next.
func (c *Client) Tenants(ctx context.Context, asked TenantsQuery) (*TenantsPage, error) {
	query := url.Values{}
	set(query, "state", asked.State)
	set(query, "provider", asked.Provider)
	set(query, "health", asked.Health)
	set(query, "label", asked.Label)
	set(query, "prefix", asked.Prefix)
	set(query, "after", asked.After)
	if asked.Limit != 0 {
		query.Set("limit", strconv.Itoa(asked.Limit))
	}
	page := new(TenantsPage)
	return page, c.get(ctx, "/v1/tenants", query, page)
}

// Fleet shows what all tenants are like, in short.
func (c *Client) Fleet(ctx context.Context) (*Fleet, error) {
	fleet := new(Fleet)
	return fleet, c.get(ctx, "/v1/fleet", nil, fleet)
}

// Engines shows the engines that share the store.
func (c *Client) Engines(ctx context.Context) (*Engines, error) {
	engines := new(Engines)
	return engines, c.get(ctx, "/v1/engines", nil, engines)
}

// Tenant shows all that is recorded of a tenant. errors.Is finds ErrTenantNotFound where it is not there, or gone.
func (c *Client) Tenant(ctx context.Context, tenantID string) (*TenantDocument, error) {
	document := new(TenantDocument)
	return document, c.getNamed(ctx, "/v1/tenants/", tenantID, "", document)
}

// Spec shows a spec of a living tenant as it was sent, also one that it ran earlier. Tenant.Spec is the version that runs.
func (c *Client) Spec(ctx context.Context, tenantID string, version uint64) (*SpecDocument, error) {
	document := new(SpecDocument)
	return document, c.getNamed(ctx, "/v1/tenants/", tenantID, "/specs/"+strconv.FormatUint(version, 10), document)
}

// Status asks the platform how a tenant is now. The platform has 5 s to answer.
func (c *Client) Status(ctx context.Context, tenantID string) (*StatusDocument, error) {
	document := new(StatusDocument)
	return document, c.getNamed(ctx, "/v1/tenants/", tenantID, "/status", document)
}

// Plan says what an update to a spec would change, without changing anything.
func (c *Client) Plan(ctx context.Context, spec *TenantComputeSpec) (*Plan, error) {
	body, err := specJSON(spec)
	if err != nil {
		return nil, err
	}
	path, err := named("/v1/tenants/", spec.TenantID, "/plan")
	if err != nil {
		return nil, err
	}
	plan := new(Plan)
	return plan, c.ask(ctx, request{method: http.MethodPost, path: path, body: body}, plan)
}

// ValidateSpec checks a spec by every rule there is, without changing anything. A spec that is not valid is a *Problem with
// all that is wrong, for which errors.Is finds ErrInvalidSpec.
func (c *Client) ValidateSpec(ctx context.Context, spec *TenantComputeSpec) (*Verdict, error) {
	body, err := specJSON(spec)
	if err != nil {
		return nil, err
	}
	verdict := new(Verdict)
	return verdict, c.ask(ctx, request{method: http.MethodPost, path: "/v1/validate", body: body}, verdict)
}

// Operation shows an operation: once it has settled or the wait is over, which is at most 5 minutes. With a wait of 0 the
// answer comes at once.
func (c *Client) Operation(ctx context.Context, id string, wait time.Duration) (*Operation, error) {
	path, err := named("/v1/operations/", id, "")
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	if wait > 0 {
		query.Set("wait", wait.String())
	}
	operation := new(Operation)
	return operation, c.get(ctx, path, query, operation)
}

const (
	// One request for the end of an operation, before the next.
	settledWait = time.Minute
	// How much longer such a request may take.
	settledGrace = 15 * time.Second
)

// Settled waits until an operation has settled, as long as it takes: also while the server starts again, for 30 s without
// an answer. When ctx ends, the waiting ends with a *WaitError, and the operation goes on.
//
// It returns the operation however it ended. See Operation.Settled.
func (c *Client) Settled(ctx context.Context, id string) (*Operation, error) {
	for {
		var operation *Operation
		err := c.patiently(ctx, func() (err error) {
			limited, cancel := context.WithTimeout(ctx, settledWait+settledGrace)
			defer cancel()
			operation, err = c.Operation(limited, id, settledWait)
			return err
		})
		switch {
		case err == nil && operation.Settled != nil:
			return operation, nil
		case err == nil:
			// It goes on.
		case ctx.Err() != nil:
			return nil, &WaitError{Operation: id, Err: ctx.Err()}
		default:
			if _, again := c.again(err); again {
				return nil, &WaitError{Operation: id, Err: err}
			}
			return nil, err
		}
	}
}

// Providers lists what tenants can run on.
func (c *Client) Providers(ctx context.Context) ([]ProviderDocument, error) {
	var document providersDocument
	err := c.get(ctx, "/v1/providers", nil, &document)
	return document.Providers, err
}

// ProviderNamed shows a provider, with what its configuration may hold.
func (c *Client) ProviderNamed(ctx context.Context, name string) (*ProviderDocument, error) {
	document := new(ProviderDocument)
	return document, c.getNamed(ctx, "/v1/providers/", name, "", document)
}

// Sweep finds what no tenant owns on a platform, and who holds nothing there, without changing anything.
func (c *Client) Sweep(ctx context.Context, provider string) (*SweepDocument, error) {
	path, err := named("/v1/providers/", provider, "/sweep")
	if err != nil {
		return nil, err
	}
	document := new(SweepDocument)
	return document, c.ask(ctx, request{method: http.MethodPost, path: path}, document)
}

// Doctor says how the server, its machine and its platforms are, and what to do about what is wrong. Each platform is asked.
func (c *Client) Doctor(ctx context.Context) (*Diagnosis, error) {
	diagnosis := new(Diagnosis)
	return diagnosis, c.ask(ctx, request{method: http.MethodPost, path: "/v1/doctor"}, diagnosis)
}

func (c *Client) getNamed(ctx context.Context, before, name, after string, answer interface{}) error {
	path, err := named(before, name, after)
	if err != nil {
		return err
	}
	return c.get(ctx, path, nil, answer)
}

func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// Sends a document about something with a name.
func (c *Client) sendNamed(ctx context.Context, method, before, name, after string, document, answer interface{}) error {
	path, err := named(before, name, after)
	if err != nil {
		return err
	}
	body, err := plainJSON(document)
	if err != nil {
		return err
	}
	return c.ask(ctx, request{method: method, path: path, body: body}, answer)
}

// Removes something with a name.
func (c *Client) deleteNamed(ctx context.Context, before, name string) error {
	path, err := named(before, name, "")
	if err != nil {
		return err
	}
	response, err := c.send(ctx, request{method: http.MethodDelete, path: path})
	if err != nil {
		return err
	}
	return response.Body.Close()
}
