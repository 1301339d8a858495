package landlord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A `landlord-compute serve` in a directory of its own. LANDLORD_COMPUTE names the program.
type server struct {
	dir, program string
	client       *Client
	process      *os.Process
	ended        chan error
}

// Starts a server. When the test ends, it destroys the tenants and ends the server.
func running(t *testing.T) *server {
	t.Helper()
	program := os.Getenv("LANDLORD_COMPUTE")
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("LANDLORD_COMPUTE does not name the program")
		}
		t.Skip("NOT TESTED against a running server: LANDLORD_COMPUTE does not name the program")
	}
	t.Parallel()
	// The path of a socket has at most 107 bytes, and names of tests are long.
	dir, err := os.MkdirTemp("", "landlord-go-")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{dir: dir, program: program, client: NewUnix(filepath.Join(dir, "landlord.db.sock"))}
	t.Cleanup(func() {
		destroyAll(t, s.client)
		s.end(t, syscall.SIGTERM)
		s.client.CloseIdleConnections()
		if text, err := os.ReadFile(s.said()); err == nil && t.Failed() {
			t.Logf("the server said:\n%s", text)
		}
		os.RemoveAll(dir)
	})
	s.start(t)
	return s
}

func (s *server) said() string { return filepath.Join(s.dir, "said") }

func (s *server) start(t *testing.T) {
	t.Helper()
	said, err := os.OpenFile(s.said(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	serve := exec.Command(s.program, "--store", filepath.Join(s.dir, "landlord.db"), "serve")
	serve.Stdout, serve.Stderr = said, said
	serve.Env = append(os.Environ(), "LANDLORD_SET_LISTEN__ADDRESS=127.0.0.1:0", "LANDLORD_SET_LISTEN__PLAIN=true")
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	s.process, s.ended = serve.Process, ended
	for until := time.Now().Add(30 * time.Second); ; {
		if err = s.client.Ready(testContext(t)); err == nil {
			return
		}
		select {
		case gone := <-ended:
			ended <- gone
			t.Fatalf("the server ended: %v", gone)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(until) {
			t.Fatalf("the server is not ready: %v", err)
		}
	}
}

func (s *server) end(t *testing.T, with syscall.Signal) {
	t.Helper()
	if s.process == nil {
		return
	}
	s.process.Signal(with)
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		s.process.Kill()
		<-s.ended
		t.Error("the server did not end within 30 s")
	}
	s.process = nil
}

func destroyAll(t *testing.T, client *Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	page, err := client.Tenants(ctx, TenantsQuery{})
	if err != nil {
		t.Errorf("tenants may be left: %v", err)
		return
	}
	for _, tenant := range page.Tenants {
		if err := (&Provider{client: client}).Destroy(ctx, tenant.TenantID); err != nil {
			t.Errorf("tenant %s is left: %v", tenant.TenantID, err)
		}
	}
}

// A tenant that answers HTTP with a greeting.
func greeting(program, tenantID, text string) *TenantComputeSpec {
	return &TenantComputeSpec{
		TenantID:     tenantID,
		ProviderType: "process",
		Containers: []ContainerSpec{{
			Name:    "web",
			Image:   "host",
			Command: []string{program, "demo-tenant", "--greeting", text},
			Env:     map[string]string{"PASSWORD": "hunter2"},
			Ports:   []PortMapping{{ContainerPort: 80, Protocol: "tcp", Name: "http"}},
			HealthCheck: &HealthCheckConfig{
				Type: "http", HTTPPath: "/", Port: 80,
				IntervalSeconds: 1, TimeoutSeconds: 1, HealthyThreshold: 1, UnhealthyThreshold: 3,
			},
		}},
		Resources: ResourceRequirements{CPU: 250, Memory: 256},
	}
}

func fetch(t *testing.T, endpoint Endpoint) string {
	t.Helper()
	response, err := http.Get(endpoint.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func processProvider(t *testing.T, client *Client) *Provider {
	t.Helper()
	provider, err := NewProvider(testContext(t), client, "process")
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

// What landlord does with a provider, from the first to the last.
func TestATenantsLife(t *testing.T) {
	server := running(t)
	client, program := server.client, server.program
	ctx, provider := testContext(t), processProvider(t, client)
	spec := greeting(program, "acme", "hello")

	if err := provider.Validate(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if _, err := provider.GetStatus(ctx, "acme"); !errors.Is(err, ErrTenantNotFound) {
		t.Errorf("status before: %v", err)
	}
	if _, err := provider.Update(ctx, "acme", spec); !errors.Is(err, ErrTenantNotFound) || errors.Is(err, ErrUpdateFailed) {
		t.Errorf("update before: %v", err)
	}

	made, err := provider.Provision(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	if made.TenantID != "acme" || made.ProviderType != "process" || made.Status != ProvisionStatusSuccess || len(made.ResourceIDs) == 0 {
		t.Errorf("%+v", made)
	}
	if time.Since(made.ProvisionedAt) > time.Minute || len(made.Endpoints) != 1 || made.Endpoints[0].PortName != "http" {
		t.Fatalf("%+v", made)
	}
	if page := fetch(t, made.Endpoints[0]); !strings.Contains(page, "hello") {
		t.Errorf("the tenant says %q", page)
	}
	again, err := provider.Provision(ctx, spec)
	if err != nil || !reflect.DeepEqual(again.ResourceIDs, made.ResourceIDs) {
		t.Errorf("the same spec again: %+v, %v", again, err)
	}

	other := greeting(program, "acme", "bye")
	var refused *Problem
	if _, err := provider.Provision(ctx, other); !errors.Is(err, ErrProvisionFailed) || !errors.As(err, &refused) || refused.Code != CodeRejected {
		t.Errorf("another spec: %v", err)
	}
	plan, err := client.Plan(ctx, other)
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Difference.Kind != "changed" || plan.Changes[0].Effect != "replace" {
		t.Errorf("%+v, %v", plan, err)
	}
	changed, err := provider.Update(ctx, "acme", other)
	if err != nil {
		t.Fatal(err)
	}
	if changed.Status != UpdateStatusSuccess || !reflect.DeepEqual(changed.Changes, []string{"containers[web].command: changed"}) {
		t.Errorf("%+v", changed)
	}
	if page := fetch(t, made.Endpoints[0]); !strings.Contains(page, "bye") {
		t.Errorf("the tenant says %q", page)
	}
	same, err := provider.Update(ctx, "acme", other)
	if err != nil || same.Status != UpdateStatusNoChanges || same.Changes == nil || len(same.Changes) != 0 {
		t.Errorf("%+v, %v", same, err)
	}

	status, err := provider.GetStatus(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	if status.TenantID != "acme" || status.State != ComputeStateRunning || status.Health != HealthStatusHealthy || !status.Containers[0].Ready {
		t.Errorf("%+v", status)
	}

	for i := 0; i < 2; i++ {
		if err := provider.Destroy(ctx, "acme"); err != nil {
			t.Fatal(err)
		}
	}
	if err := provider.Destroy(ctx, "never-was"); err != nil {
		t.Error(err)
	}
	if _, err := provider.GetStatus(ctx, "acme"); !errors.Is(err, ErrTenantNotFound) {
		t.Errorf("status after: %v", err)
	}
	if _, err := net.Dial("tcp", fmt.Sprintf("%s:%d", made.Endpoints[0].Address, made.Endpoints[0].Port)); err == nil {
		t.Error("the tenant is gone and answers")
	}
}

func TestAConfigurationIsDescribedAndChecked(t *testing.T) {
	server := running(t)
	client, program := server.client, server.program
	ctx, provider := testContext(t), processProvider(t, client)
	if _, err := NewProvider(ctx, client, "nomad"); !errors.Is(err, ErrProviderNotFound) {
		t.Error(err)
	}
	var schema struct {
		Schema     string                     `json:"$schema"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(provider.ConfigSchema(), &schema); err != nil || !strings.Contains(schema.Schema, "2020-12") {
		t.Errorf("%s, %v", provider.ConfigSchema(), err)
	}
	for _, config := range []json.RawMessage{nil, json.RawMessage("{}"), json.RawMessage(`{"stop_grace_seconds": 3}`), provider.ConfigDefaults()} {
		if err := provider.ValidateConfig(config); err != nil {
			t.Errorf("%s: %v", config, err)
		}
	}
	err := provider.ValidateConfig(json.RawMessage(`{"stop_grace_seconds": "soon", "nope": 1}`))
	var problem *Problem
	if !errors.Is(err, ErrInvalidSpec) || !errors.As(err, &problem) || len(problem.Problems) != 2 {
		t.Fatal(err)
	}
	for _, config := range []string{"3", "[]", "{"} {
		if err := provider.ValidateConfig(json.RawMessage(config)); !errors.Is(err, ErrInvalidSpec) {
			t.Errorf("%s: %v", config, err)
		}
	}

	spec := greeting(program, "acme", "hello")
	spec.Containers[0].Ports[0].ContainerPort, spec.Resources.CPU = 70000, 1
	err = provider.Validate(ctx, spec)
	if !errors.Is(err, ErrInvalidSpec) || !errors.As(err, &problem) {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, at := range problem.Problems {
		paths[at.Path] = at.Message != ""
	}
	if !paths["containers[0].ports[0].container_port"] || !paths["resources.cpu"] {
		t.Errorf("%+v", problem.Problems)
	}
}

func TestAProgramThatEndsFailsTheProvision(t *testing.T) {
	server := running(t)
	client, program := server.client, server.program
	spec := greeting(program, "acme", "hello")
	spec.Containers[0].Command = []string{"false"}
	_, err := processProvider(t, client).Provision(testContext(t), spec)
	var operation *OperationError
	var said *ProviderError
	if !errors.Is(err, ErrProvisionFailed) || !errors.As(err, &operation) || !errors.As(err, &said) {
		t.Fatal(err)
	}
	if !operation.Operation.Settled.Undone || operation.Operation.TenantID != "acme" || said.Message == "" {
		t.Errorf("%+v, %+v", operation.Operation, said)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// The waiting ends with the context, the operation goes on, and the next one who asks waits for the same.
func TestAnOperationGoesOnWhenTheContextEnds(t *testing.T) {
	server := running(t)
	client, program := server.client, server.program
	provider, spec := processProvider(t, client), greeting(program, "acme", "hello")
	// It is not ready within the first second.
	spec.Containers[0].Command = []string{"sh", "-c", "sleep 1; exec \"$@\"", "sh", program, "demo-tenant", "--greeting", "hello"}
	short, cancel := context.WithTimeout(testContext(t), 500*time.Millisecond)
	defer cancel()
	_, err := provider.Provision(short, spec)
	var wait *WaitError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &wait) {
		t.Fatal(err)
	}
	if _, err := provider.Provision(testContext(t), spec); err != nil {
		t.Fatal(err)
	}
	operation, err := client.Operation(testContext(t), wait.Operation, 0)
	if err != nil || operation.Settled == nil || operation.Settled.As != SettledDone || operation.SettledAt == nil {
		t.Errorf("%+v, %v", operation, err)
	}
}

// A killed server has accepted the command, and the next one goes on with it.
func TestAProvisionOutlivesTheServer(t *testing.T) {
	server := running(t)
	ctx := testContext(t)
	provider, spec := processProvider(t, server.client), greeting(server.program, "acme", "hello")
	goOn := filepath.Join(server.dir, "go-on")
	spec.Containers[0].Command = []string{"sh", "-c", "until [ -e \"$0\" ]; do sleep 0.1; done; exec \"$@\"", goOn, server.program, "demo-tenant", "--greeting", "hello"}
	ended := make(chan error, 1)
	stream, err := server.client.Events(ctx, EventsQuery{Tenant: "acme", Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	go func() {
		_, err := provider.Provision(ctx, spec)
		ended <- err
	}()
	if _, err := stream.Next(); err != nil {
		t.Fatal(err)
	}
	server.end(t, syscall.SIGKILL)
	server.start(t)
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// The stream goes on, too, and nothing is missing in it.
	for revision := uint64(2); ; revision++ {
		delivery, err := stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		if delivery.Event.Data.Revision != revision {
			t.Fatalf("revision %d follows on %d", delivery.Event.Data.Revision, revision-1)
		}
		if delivery.Event.Data.What.Kind == "succeeded" {
			return
		}
	}
}

func TestCommandsTenantsEventsAndLogs(t *testing.T) {
	server := running(t)
	client, program := server.client, server.program
	ctx := testContext(t)
	stream, err := client.Events(ctx, EventsQuery{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()

	for _, id := range []string{"a", "b", "c"} {
		spec := greeting(program, id, "hello")
		spec.Containers[0].Command = []string{"sh", "-c", "echo one; echo two >&2; exec sleep 1000"}
		spec.Containers[0].Ports, spec.Containers[0].HealthCheck = nil, nil
		options := Options{IdempotencyKey: "make-" + id, Reason: "a test"}
		accepted, err := client.CommandSpec(ctx, Put, spec, options)
		if err != nil || accepted.TenantID != id || accepted.Operation == "" {
			t.Fatal(accepted, err)
		}
		again, err := client.CommandSpec(ctx, Put, spec, options)
		if err != nil || again.Operation != accepted.Operation {
			t.Errorf("the same key began %v and %v, %v", accepted, again, err)
		}
		operation, err := client.Settled(ctx, accepted.Operation)
		if err != nil || operation.Settled.As != SettledDone || operation.Reason != "a test" || operation.RequestID != options.IdempotencyKey {
			t.Fatalf("%+v, %v", operation, err)
		}
	}

	var names []string
	query := TenantsQuery{Limit: 2, State: "running"}
	for pages := 1; ; pages++ {
		page, err := client.Tenants(ctx, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, tenant := range page.Tenants {
			names = append(names, tenant.TenantID)
		}
		if query.After = page.Next; page.Next == "" {
			if pages != 2 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if !reflect.DeepEqual(names, []string{"a", "b", "c"}) {
		t.Error(names)
	}

	document, err := client.Tenant(ctx, "a")
	if err != nil || document.Tenant.State != "running" || document.Containers[0].Env[0] != "PASSWORD" || document.Cursor == "" {
		t.Fatalf("%+v, %v", document, err)
	}
	old := document.Tenant.Revision - 1
	var problem *Problem
	if _, err := client.Command(ctx, "a", Restart, Options{IfMatch: &old}); !errors.As(err, &problem) || problem.Code != CodeRevisionMismatch {
		t.Error(err)
	}
	if accepted, err := client.Command(ctx, "a", Pause, Options{}); err != nil || accepted.Operation != "" || accepted.Revision == nil {
		t.Errorf("%+v, %v", accepted, err)
	}
	if accepted, err := client.Command(ctx, "a", Restart, Options{IfMatch: nil, Deadline: time.Minute}); err == nil {
		t.Errorf("a paused tenant was restarted: %+v", accepted)
	}
	if _, err := client.Command(ctx, "a", Resume, Options{}); err != nil {
		t.Error(err)
	}

	// All that happened came, in order, and again from a cursor.
	settled := map[string]bool{}
	last := map[string]uint64{}
	for !settled["b"] || !settled["c"] {
		delivery, err := stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		event := delivery.Event
		if event.ID != delivery.Cursor || event.Subject != event.Data.TenantID || event.Type != "landlord.tenant."+event.Data.What.Kind {
			t.Errorf("%+v", event)
		}
		if event.Data.Revision != last[event.Subject]+1 {
			t.Errorf("%s went from revision %d to %d", event.Subject, last[event.Subject], event.Data.Revision)
		}
		last[event.Subject] = event.Data.Revision
		settled[event.Subject] = event.Data.What.Kind == "succeeded"
	}
	rest, err := client.Events(ctx, EventsQuery{Tenant: "a", After: document.Cursor})
	if err != nil {
		t.Fatal(err)
	}
	defer rest.Close()
	var kinds []string
	for {
		delivery, err := rest.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, delivery.Event.Data.What.Kind)
	}
	if !reflect.DeepEqual(kinds, []string{"paused", "resumed"}) {
		t.Error(kinds)
	}
	if _, err := client.Events(ctx, EventsQuery{After: "another-store.1"}); !errors.As(err, &problem) || problem.Code != CodeUnknownCursor {
		t.Error(err)
	}

	logs, err := client.Logs(ctx, "a", LogsQuery{Container: "web", Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	said := map[string]string{}
	for len(said) < 2 {
		line, err := logs.Next()
		if err != nil {
			t.Fatal(err)
		}
		said[line.Source] = line.Text
	}
	if said["stdout"] != "one" || said["stderr"] != "two" {
		t.Error(said)
	}
	if _, err := client.Logs(ctx, "a", LogsQuery{Previous: true}); !errors.As(err, &problem) || problem.Code != CodeNotSupported {
		t.Error(err)
	}

	sweep, err := client.Sweep(ctx, "process")
	if err != nil || sweep.Listed != 3 || len(sweep.Orphans)+len(sweep.Missing) != 0 {
		t.Errorf("%+v, %v", sweep, err)
	}
	providers, err := client.Providers(ctx)
	if err != nil || len(providers) == 0 || providers[0].Capabilities.MaxConcurrentCalls == 0 {
		t.Errorf("%+v, %v", providers, err)
	}
}

func TestAProtectedTenantIsNotDestroyed(t *testing.T) {
	server := running(t)
	client, program := server.client, server.program
	ctx, provider := testContext(t), processProvider(t, client)
	spec := greeting(program, "acme", "hello")
	spec.DeletionProtection = true
	if _, err := provider.Provision(ctx, spec); err != nil {
		t.Fatal(err)
	}
	var problem *Problem
	if err := provider.Destroy(ctx, "acme"); !errors.Is(err, ErrDestroyFailed) || !errors.As(err, &problem) || problem.Code != CodeProtected {
		t.Error(err)
	}
	spec.DeletionProtection = false
	changed, err := provider.Update(ctx, "acme", spec)
	if err != nil || changed.Status != UpdateStatusSuccess || len(changed.Changes) != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
}

func TestASubscriptionOutlivesTheServer(t *testing.T) {
	s := running(t)
	ctx := testContext(t)
	asked := SubscriptionRequest{Filter: EventFilter{Tenant: "acme", Kinds: []string{"succeeded"}}}
	if _, err := s.client.PutSubscription(ctx, "audit", asked); err != nil {
		t.Fatal(err)
	}
	provider := processProvider(t, s.client)
	if _, err := provider.Provision(ctx, greeting(s.program, "acme", "hello")); err != nil {
		t.Fatal(err)
	}
	s.end(t, syscall.SIGKILL)
	s.start(t)
	first, err := s.client.Pull(ctx, "audit", 10, 30*time.Second)
	if err != nil || len(first.Events) != 1 || first.Events[0].Data.What.Kind != "succeeded" || first.Gap != nil {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := s.client.Pull(ctx, "audit", 10, 0)
	if err != nil || len(again.Events) != 1 || again.Events[0].ID != first.Events[0].ID {
		t.Fatalf("not the same again: %+v, %v", again, err)
	}
	stands, err := s.client.Acknowledge(ctx, "audit", first.Cursor)
	if err != nil || stands.Acknowledged != first.Cursor {
		t.Fatalf("%+v, %v", stands, err)
	}
	s.end(t, syscall.SIGKILL)
	s.start(t)
	if rest, err := s.client.Pull(ctx, "audit", 10, 0); err != nil || len(rest.Events) != 0 {
		t.Fatalf("it comes again: %+v, %v", rest, err)
	}
	if all, err := s.client.Subscriptions(ctx); err != nil || len(all) != 1 || all[0].Name != "audit" {
		t.Fatalf("%+v, %v", all, err)
	}
	if one, err := s.client.Subscription(ctx, "audit"); err != nil || one.Acknowledged != first.Cursor {
		t.Fatalf("%+v, %v", one, err)
	}
	if err := s.client.DeleteSubscription(ctx, "audit"); err != nil {
		t.Fatal(err)
	}
	var problem *Problem
	if _, err := s.client.Pull(ctx, "audit", 10, 0); !errors.As(err, &problem) || problem.Code != CodeSubscriptionNotFound {
		t.Fatalf("it is not gone: %v", err)
	}
}
