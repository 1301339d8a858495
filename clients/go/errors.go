package landlord

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What errors.Is finds in the errors of this package.
var (
	// ErrInvalidSpec says that the spec is not valid. errors.As to a *Problem has each problem with its path.
	ErrInvalidSpec = errors.New("invalid compute specification")
	// ErrProvisionFailed says that a provision was refused or failed.
	ErrProvisionFailed = errors.New("provisioning failed")
	// ErrTenantNotFound says that there is no such tenant, that it is gone, or that nothing of it runs.
	ErrTenantNotFound = errors.New("tenant compute resources not found")
	// ErrUpdateFailed says that an update was refused or failed.
	ErrUpdateFailed = errors.New("update failed")
	// ErrDestroyFailed says that a destroy was refused or given up.
	ErrDestroyFailed = errors.New("destroy failed")
	// ErrStatusFailed says that the platform did not say how a tenant is; it may or may not exist.
	ErrStatusFailed = errors.New("status not known")
	// ErrProviderNotFound says that the server has no provider of that name.
	ErrProviderNotFound = errors.New("compute provider not found")
)

// Code is what kind of problem it is. Stable: decide by it.
type Code string

// The codes of problems.
const (
	CodeInvalidRequest       Code = "invalid_request"
	CodeInvalidSpec          Code = "invalid_spec"
	CodeUnauthorized         Code = "unauthorized"
	CodeForbidden            Code = "forbidden"
	CodeRateLimited          Code = "rate_limited"
	CodeForeignOrigin        Code = "foreign_origin"
	CodeMisdirected          Code = "misdirected"
	CodeNoSuchPath           Code = "no_such_path"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeTooLarge             Code = "too_large"
	CodeTimedOut             Code = "timed_out"
	CodeTokenNotFound        Code = "token_not_found"
	CodeTokenExists          Code = "token_exists"
	CodeProviderNotFound     Code = "provider_not_found"
	CodeTenantNotFound       Code = "tenant_not_found"
	CodeTenantGone           Code = "tenant_gone"
	CodeOperationNotFound    Code = "operation_not_found"
	CodeSpecNotFound         Code = "spec_not_found"
	CodeSubscriptionNotFound Code = "subscription_not_found"
	CodeWebhookNotFound      Code = "webhook_not_found"
	CodeNothingRuns          Code = "nothing_runs"
	CodeRejected             Code = "rejected"
	CodeProtected            Code = "protected"
	CodeRevisionMismatch     Code = "revision_mismatch"
	CodeKeyReused            Code = "key_reused"
	CodeUnknownCursor        Code = "unknown_cursor"
	CodeNotSupported         Code = "not_supported"
	CodePlatform             Code = "platform"
	CodePlatformTimeout      Code = "platform_timeout"
	CodeOverloaded           Code = "overloaded"
	CodeStore                Code = "store"
	CodeClosed               Code = "closed"
	CodeDefect               Code = "defect"
)

// Problem is why the server did not do a request: a problem document (RFC 9457).
type Problem struct {
	// Code is empty where a proxy answered, and not landlord-compute.
	Code  Code   `json:"code"`
	Title string `json:"title"`
	// Status is the HTTP status of the answer.
	Status int `json:"status"`
	// Detail is what happened, and what to do.
	Detail   string `json:"detail"`
	TenantID string `json:"tenant_id,omitempty"`
	// Causes are those that Detail does not repeat.
	Causes []string `json:"causes,omitempty"`
	// Problems is everything that is wrong with a spec.
	Problems []ProblemAt `json:"problems,omitempty"`
	// Retained is what a tenant that is gone has left on purpose.
	Retained *Retained `json:"retained,omitempty"`
	// Left is what was left of a tenant that was abandoned.
	Left []string `json:"left,omitempty"`
	// Explanation is why the tenant is not there, or gone.
	Explanation *Explanation `json:"explanation,omitempty"`
	// RetryAfter is the pause that the server asks for; 0 where it asks for none.
	RetryAfter time.Duration `json:"-"`
}

// ProblemAt is one thing that is wrong with a spec.
type ProblemAt struct {
	// Path is like "containers[0].ports[1].container_port"; empty for the spec as a whole.
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Error is the detail with its causes.
func (p *Problem) Error() string {
	return strings.Join(append([]string{p.Detail}, p.Causes...), ": ")
}

// Is finds ErrInvalidSpec, ErrTenantNotFound and ErrProviderNotFound.
func (p *Problem) Is(target error) bool {
	switch p.Code {
	case CodeInvalidSpec:
		return target == ErrInvalidSpec
	case CodeTenantNotFound, CodeTenantGone, CodeNothingRuns:
		return target == ErrTenantNotFound
	case CodeProviderNotFound:
		return target == ErrProviderNotFound
	}
	return false
}

// Temporary says whether the same request may be done later.
func (p *Problem) Temporary() bool {
	switch p.Code {
	case CodeOverloaded, CodeRateLimited, CodeStore, CodeClosed, CodeTimedOut, CodePlatform, CodePlatformTimeout:
		return true
	}
	// A proxy whose server is away.
	return p.Code == "" && p.Status >= 502 && p.Status <= 504
}

// ProviderError is what a provider says when it could not do what it was asked.
type ProviderError struct {
	// Kind is "invalid_spec", "provision_failed", "tenant_not_found", "update_failed", "destroy_failed" or "status_failed".
	Kind string `json:"kind"`
	// Remedy is "retry", "permanent" or "needs_person".
	Remedy string `json:"remedy"`
	// Code is "PROVIDER_TIMEOUT", "PROVIDER_UNAVAILABLE", "RESOURCE_EXHAUSTED", "INVALID_CONFIGURATION",
	// "RESOURCE_NOT_FOUND", "PERMISSION_DENIED", "CONFLICT" or "UNKNOWN_ERROR".
	Code    string `json:"code"`
	Message string `json:"message"`
	// RetryAfter is the pause that the platform asks for.
	RetryAfter *Span `json:"retry_after,omitempty"`
	// Platform is the platform's own words.
	Platform string `json:"platform,omitempty"`
}

// Span is a time span.
type Span struct {
	Seconds     uint64 `json:"secs"`
	Nanoseconds uint32 `json:"nanos"`
}

// Duration is the time span as Go has it.
func (s Span) Duration() time.Duration {
	return time.Duration(s.Seconds)*time.Second + time.Duration(s.Nanoseconds)
}

// Error is the message, with its code and the platform's words.
func (e *ProviderError) Error() string {
	text := e.Code + ": " + e.Message
	if e.Platform != "" {
		text += " (" + e.Platform + ")"
	}
	return text
}

// Is finds the error of the provider's kind: ErrProvisionFailed and its like.
func (e *ProviderError) Is(target error) bool {
	switch e.Kind {
	case "invalid_spec":
		return target == ErrInvalidSpec
	case "provision_failed":
		return target == ErrProvisionFailed
	case "tenant_not_found":
		return target == ErrTenantNotFound
	case "update_failed":
		return target == ErrUpdateFailed
	case "destroy_failed":
		return target == ErrDestroyFailed
	case "status_failed":
		return target == ErrStatusFailed
	}
	return false
}

// OperationError is an operation that did not end with what was asked for. It wraps the provider's error, if that is why.
type OperationError struct {
	Operation *Operation
}

// Error says which operation it is, and how it ended.
func (e *OperationError) Error() string {
	operation, settled := e.Operation, e.Operation.Settled
	text := fmt.Sprintf("%s %s of tenant %s: %s", operation.Kind, operation.ID, operation.TenantID, settled.As)
	switch {
	case settled.Undone:
		text += ", and undone"
	case settled.By != "":
		text += " by operation " + settled.By
	case len(settled.Left) > 0:
		text += "; left behind: " + strings.Join(settled.Left, ", ")
	}
	if settled.Error != nil {
		text += ": " + settled.Error.Error()
	}
	return text
}

// Unwrap is the provider's error.
func (e *OperationError) Unwrap() error {
	if err := e.Operation.Settled.Error; err != nil {
		return err
	}
	return nil
}

// WaitError says that the waiting ended, and the operation may go on. Client.Settled waits for it again.
type WaitError struct {
	// Operation is its id.
	Operation string
	// Err is why: the context's error, or why the server could not be asked.
	Err error
}

// Error says which operation goes on.
func (e *WaitError) Error() string {
	return fmt.Sprintf("waiting for operation %s ended, and it may go on: %v", e.Operation, e.Err)
}

// Unwrap is why the waiting ended.
func (e *WaitError) Unwrap() error { return e.Err }

// An error of the specification's kind, and its cause.
type failure struct {
	kind, cause error
}

func (f *failure) Error() string        { return f.kind.Error() + ": " + f.cause.Error() }
func (f *failure) Is(target error) bool { return target == f.kind }
func (f *failure) Unwrap() error        { return f.cause }

// Gives an error of a command the kind of its method. What the server never answered, or a proxy did, has none: nobody
// knows whether it failed. An invalid spec and a provider that is not there say more than that the method failed.
func failed(kind, cause error) error {
	var problem *Problem
	var operation *OperationError
	switch {
	case cause == nil, errors.Is(cause, ErrInvalidSpec) && errors.As(cause, &problem), errors.Is(cause, ErrProviderNotFound):
		return cause
	case errors.As(cause, &operation), errors.As(cause, &problem) && problem.Code != "" && !errors.As(cause, new(*WaitError)):
		return &failure{kind: kind, cause: cause}
	}
	return cause
}
