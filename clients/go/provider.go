package landlord

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// How long ValidateConfig may take: landlord gives it no context.
	validateConfigWithin = 10 * time.Second
	// The end of an operation is among so many of its tenant's latest events.
	latestEvents = 1000
)

// Provider runs tenants on one provider of a remote engine. It has the methods of landlord's compute provider.
//
// A command is sent with an Idempotency-Key of its own, again for up to 30 s while nobody answers it or the engine has too
// much to do. Errors are those of landlord's interface for errors.Is; errors.As has more in *Problem, *OperationError,
// *ProviderError and *WaitError. An error that is none of ErrProvisionFailed and its like says nothing of the tenant: the
// server did not answer, or the context ended.
type Provider struct {
	client           *Client
	name             string
	schema, defaults json.RawMessage
}

// NewProvider is the provider that the server's specs call name. It asks the server for its configuration's schema and
// defaults, and is ErrProviderNotFound where the server does not have it.
func NewProvider(ctx context.Context, client *Client, name string) (*Provider, error) {
	document, err := client.ProviderNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Provider{
		client:   client,
		name:     document.Name,
		schema:   document.ConfigSchema,
		defaults: document.ConfigDefaults,
	}, nil
}

// Name is what specs have in provider_type.
func (p *Provider) Name() string { return p.name }

// Provision makes a tenant run a spec, and waits until it is healthy. For a tenant that runs it already, it says so. For
// one that runs another spec it is ErrProvisionFailed: use Update.
//
// When ctx ends, the waiting ends with a *WaitError and the operation goes on. The same call again waits for it.
func (p *Provider) Provision(ctx context.Context, spec *TenantComputeSpec) (*ProvisionResult, error) {
	if err := p.accepts(spec); err != nil {
		return nil, err
	}
	operation, err := p.do(ctx, func(options Options) (request, error) {
		return options.withSpec(spec.TenantID, Provision, spec)
	})
	if err != nil {
		return nil, failed(ErrProvisionFailed, err)
	}
	var document *TenantDocument
	err = p.client.patiently(ctx, func() (err error) {
		document, err = p.client.Tenant(ctx, spec.TenantID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tenant %s was provisioned, and cannot be shown: %w", spec.TenantID, err)
	}
	result := &ProvisionResult{
		TenantID:      spec.TenantID,
		ProviderType:  p.name,
		Status:        ProvisionStatusSuccess,
		ResourceIDs:   document.Tenant.Resources,
		Endpoints:     document.Tenant.Endpoints,
		Message:       document.Message,
		ProvisionedAt: settledAt(operation, document.Tenant.SettledAt),
	}
	if result.ResourceIDs == nil {
		result.ResourceIDs = map[string]string{}
	}
	return result, nil
}

// Update makes a tenant that runs something run another spec, and waits until it is healthy. An update that fails goes back
// to what ran before, and is ErrUpdateFailed. Where nothing runs it is ErrTenantNotFound.
//
// When ctx ends, the waiting ends with a *WaitError and the operation goes on.
func (p *Provider) Update(ctx context.Context, tenantID string, spec *TenantComputeSpec) (*UpdateResult, error) {
	if err := p.accepts(spec); err != nil {
		return nil, err
	}
	operation, err := p.do(ctx, func(options Options) (request, error) {
		return options.withSpec(tenantID, Update, spec)
	})
	if err != nil {
		return nil, p.notUpdated(ctx, tenantID, err)
	}
	result := &UpdateResult{
		TenantID:     tenantID,
		ProviderType: p.name,
		Status:       UpdateStatusNoChanges,
		Changes:      []string{},
		UpdatedAt:    settledAt(operation, nil),
	}
	if operation == nil {
		return result, nil
	}
	result.Message = operation.Message
	changes, known, err := p.changes(ctx, operation)
	if err != nil {
		return nil, fmt.Errorf("tenant %s was updated, and what changed cannot be shown: %w", tenantID, err)
	}
	if len(changes) > 0 || !known {
		result.Status = UpdateStatusSuccess
	}
	result.Changes = append(result.Changes, changes...)
	return result, nil
}

// Destroy removes everything of a tenant, except for what its spec asks to retain, and waits until it is gone. A tenant that
// is gone, or never was, is no error. A tenant that its spec protects is ErrDestroyFailed.
//
// When ctx ends, the waiting ends with a *WaitError and the destroy goes on.
func (p *Provider) Destroy(ctx context.Context, tenantID string) error {
	_, err := p.do(ctx, func(options Options) (request, error) {
		return options.request(http.MethodPost, tenantID, string(Destroy))
	})
	if isGone(err) {
		return nil
	}
	return failed(ErrDestroyFailed, err)
}

// GetStatus asks the platform how a tenant is now. The platform has 5 s to answer; otherwise it is ErrStatusFailed. Where
// nothing of the tenant runs it is ErrTenantNotFound.
func (p *Provider) GetStatus(ctx context.Context, tenantID string) (*ComputeStatus, error) {
	document, err := p.client.Status(ctx, tenantID)
	if err != nil {
		if errors.Is(err, ErrTenantNotFound) {
			return nil, err
		}
		return nil, failed(ErrStatusFailed, err)
	}
	return &document.ComputeStatus, nil
}

// Validate checks a spec by every rule there is, the provider's included, without changing anything. ErrInvalidSpec has all
// problems in its *Problem.
func (p *Provider) Validate(ctx context.Context, spec *TenantComputeSpec) error {
	if err := p.accepts(spec); err != nil {
		return err
	}
	_, err := p.client.ValidateSpec(ctx, spec)
	return err
}

// ValidateConfig checks a provider_config by the provider's own rules. It is sent in a small spec, and what is wrong
// elsewhere in that spec does not count. The server has 10 s to answer.
func (p *Provider) ValidateConfig(config json.RawMessage) error {
	ctx, cancel := context.WithTimeout(context.Background(), validateConfigWithin)
	defer cancel()
	// Both a process and an image have this name.
	spec := &TenantComputeSpec{
		TenantID:       "validate-config",
		ProviderType:   p.name,
		Containers:     []ContainerSpec{{Name: "main", Image: "host", Command: []string{"true"}}},
		Resources:      ResourceRequirements{CPU: 256, Memory: 512},
		ProviderConfig: config,
	}
	_, err := p.client.ValidateSpec(ctx, spec)
	var problem *Problem
	if !errors.As(err, &problem) || problem.Code != CodeInvalidSpec {
		return err
	}
	return ofConfig(problem)
}

// What a problem says of provider_config.
func ofConfig(problem *Problem) error {
	const field = "provider_config"
	var problems []ProblemAt
	var lines []string
	for _, at := range problem.Problems {
		if at.Path == field || strings.HasPrefix(at.Path, field+".") || strings.HasPrefix(at.Path, field+"[") {
			problems = append(problems, at)
			lines = append(lines, at.Path+": "+at.Message)
		}
	}
	if len(problems) == 0 {
		// A document that cannot be read has no paths.
		if len(problem.Problems) == 0 {
			return problem
		}
		return nil
	}
	return &Problem{
		Code:     problem.Code,
		Title:    problem.Title,
		Status:   problem.Status,
		Detail:   strings.Join(lines, "\n"),
		Problems: problems,
	}
}

// ConfigSchema is the JSON Schema (draft 2020-12) of provider_config, as it was when NewProvider asked for it.
func (p *Provider) ConfigSchema() json.RawMessage { return copied(p.schema) }

// ConfigDefaults is what a spec's provider_config is merged onto, as it was when NewProvider asked for it; nil where there
// are no defaults.
func (p *Provider) ConfigDefaults() json.RawMessage { return copied(p.defaults) }

func copied(text json.RawMessage) json.RawMessage {
	if string(text) == "null" {
		return nil
	}
	return append(json.RawMessage(nil), text...)
}

// The server has other providers too, so that only here is a spec of another one a mistake.
func (p *Provider) accepts(spec *TenantComputeSpec) error {
	if spec == nil {
		return invalid("", "there is no spec")
	}
	if spec.ProviderType != p.name {
		return invalid("provider_type", fmt.Sprintf("is %q, and this is provider %q", spec.ProviderType, p.name))
	}
	return nil
}

// Sends a command and waits for its operation, which is done then. It is nil where the command began none.
func (p *Provider) do(ctx context.Context, command func(Options) (request, error)) (*Operation, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	asked, err := command(Options{IdempotencyKey: key})
	if err != nil {
		return nil, err
	}
	var accepted *Accepted
	err = p.client.patiently(ctx, func() (err error) {
		accepted, err = p.client.command(ctx, asked)
		return err
	})
	if err != nil || accepted.Operation == "" {
		return nil, err
	}
	operation, err := p.client.Settled(ctx, accepted.Operation)
	if err != nil {
		return nil, err
	}
	if operation.Settled.As != SettledDone {
		return nil, &OperationError{Operation: operation}
	}
	return operation, nil
}

// The engine says of a tenant that is not there what it says of one that is busy.
func (p *Provider) notUpdated(ctx context.Context, tenantID string, err error) error {
	var problem *Problem
	if errors.As(err, &problem) && problem.Code == CodeRejected {
		document, shown := p.client.Tenant(ctx, tenantID)
		if isGone(shown) || shown == nil && document.Tenant.State == "pending" {
			return &failure{kind: ErrTenantNotFound, cause: err}
		}
	}
	return failed(ErrUpdateFailed, err)
}

// What an operation changed, and whether that is still known.
func (p *Provider) changes(ctx context.Context, operation *Operation) (changes []string, known bool, err error) {
	err = p.client.patiently(ctx, func() error {
		changes, known, err = p.client.changes(ctx, operation)
		return err
	})
	return changes, known, err
}

func (c *Client) changes(ctx context.Context, operation *Operation) ([]string, bool, error) {
	stream, err := c.Events(ctx, EventsQuery{Tenant: operation.TenantID, Last: latestEvents})
	if err != nil {
		return nil, false, err
	}
	defer stream.Close()
	for {
		delivery, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		event := delivery.Event
		if event != nil && event.Data.Operation == operation.ID && event.Data.What.Kind == "succeeded" {
			return event.Data.What.Changes, true, nil
		}
	}
}

// Whether the engine knows nothing of a tenant, or that it is gone.
func isGone(err error) bool {
	var problem *Problem
	return errors.As(err, &problem) && (problem.Code == CodeTenantNotFound || problem.Code == CodeTenantGone)
}

func settledAt(operation *Operation, recorded *time.Time) time.Time {
	switch {
	case operation != nil && operation.SettledAt != nil:
		return *operation.SettledAt
	case recorded != nil:
		return *recorded
	}
	return time.Now().UTC()
}

func newKey() (string, error) {
	var key [16]byte
	if _, err := rand.Read(key[:]); err != nil {
		return "", fmt.Errorf("landlord: an idempotency key: %w", err)
	}
	return hex.EncodeToString(key[:]), nil
}
