package landlord

import (
	"encoding/json"
	"fmt"
)

// TenantComputeSpec is what a tenant is to run. SPEC.md has the range and the default of each field. The zero value of an
// optional field stands for its default.
//
// Command lines, environments, files, headers and provider configuration may hold secrets. Printing a spec with package
// fmt hides them, and encoding it as JSON does not: the server gets them. Never log the JSON.
type TenantComputeSpec struct {
	TenantID     string `json:"tenant_id"`
	ProviderType string `json:"provider_type"`
	// Containers is at least one.
	Containers []ContainerSpec `json:"containers"`
	// Resources is what the whole tenant may use.
	Resources  ResourceRequirements `json:"resources"`
	Networking NetworkConfig        `json:"networking"`
	Secrets    []SecretReference    `json:"secrets,omitempty"`
	Labels     map[string]string    `json:"labels,omitempty"`
	// ProviderConfig is what Provider.ConfigSchema describes.
	ProviderConfig json.RawMessage `json:"provider_config,omitempty"`
	// Replicas is how many of the tenant run side by side; nil for the default.
	Replicas *Replicas     `json:"replicas,omitempty"`
	Volumes  []VolumeSpec  `json:"volumes,omitempty"`
	Update   *UpdateConfig `json:"update,omitempty"`
	// DeletionProtection makes the engine refuse a destroy.
	DeletionProtection bool `json:"deletion_protection,omitempty"`
}

// ContainerSpec is one container of a tenant.
type ContainerSpec struct {
	Name        string                `json:"name"`
	Image       string                `json:"image"`
	Command     []string              `json:"command,omitempty"`
	Args        []string              `json:"args,omitempty"`
	Env         map[string]string     `json:"env,omitempty"`
	Ports       []PortMapping         `json:"ports,omitempty"`
	HealthCheck *HealthCheckConfig    `json:"health_check,omitempty"`
	Resources   *ResourceRequirements `json:"resources,omitempty"`
	// Role is "main", "sidecar" or "init". Empty means "main".
	Role      string       `json:"role,omitempty"`
	DependsOn []Dependency `json:"depends_on,omitempty"`
	// Liveness is a check whose failure starts the container again.
	Liveness     *HealthCheckConfig `json:"liveness,omitempty"`
	Stop         *StopConfig        `json:"stop,omitempty"`
	Files        []FileSpec         `json:"files,omitempty"`
	Mounts       []MountSpec        `json:"mounts,omitempty"`
	ImagePull    *ImagePull         `json:"image_pull,omitempty"`
	User         string             `json:"user,omitempty"`
	WorkingDir   string             `json:"working_dir,omitempty"`
	ReadOnlyRoot bool               `json:"read_only_root,omitempty"`
}

// PortMapping is a port of a container.
type PortMapping struct {
	ContainerPort int `json:"container_port"`
	HostPort      int `json:"host_port,omitempty"`
	// Protocol is "tcp" or "udp". Empty means "tcp".
	Protocol    string    `json:"protocol"`
	Name        string    `json:"name,omitempty"`
	AppProtocol string    `json:"app_protocol,omitempty"`
	Exposure    *Exposure `json:"exposure,omitempty"`
}

// Exposure is who reaches a port.
type Exposure struct {
	// Level is "none", "internal" or "public".
	Level string `json:"level,omitempty"`
	Host  string `json:"host,omitempty"`
	Path  string `json:"path,omitempty"`
	TLS   bool   `json:"tls,omitempty"`
}

// HealthCheckConfig is how a container is checked.
type HealthCheckConfig struct {
	// Type is "http", "tcp" or "exec".
	Type               string            `json:"type"`
	HTTPPath           string            `json:"http_path,omitempty"`
	Port               int               `json:"port,omitempty"`
	Command            []string          `json:"command,omitempty"`
	IntervalSeconds    int               `json:"interval_seconds"`
	TimeoutSeconds     int               `json:"timeout_seconds"`
	HealthyThreshold   int               `json:"healthy_threshold"`
	UnhealthyThreshold int               `json:"unhealthy_threshold"`
	StartPeriodSeconds int               `json:"start_period_seconds,omitempty"`
	Scheme             string            `json:"scheme,omitempty"`
	Headers            map[string]string `json:"headers,omitempty"`
}

// ResourceRequirements is what a tenant or a container may use.
type ResourceRequirements struct {
	// CPU is in millicores: 1000 is one processor.
	CPU int `json:"cpu"`
	// Memory is in MB.
	Memory int `json:"memory"`
	// Storage is in MB, and ephemeral.
	Storage int `json:"storage,omitempty"`
	// Requests is what is set aside, where that is less than what may be used.
	Requests *ResourceRequests `json:"requests,omitempty"`
}

// ResourceRequests is what is set aside.
type ResourceRequests struct {
	CPU    int `json:"cpu,omitempty"`
	Memory int `json:"memory,omitempty"`
}

// NetworkConfig is how a tenant is reached.
type NetworkConfig struct {
	PublicIP       bool       `json:"public_ip"`
	SecurityGroups []string   `json:"security_groups,omitempty"`
	Subnets        []string   `json:"subnets,omitempty"`
	DNS            *DNSConfig `json:"dns,omitempty"`
}

// DNSConfig is a tenant's name.
type DNSConfig struct {
	Hostname string `json:"hostname,omitempty"`
	Domain   string `json:"domain,omitempty"`
}

// SecretReference says where a secret comes from. The value is not in the spec.
type SecretReference struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Key    string `json:"key"`
	EnvVar string `json:"env_var,omitempty"`
	// Containers are those that get it. Empty means all of them.
	Containers []string `json:"containers,omitempty"`
}

// Dependency is a container that another one waits for.
type Dependency struct {
	Container string `json:"container"`
	// Condition is "started", "healthy" or "completed".
	Condition string `json:"condition,omitempty"`
}

// StopConfig is how a container ends.
type StopConfig struct {
	// Signal is a name like "SIGTERM".
	Signal       string `json:"signal,omitempty"`
	GraceSeconds int    `json:"grace_seconds,omitempty"`
}

// FileSpec is a file in a container: its content, or the name of a secret that has it.
type FileSpec struct {
	Path    string `json:"path"`
	Content string `json:"content,omitempty"`
	Secret  string `json:"secret,omitempty"`
	// Mode is octal: "0640".
	Mode string `json:"mode,omitempty"`
}

// MountSpec is where a container sees a volume.
type MountSpec struct {
	Volume   string `json:"volume"`
	Path     string `json:"path"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// ImagePull is how an image is fetched.
type ImagePull struct {
	// Policy is "always", "if_not_present" or "never".
	Policy string `json:"policy,omitempty"`
	// Credentials is the name of a secret.
	Credentials string `json:"credentials,omitempty"`
}

// VolumeSpec is a directory that containers share.
type VolumeSpec struct {
	Name       string `json:"name"`
	Persistent bool   `json:"persistent,omitempty"`
	// Retain keeps it when the tenant is destroyed.
	Retain bool `json:"retain,omitempty"`
	SizeMB int  `json:"size_mb,omitempty"`
}

// UpdateConfig is how an update goes.
type UpdateConfig struct {
	// Order is "start_first" or "stop_first".
	Order           string `json:"order,omitempty"`
	DeadlineSeconds int    `json:"deadline_seconds,omitempty"`
	// Rollback is nil for the default, which is true.
	Rollback *bool `json:"rollback,omitempty"`
}

// Replicas is a number from 0, or ReplicasAuto.
type Replicas int

// ReplicasAuto leaves the number to an autoscaler once the tenant is there.
const ReplicasAuto Replicas = -1

// MarshalJSON writes a number, or "auto".
func (r Replicas) MarshalJSON() ([]byte, error) {
	if r == ReplicasAuto {
		return []byte(`"auto"`), nil
	}
	return json.Marshal(int(r))
}

// UnmarshalJSON reads a number, or "auto".
func (r *Replicas) UnmarshalJSON(text []byte) error {
	if string(text) == `"auto"` {
		*r = ReplicasAuto
		return nil
	}
	var number int
	if err := json.Unmarshal(text, &number); err != nil || number < 0 {
		return fmt.Errorf(`landlord: replicas are a number from 0 or "auto", and not %s`, text)
	}
	*r = Replicas(number)
	return nil
}
