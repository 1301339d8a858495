package landlord

import "time"

// ProvisionStatus is how far a provision got.
type ProvisionStatus string

// Provider.Provision waits, so that its results are ProvisionStatusSuccess.
const (
	ProvisionStatusSuccess    ProvisionStatus = "success"
	ProvisionStatusInProgress ProvisionStatus = "in_progress"
	ProvisionStatusFailed     ProvisionStatus = "failed"
)

// ProvisionResult is what a provision made.
type ProvisionResult struct {
	TenantID     string          `json:"tenant_id"`
	ProviderType string          `json:"provider_type"`
	Status       ProvisionStatus `json:"status"`
	// ResourceIDs are the platform's ids, for cleanup by hand.
	ResourceIDs   map[string]string `json:"resource_ids"`
	Endpoints     []Endpoint        `json:"endpoints,omitempty"`
	Message       string            `json:"message,omitempty"`
	ProvisionedAt time.Time         `json:"provisioned_at"`
}

// UpdateStatus is how far an update got.
type UpdateStatus string

// Provider.Update waits, so that its results are UpdateStatusSuccess or UpdateStatusNoChanges.
const (
	UpdateStatusSuccess    UpdateStatus = "success"
	UpdateStatusNoChanges  UpdateStatus = "no_changes"
	UpdateStatusInProgress UpdateStatus = "in_progress"
	UpdateStatusFailed     UpdateStatus = "failed"
)

// UpdateResult is what an update changed.
type UpdateResult struct {
	TenantID     string       `json:"tenant_id"`
	ProviderType string       `json:"provider_type"`
	Status       UpdateStatus `json:"status"`
	// Changes are what changed and what was corrected, a line each, without secrets.
	Changes   []string  `json:"changes"`
	Message   string    `json:"message,omitempty"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Endpoint is where a tenant answers.
type Endpoint struct {
	// Type is "http", "https", "tcp" or "grpc".
	Type    string `json:"type"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	URL     string `json:"url,omitempty"`
	// Container and ContainerPort are who answers there, where it is a container.
	Container     string `json:"container,omitempty"`
	ContainerPort int    `json:"container_port,omitempty"`
	// PortName is what the spec calls the port.
	PortName string `json:"port_name,omitempty"`
}

// ComputeState is what a tenant or a container does.
type ComputeState string

// What a platform says.
const (
	ComputeStateRunning  ComputeState = "running"
	ComputeStateStopped  ComputeState = "stopped"
	ComputeStateStarting ComputeState = "starting"
	ComputeStateStopping ComputeState = "stopping"
	ComputeStateFailed   ComputeState = "failed"
	ComputeStateUnknown  ComputeState = "unknown"
)

// HealthStatus is what the health checks say.
type HealthStatus string

// What the health checks say.
const (
	HealthStatusHealthy   HealthStatus = "healthy"
	HealthStatusUnhealthy HealthStatus = "unhealthy"
	HealthStatusUnknown   HealthStatus = "unknown"
)

// ComputeStatus is the platform's answer to how a tenant is now.
type ComputeStatus struct {
	TenantID     string            `json:"tenant_id"`
	ProviderType string            `json:"provider_type"`
	State        ComputeState      `json:"state"`
	Containers   []ContainerStatus `json:"containers"`
	Health       HealthStatus      `json:"health"`
	// LastUpdated is when the platform was asked.
	LastUpdated time.Time         `json:"last_updated"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// ContainerStatus is how a container is now.
type ContainerStatus struct {
	Name         string `json:"name"`
	State        string `json:"state"`
	Ready        bool   `json:"ready"`
	RestartCount int    `json:"restart_count"`
	Message      string `json:"message,omitempty"`
}
