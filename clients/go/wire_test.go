package landlord

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"testing"
)

type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	OneOf      []schema          `json:"oneOf"`
	Const      string            `json:"const"`
	Required   []string          `json:"required"`
}

func schemas(t *testing.T) map[string]schema {
	t.Helper()
	text, err := os.ReadFile("../../server/openapi.json")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("NOT TESTED: server/openapi.json is only in the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document.Components.Schemas
}

// Each type has the fields of its schema and no others.
func TestTypesHaveTheFieldsOfTheAPI(t *testing.T) {
	schemas := schemas(t)
	types := map[string]interface{}{
		"Advice": Advice{}, "Coming": Coming{}, "Diagnosis": Diagnosis{}, "Explanation": Explanation{}, "Finding": Finding{},
		"AccessDocument": Access{}, "EnginesDocument": Engines{}, "EngineDocument": EngineDocument{}, "FleetDocument": Fleet{}, "TenantCount": TenantCount{}, "ConcernedTenant": ConcernedTenant{}, "Minute": Minute{},
		"Accepted": Accepted{}, "Acknowledgement": acknowledgement{}, "Attended": Attended{}, "CapabilitiesDocument": Capabilities{}, "CloudEvent": Event{},
		"ContainerSpec": ContainerSpec{}, "ContainerStatus": ContainerStatus{}, "ContainerView": ContainerView{},
		"Dependency": Dependency{}, "DnsConfig": DNSConfig{}, "Duration": Span{}, "EndpointView": Endpoint{},
		"EventBatch": EventBatch{}, "EventFilter": EventFilter{}, "EventKind": What{}, "Exposure": Exposure{}, "FailureView": Failure{}, "FileSpec": FileSpec{},
		"HealthCheckConfig": HealthCheckConfig{}, "ImagePull": ImagePull{}, "LifecycleEvent": TenantEvent{},
		"LogDocument": LogLine{}, "Missing": Missing{}, "MountSpec": MountSpec{}, "NetworkConfig": NetworkConfig{},
		"OnPurpose": RetainedBy{}, "OperationDocument": Operation{}, "OperationView": TenantOperation{}, "Orphan": Orphan{},
		"PlanDocument": Plan{}, "PlannedChange": PlannedChange{}, "PlannedObject": PlannedObject{}, "FieldChange": FieldChange{}, "PortMapping": PortMapping{}, "Problem": Problem{},
		"ProblemAt": ProblemAt{}, "ProviderDocument": ProviderDocument{}, "ProviderError": ProviderError{},
		"ProvidersDocument": providersDocument{}, "QueuedView": QueuedOperation{}, "ResourceRequests": ResourceRequests{},
		"ResourceRequirements": ResourceRequirements{}, "Retained": Retained{}, "SecretReference": SecretReference{},
		"SecretView": SecretView{}, "Settled": Settled{}, "Settlement": Settlement{}, "SpecDocument": SpecDocument{}, "SpecView": SpecView{},
		"StatusDocument": StatusDocument{}, "StopConfig": StopConfig{},
		"SubscriptionDocument": Subscription{}, "SubscriptionRequest": SubscriptionRequest{}, "SubscriptionsDocument": subscriptionsPage{},
		"SweepDocument":     SweepDocument{},
		"TenantComputeSpec": TenantComputeSpec{}, "TenantDocument": TenantDocument{}, "TenantView": Tenant{},
		"TenantsDocument": TenantsPage{}, "UpdateConfig": UpdateConfig{}, "Verdict": Verdict{}, "VolumeSpec": VolumeSpec{},
		"WaitingView": Waiting{}, "Gap": Gap{}, "DeliveryTrouble": DeliveryTrouble{}, "SecretSource": SecretSource{},
		"WebhookDocument": Webhook{}, "WebhookRequest": WebhookRequest{}, "WebhooksDocument": webhooksPage{},
		"NewToken": NewToken{}, "MadeToken": MadeToken{}, "TokenDocument": Token{},
		"TokensDocument": tokensDocument{},
	}
	// Read by a method of their own: a difference, and why something is an orphan.
	others := map[string]bool{"Difference": true, "Orphaned": true}
	for name, value := range types {
		want, has := fieldsOf(schemas[name]), jsonFields(reflect.TypeOf(value))
		if !reflect.DeepEqual(want, has) {
			t.Errorf("%s: the API has %v\n%T has %v", name, want, value, has)
		}
	}
	for name, schema := range schemas {
		if len(fieldsOf(schema)) > 0 && types[name] == nil && !others[name] {
			t.Errorf("%s has no type here", name)
		}
	}
}

func TestCodesAreThoseOfTheAPI(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := schemas(t)["Code"].OneOf
	for _, code := range codes {
		if !strings.Contains(string(source), fmt.Sprintf("Code = %q", code.Const)) {
			t.Errorf("code %q is missing", code.Const)
		}
	}
	if has := strings.Count(string(source), `Code = "`); has != len(codes) {
		t.Errorf("%d codes here, %d in the API", has, len(codes))
	}
}

func fieldsOf(schema schema) []string {
	fields := map[string]bool{}
	for _, variant := range append(schema.OneOf, schema) {
		for name := range variant.Properties {
			fields[name] = true
		}
	}
	return sorted(fields)
}

func jsonFields(of reflect.Type) []string {
	fields := map[string]bool{}
	for i := 0; i < of.NumField(); i++ {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			for _, name := range jsonFields(field.Type) {
				fields[name] = true
			}
		case name != "-" && name != "":
			fields[name] = true
		}
	}
	return sorted(fields)
}

func sorted(set map[string]bool) []string {
	var all []string
	for name := range set {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}

// What landlord writes is what is sent: a spec without the newer fields has none of them.
func TestASpecIsWrittenAsLandlordWritesIt(t *testing.T) {
	spec := TenantComputeSpec{
		TenantID:     "acme",
		ProviderType: "ecs",
		Containers: []ContainerSpec{{
			Name: "web", Image: "nginx:1.27", Env: map[string]string{"A": "<b>"},
			Ports: []PortMapping{{ContainerPort: 80, Protocol: "tcp"}},
		}},
		Resources:      ResourceRequirements{CPU: 256, Memory: 512},
		ProviderConfig: json.RawMessage(`{"cluster":"c"}`),
	}
	text, err := plainJSON(spec)
	want := `{"tenant_id":"acme","provider_type":"ecs","containers":[{"name":"web","image":"nginx:1.27","env":{"A":"<b>"},` +
		`"ports":[{"container_port":80,"protocol":"tcp"}]}],"resources":{"cpu":256,"memory":512},"networking":{"public_ip":false},` +
		`"provider_config":{"cluster":"c"}}`
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\n%s", err, text, want)
	}
}

func TestValuesOfTwoFormsReadBack(t *testing.T) {
	for _, text := range []string{`0`, `3`, `"auto"`} {
		var replicas Replicas
		if err := json.Unmarshal([]byte(text), &replicas); err != nil {
			t.Error(err)
		}
		if back, err := json.Marshal(replicas); err != nil || string(back) != text {
			t.Errorf("%s became %s, %v", text, back, err)
		}
	}
	for _, text := range []string{`-1`, `"some"`, `1.5`} {
		if err := json.Unmarshal([]byte(text), new(Replicas)); err == nil {
			t.Errorf("%s is no number of replicas", text)
		}
	}
	for _, text := range []string{`"changed"`, `{"value":{"from":"1","to":null}}`} {
		var difference Difference
		if err := json.Unmarshal([]byte(text), &difference); err != nil {
			t.Error(err)
		}
		if back, err := json.Marshal(difference); err != nil || string(back) != text {
			t.Errorf("%s became %s, %v", text, back, err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	const secret = "hunter2"
	check := &HealthCheckConfig{Type: "exec", Command: []string{secret}, Headers: map[string]string{"Authorization": secret}}
	spec := TenantComputeSpec{
		TenantID: "acme",
		Containers: []ContainerSpec{{
			Name: "web", Command: []string{secret}, Args: []string{secret}, Env: map[string]string{"PASSWORD": secret},
			HealthCheck: check, Liveness: check, Files: []FileSpec{{Path: "/f", Content: secret}},
		}},
		ProviderConfig: json.RawMessage(`{"token":"` + secret + `"}`),
	}
	holder := struct {
		Spec  *TenantComputeSpec
		Line  LogLine
		Other interface{}
	}{&spec, LogLine{Container: "web", Text: secret}, spec.Containers}
	values := []interface{}{
		spec, &spec, spec.Containers, spec.Containers[0], check, *check, spec.Containers[0].Files, holder, &holder,
		LogLine{Text: secret}, map[string]TenantComputeSpec{"acme": spec},
	}
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed := fmt.Sprintf(verb, value)
			if strings.Contains(printed, secret) || strings.Contains(printed, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %T prints %s", verb, value, printed)
			}
		}
	}
	if text := spec.String(); !strings.Contains(text, `"PASSWORD":"<hidden>"`) || !strings.Contains(text, "acme") {
		t.Errorf("what is not secret prints: %s", text)
	}
	if spec.Containers[0].Env["PASSWORD"] != secret || check.Command[0] != secret {
		t.Error("printing changed the spec")
	}
}
