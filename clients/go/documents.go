package landlord

import (
	"encoding/json"
	"time"
)

// Accepted is what became of a command.
type Accepted struct {
	TenantID string `json:"tenant_id"`
	// Operation is what the command began or is part of. Empty where it begins none, or what was asked for was so already.
	Operation string `json:"operation,omitempty"`
	// Revision is the tenant's, where there is no operation.
	Revision *uint64 `json:"revision,omitempty"`
}

// Operation is what a command began.
type Operation struct {
	ID          string    `json:"id"`
	TenantID    string    `json:"tenant_id"`
	Incarnation uint64    `json:"incarnation"`
	Kind        string    `json:"kind"`
	AcceptedAt  time.Time `json:"accepted_at"`
	// Target is the version of the spec that it works towards.
	Target    *uint64 `json:"target,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	// Settled is how it ended; nil while it goes on.
	Settled *Settled `json:"settled,omitempty"`
	// SettledAt is nil also where that event is no longer kept.
	SettledAt *time.Time `json:"settled_at,omitempty"`
	Message   string     `json:"message,omitempty"`
}

// How operations end.
const (
	SettledDone       = "done"
	SettledFailed     = "failed"
	SettledCancelled  = "cancelled"
	SettledSuperseded = "superseded"
	SettledAbandoned  = "abandoned"
)

// Settled is how an operation ended.
type Settled struct {
	// As is one of SettledDone and its like.
	As string `json:"as"`
	// Error is why it failed.
	Error *ProviderError `json:"error,omitempty"`
	// Undone says, of one that failed, whether everything is as it was before.
	Undone bool `json:"undone,omitempty"`
	// Left is what is left on the platform of one that was cancelled or abandoned.
	Left []string `json:"left,omitempty"`
	// By is the operation that took its place.
	By string `json:"by,omitempty"`
}

// Attended is who looks after the tenants.
type Attended struct {
	Owner string `json:"owner,omitempty"`
	// State is "looks_after", "runs", "none" or "unknown".
	State    string     `json:"state"`
	LookedAt *time.Time `json:"looked_at,omitempty"`
}

// Engines are those that share the store, as the one that is asked sees them.
type Engines struct {
	// Shared is whether several engines may share the store.
	Shared  bool             `json:"shared"`
	Engines []EngineDocument `json:"engines"`
	// Unclaimed is of how many shards none of them has a claim.
	Unclaimed uint16 `json:"unclaimed"`
	// Behind is how many events the engine that is asked has yet to read.
	Behind uint64 `json:"behind"`
}

// EngineDocument is one of the engines that share a store.
type EngineDocument struct {
	Epoch uint64 `json:"epoch"`
	// Owner is its process, program and host, and since when.
	Owner string `json:"owner"`
	// Standing is "open", "alone" or "leaving".
	Standing string `json:"standing"`
	Shards   uint16 `json:"shards"`
	// Beat counts up once a second while it lives.
	Beat *uint64 `json:"beat,omitempty"`
	// Answers is whether it is the one that is asked.
	Answers bool `json:"answers"`
}

// Fleet is what the living tenants are like, in short.
type Fleet struct {
	// At is when that was counted, at most some seconds ago.
	At     time.Time     `json:"at"`
	Counts []TenantCount `json:"counts"`
	// Concerns are the tenants that need a look, the most urgent first.
	Concerns []ConcernedTenant `json:"concerns"`
	// Minutes is what happened in each minute of the last hour; nil for a token that is not for all tenants.
	Minutes []Minute `json:"minutes,omitempty"`
	Engine  Attended `json:"engine"`
}

// TenantCount is how many tenants are so.
type TenantCount struct {
	Provider string       `json:"provider"`
	State    string       `json:"state"`
	Health   HealthStatus `json:"health"`
	Tenants  uint64       `json:"tenants"`
}

// ConcernedTenant is a tenant that needs a look.
type ConcernedTenant struct {
	// Concern is "failing", "failed" or "on_its_way".
	Concern string `json:"concern"`
	// Since is when its operation was accepted.
	Since  *time.Time `json:"since,omitempty"`
	Tenant Tenant     `json:"tenant"`
}

// Minute is what happened in one minute.
type Minute struct {
	At      time.Time `json:"at"`
	Began   uint64    `json:"began"`
	Done    uint64    `json:"done"`
	Failed  uint64    `json:"failed"`
	Retried uint64    `json:"retried"`
}

// SpecDocument is a spec of a tenant as it was sent.
type SpecDocument struct {
	TenantID string            `json:"tenant_id"`
	Version  uint64            `json:"version"`
	Spec     TenantComputeSpec `json:"spec"`
}

// TenantsPage is a page of the living tenants.
type TenantsPage struct {
	Tenants []Tenant `json:"tenants"`
	Engine  Attended `json:"engine"`
	// Next is TenantsQuery.After for the next page. Empty in the last one.
	Next string `json:"next,omitempty"`
}

// Tenant is a tenant as it is recorded.
type Tenant struct {
	TenantID string `json:"tenant_id"`
	// State is "pending", "provisioning", "running", "updating" or "destroying".
	State    string       `json:"state"`
	Health   HealthStatus `json:"health"`
	Provider string       `json:"provider"`
	// Labels are those of the spec that runs, or else of the one that should.
	Labels map[string]string `json:"labels,omitempty"`
	// Owner is the epoch of the engine that makes its calls, where several share the store.
	Owner       *uint64 `json:"owner,omitempty"`
	Incarnation uint64  `json:"incarnation"`
	// Revision is how many transitions it has made; Options.IfMatch compares it.
	Revision uint64 `json:"revision"`
	// Spec is the version of the spec that runs.
	Spec        *uint64           `json:"spec,omitempty"`
	Operation   *TenantOperation  `json:"operation,omitempty"`
	Next        *QueuedOperation  `json:"next,omitempty"`
	Paused      *time.Time        `json:"paused,omitempty"`
	Protected   bool              `json:"protected,omitempty"`
	Repairs     uint32            `json:"repairs,omitempty"`
	RepairDue   *time.Time        `json:"repair_due,omitempty"`
	LastFailure *Failure          `json:"last_failure,omitempty"`
	SettledAt   *time.Time        `json:"settled_at,omitempty"`
	Endpoints   []Endpoint        `json:"endpoints,omitempty"`
	Resources   map[string]string `json:"resources,omitempty"`
}

// TenantOperation is what is on its way for a tenant.
type TenantOperation struct {
	ID string `json:"id"`
	// Direction is "forward", "repair", "undo", "destroy" or "release".
	Direction string `json:"direction"`
	Attempt   uint32 `json:"attempt"`
	// Run is "calling", "stopping" or "waiting".
	Run      string     `json:"run"`
	Until    *time.Time `json:"until,omitempty"`
	Waits    *Waiting   `json:"waits,omitempty"`
	Target   *uint64    `json:"target,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"`
}

// Waiting is what a call waits for on its platform.
type Waiting struct {
	What  string    `json:"what"`
	Since time.Time `json:"since"`
}

// QueuedOperation is what waits for its turn.
type QueuedOperation struct {
	ID       string     `json:"id"`
	Target   *uint64    `json:"target,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"`
}

// Failure is something that went wrong.
type Failure struct {
	At        time.Time      `json:"at"`
	Operation string         `json:"operation"`
	Kind      string         `json:"kind,omitempty"`
	Error     *ProviderError `json:"error"`
}

// TenantDocument is all that is known of a tenant.
type TenantDocument struct {
	Tenant      Tenant          `json:"tenant"`
	Spec        *SpecView       `json:"spec"`
	Containers  []ContainerView `json:"containers"`
	NotEnforced []string        `json:"not_enforced"`
	Engine      Attended        `json:"engine"`
	// Explanation is why it is where it is; nil where it plainly runs and is healthy.
	Explanation *Explanation `json:"explanation,omitempty"`
	// Operations are those that the record and the latest events name, oldest first.
	Operations []Operation `json:"operations"`
	// Events are the latest, oldest first.
	Events []TenantEvent `json:"events"`
	// Cursor is where the latest event stands: subscribe from here to miss nothing.
	Cursor  string `json:"cursor"`
	Message string `json:"message,omitempty"`
}

// Explanation is why a tenant does not plainly run, for a person.
type Explanation struct {
	// Why is what is so and why, in plain sentences.
	Why   string     `json:"why"`
	Since *time.Time `json:"since,omitempty"`
	// Tried is what was tried, a line each.
	Tried []string `json:"tried,omitempty"`
	// Next is what comes next, in its order.
	Next []Coming `json:"next,omitempty"`
	// Todo is what a person can do.
	Todo []Advice `json:"todo,omitempty"`
}

// Coming is something that comes.
type Coming struct {
	// At is nil where no time is set.
	At   *time.Time `json:"at,omitempty"`
	What string     `json:"what"`
}

// Advice is something that a person can do.
type Advice struct {
	// Command is one of landlord-compute, whose words in capitals are to be filled in.
	Command string `json:"command"`
	What    string `json:"what"`
}

// Diagnosis is what a server finds of itself, its machine and its platforms.
type Diagnosis struct {
	// At is the server's time when it looked.
	At       time.Time `json:"at"`
	Findings []Finding `json:"findings"`
}

// Finding is one thing that was looked at.
type Finding struct {
	// Check is what was looked at: "store", "provider process".
	Check string `json:"check"`
	// Grade is "ok", "warning" or "failed".
	Grade string `json:"grade"`
	Found string `json:"found"`
	// Todo is what to do about it.
	Todo string `json:"todo,omitempty"`
}

// SpecView is what a spec says that cannot be secret.
type SpecView struct {
	Resources      ResourceRequirements `json:"resources"`
	Networking     NetworkConfig        `json:"networking"`
	Secrets        []SecretView         `json:"secrets,omitempty"`
	Labels         map[string]string    `json:"labels,omitempty"`
	ProviderConfig []string             `json:"provider_config,omitempty"`
}

// SecretView is a secret's name and source.
type SecretView struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	EnvVar string `json:"env_var,omitempty"`
}

// ContainerView is what a container says that cannot be secret.
type ContainerView struct {
	Name        string                `json:"name"`
	Image       string                `json:"image"`
	Ports       []PortMapping         `json:"ports,omitempty"`
	HealthCheck *HealthCheckConfig    `json:"health_check,omitempty"`
	Resources   *ResourceRequirements `json:"resources,omitempty"`
	// Env are the names in its environment.
	Env []string `json:"env,omitempty"`
}

// StatusDocument is how a tenant is now, and what is recorded of it.
type StatusDocument struct {
	ComputeStatus
	Tenant Tenant   `json:"tenant"`
	Engine Attended `json:"engine"`
}

// Verdict is what is said of a spec that is valid.
type Verdict struct {
	Valid        bool   `json:"valid"`
	TenantID     string `json:"tenant_id"`
	ProviderType string `json:"provider_type"`
	// NotEnforced is what the spec asks for, and its provider does not enforce.
	NotEnforced []string `json:"not_enforced"`
	Remarks     []string `json:"remarks"`
}

// Plan is what an update would do. It would change nothing where Changes and Corrections are empty and nothing is created.
type Plan struct {
	TenantID string `json:"tenant_id"`
	// Creates says that the tenant is not there: a provision would make it.
	Creates bool            `json:"creates,omitempty"`
	Changes []PlannedChange `json:"changes"`
	// Corrections are where the platform is not as the spec that runs has it.
	Corrections []string `json:"corrections"`
	// Objects are what the platform was asked about, where its provider asks it.
	Objects []PlannedObject `json:"objects"`
	// NotEnforced is what the spec asks for, and its provider does not enforce.
	NotEnforced []string `json:"not_enforced"`
}

// PlannedChange is a field that an update would change.
type PlannedChange struct {
	Path       string     `json:"path"`
	Difference Difference `json:"difference"`
	// Effect is "in_place", "replace" or "stop_first".
	Effect string `json:"effect"`
}

// PlannedObject is an object of a platform that an update would write.
type PlannedObject struct {
	Object string `json:"object"`
	// Action is "create", "change", "replace" or "delete".
	Action string        `json:"action"`
	Fields []FieldChange `json:"fields"`
	// Answer is "accepted", "refused" or "not_asked".
	Answer string `json:"answer"`
	// Words are the platform's, or why it was not asked.
	Words string `json:"words,omitempty"`
}

// FieldChange is a field that differs.
type FieldChange struct {
	Path       string     `json:"path"`
	Difference Difference `json:"difference"`
}

// Difference is how a field differs.
type Difference struct {
	// Kind is "value", "changed", "added", "removed" or "reordered".
	Kind string
	// From and To are the values of "value"; nil where there is none.
	From, To *string
}

type differentValue struct {
	Value struct {
		From *string `json:"from"`
		To   *string `json:"to"`
	} `json:"value"`
}

// UnmarshalJSON reads a word, or {"value": {…}}.
func (d *Difference) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*d = Difference{}
		return json.Unmarshal(text, &d.Kind)
	}
	var different differentValue
	if err := json.Unmarshal(text, &different); err != nil {
		return err
	}
	*d = Difference{Kind: "value", From: different.Value.From, To: different.Value.To}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (d Difference) MarshalJSON() ([]byte, error) {
	if d.Kind != "value" {
		return json.Marshal(d.Kind)
	}
	var different differentValue
	different.Value.From, different.Value.To = d.From, d.To
	return json.Marshal(different)
}

type providersDocument struct {
	Providers []ProviderDocument `json:"providers"`
}

// ProviderDocument is what tenants can run on.
type ProviderDocument struct {
	Name         string       `json:"name"`
	Capabilities Capabilities `json:"capabilities"`
	// ConfigSchema is the JSON Schema of provider_config; nil in a list.
	ConfigSchema json.RawMessage `json:"config_schema,omitempty"`
	// ConfigDefaults is what a spec's provider_config is merged onto; nil in a list.
	ConfigDefaults json.RawMessage `json:"config_defaults,omitempty"`
}

// Capabilities is what a provider can do.
type Capabilities struct {
	MaxConcurrentCalls int      `json:"max_concurrent_calls"`
	CallTimeoutSeconds int      `json:"call_timeout_seconds"`
	ListsTenants       bool     `json:"lists_tenants"`
	UndoesAlone        bool     `json:"undoes_alone"`
	OCIImages          bool     `json:"oci_images"`
	NotEnforced        []string `json:"not_enforced"`
}

// SweepDocument is what a platform holds, compared with the records.
type SweepDocument struct {
	Provider string `json:"provider"`
	Engine   string `json:"engine"`
	Listed   int    `json:"listed"`
	// Orphans belong to nobody.
	Orphans []Orphan `json:"orphans"`
	// Retained is there on purpose.
	Retained []RetainedBy `json:"retained,omitempty"`
	// Missing should run, and hold nothing.
	Missing []Missing `json:"missing"`
	// Unsettled could not be judged.
	Unsettled []string `json:"unsettled"`
}

// Orphan is something on a platform that belongs to nobody.
type Orphan struct {
	TenantID    string            `json:"tenant_id"`
	Incarnation uint64            `json:"incarnation"`
	Provider    string            `json:"provider"`
	Resources   map[string]string `json:"resources"`
	// Why says {"kind": "no_tenant"} and the like. It goes back to the server as it is.
	Why      json.RawMessage `json:"why"`
	Revision uint64          `json:"revision"`
}

// RetainedBy is what a life of a tenant retained.
type RetainedBy struct {
	TenantID    string            `json:"tenant_id"`
	Incarnation uint64            `json:"incarnation"`
	Resources   map[string]string `json:"resources"`
}

// Missing is a tenant that should run, and holds nothing.
type Missing struct {
	TenantID    string `json:"tenant_id"`
	Incarnation uint64 `json:"incarnation"`
	Revision    uint64 `json:"revision"`
}

// Retained is what a tenant that is gone has left on purpose.
type Retained struct {
	Provider  string            `json:"provider"`
	Resources map[string]string `json:"resources"`
}

// LogLine is a line that a container wrote. Its text may hold the tenant's secrets, so that package fmt hides it.
type LogLine struct {
	At        *time.Time `json:"at"`
	Container string     `json:"container"`
	// Source is "stdout" or "stderr".
	Source string `json:"source"`
	Text   string `json:"text"`
}

// Event is a CloudEvent 1.0.
type Event struct {
	SpecVersion string `json:"specversion"`
	// ID is its cursor, and tells it from every other event.
	ID     string `json:"id"`
	Source string `json:"source"`
	// Type is "landlord.tenant." and Data.What.Kind.
	Type            string      `json:"type"`
	Subject         string      `json:"subject"`
	Time            time.Time   `json:"time"`
	DataContentType string      `json:"datacontenttype"`
	Data            TenantEvent `json:"data"`
}

// TenantEvent is what happened to a tenant.
type TenantEvent struct {
	TenantID    string    `json:"tenant_id"`
	Incarnation uint64    `json:"incarnation"`
	Revision    uint64    `json:"revision"`
	At          time.Time `json:"at"`
	From        string    `json:"from"`
	// To is empty where the tenant is gone.
	To        string `json:"to,omitempty"`
	Operation string `json:"operation,omitempty"`
	Attempt   uint32 `json:"attempt,omitempty"`
	What      What   `json:"what"`
	// Settled are the operations that ended with it.
	Settled []Settlement `json:"settled,omitempty"`
}

// Settlement is an operation that ended.
type Settlement struct {
	Operation string  `json:"operation"`
	Settled   Settled `json:"settled"`
}

// What is what happened. Each kind has the fields that server/openapi.json gives it; the others are zero.
type What struct {
	Kind          string         `json:"kind"`
	OperationKind string         `json:"operation_kind,omitempty"`
	Spec          *uint64        `json:"spec,omitempty"`
	Queued        string         `json:"queued,omitempty"`
	Step          string         `json:"step,omitempty"`
	What          string         `json:"what,omitempty"`
	Since         *time.Time     `json:"since,omitempty"`
	Changes       []string       `json:"changes,omitempty"`
	Message       string         `json:"message,omitempty"`
	Retained      *Retained      `json:"retained,omitempty"`
	Error         *ProviderError `json:"error,omitempty"`
	At            *time.Time     `json:"at,omitempty"`
	Why           string         `json:"why,omitempty"`
	NextAt        *time.Time     `json:"next_at,omitempty"`
	Health        HealthStatus   `json:"health,omitempty"`
	Reason        string         `json:"reason,omitempty"`
	Left          []string       `json:"left,omitempty"`
}
