package landlord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// landlord's interface.
type computeProvider interface {
	Name() string
	Provision(ctx context.Context, spec *TenantComputeSpec) (*ProvisionResult, error)
	Update(ctx context.Context, tenantID string, spec *TenantComputeSpec) (*UpdateResult, error)
	Destroy(ctx context.Context, tenantID string) error
	GetStatus(ctx context.Context, tenantID string) (*ComputeStatus, error)
	Validate(ctx context.Context, spec *TenantComputeSpec) error
	ValidateConfig(config json.RawMessage) error
	ConfigSchema() json.RawMessage
	ConfigDefaults() json.RawMessage
}

var _ computeProvider = (*Provider)(nil)

// A client of a server that answers as the test says.
func served(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := New(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	client.pause = time.Millisecond
	return client
}

func answer(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func problem(w http.ResponseWriter, status int, code Code) {
	answer(w, status, fmt.Sprintf(`{"code":%q,"title":"t","status":%d,"detail":"d"}`, code, status))
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestOptionsGoWithACommand(t *testing.T) {
	var asked *http.Request
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r
		answer(w, 202, `{"tenant_id":"acme","operation":"1-2"}`)
	})
	revision := uint64(7)
	options := Options{IdempotencyKey: "order-7", IfMatch: &revision, Reason: "a & b", Deadline: 90 * time.Second}
	accepted, err := client.Command(testContext(t), "acme", Restart, options)
	if err != nil || accepted.Operation != "1-2" {
		t.Fatal(accepted, err)
	}
	if asked.Method != "POST" || asked.URL.RequestURI() != "/v1/tenants/acme/restart?deadline=1m30s&reason=a+%26+b" {
		t.Error(asked.Method, asked.URL.RequestURI())
	}
	if asked.Header.Get("Idempotency-Key") != "order-7" || asked.Header.Get("If-Match") != `"7"` {
		t.Error(asked.Header)
	}
	if _, err := client.CommandSpec(testContext(t), Put, &TenantComputeSpec{TenantID: "acme"}, Options{}); err != nil {
		t.Fatal(err)
	}
	if asked.Method != "PUT" || asked.URL.RequestURI() != "/v1/tenants/acme" || asked.Header["If-Match"] != nil {
		t.Error(asked.Method, asked.URL.RequestURI(), asked.Header)
	}
}

func TestProblemsAreTyped(t *testing.T) {
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "3")
		answer(w, 422, `{"code":"invalid_spec","title":"t","status":422,"detail":"a: b","problems":[{"path":"a","message":"b"}]}`)
	})
	_, err := client.ValidateSpec(testContext(t), &TenantComputeSpec{})
	var problem *Problem
	if !errors.Is(err, ErrInvalidSpec) || errors.Is(err, ErrTenantNotFound) || !errors.As(err, &problem) {
		t.Fatal(err)
	}
	if problem.Code != CodeInvalidSpec || problem.RetryAfter != 3*time.Second || problem.Problems[0] != (ProblemAt{"a", "b"}) {
		t.Errorf("%+v", problem)
	}
}

func TestAPageOfAProxyIsAProblemWithoutACode(t *testing.T) {
	client := served(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 502, "<html>secret</html>") })
	_, err := client.Tenant(testContext(t), "acme")
	var problem *Problem
	if !errors.As(err, &problem) || problem.Code != "" || problem.Status != 502 || !problem.Temporary() {
		t.Fatalf("%+v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestAnotherNameReachesNoServer(t *testing.T) {
	client := served(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) })
	for _, name := range []string{"", "..", "a/b", "a?b", "ACME", "a%2fb", strings.Repeat("a", 64)} {
		_, err := client.Command(testContext(t), name, Destroy, Options{})
		var problem *Problem
		if !errors.As(err, &problem) || problem.Code != CodeInvalidRequest {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestASocketMayHaveALongPath(t *testing.T) {
	folder, err := os.MkdirTemp("", "socket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	short := filepath.Join(folder, "s")
	listener, err := net.Listen("unix", short)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"tenants":[]}`)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	long := filepath.Join(folder, strings.Repeat("d", 120))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	long = filepath.Join(long, "landlord.db.sock")
	if err := os.Rename(short, long); err != nil {
		t.Fatal(err)
	}
	if _, err := NewUnix(long).Tenants(testContext(t), TenantsQuery{}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoAddressOfAServerIsRefused(t *testing.T) {
	for _, address := range []string{"", "/run/landlord.sock", "unix:///x", "localhost:80", "http://"} {
		if _, err := New(address, nil); err == nil {
			t.Errorf("%q is no address", address)
		}
	}
}

func TestSettledOutlivesAServerThatStartsAgain(t *testing.T) {
	asked := 0
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch asked {
		case 1:
			answer(w, 200, `{"id":"1-2","tenant_id":"acme","kind":"provision"}`)
		case 2:
			problem(w, 503, CodeClosed)
		case 3:
			panic(http.ErrAbortHandler)
		default:
			answer(w, 200, `{"id":"1-2","tenant_id":"acme","kind":"provision","settled":{"as":"done"}}`)
		}
	})
	operation, err := client.Settled(testContext(t), "1-2")
	if err != nil || operation.Settled.As != SettledDone || asked != 4 {
		t.Fatal(operation, err, asked)
	}
}

func TestSettledGivesUpWhenNobodyAnswersOrItIsNoUse(t *testing.T) {
	client := served(t, func(w http.ResponseWriter, r *http.Request) { problem(w, 503, CodeClosed) })
	client.patience = 5 * time.Millisecond
	_, err := client.Settled(testContext(t), "1-2")
	var wait *WaitError
	var closed *Problem
	if !errors.As(err, &wait) || wait.Operation != "1-2" || !errors.As(err, &closed) {
		t.Error(err)
	}
	client = served(t, func(w http.ResponseWriter, r *http.Request) { problem(w, 404, CodeOperationNotFound) })
	if _, err = client.Settled(testContext(t), "1-2"); errors.As(err, &wait) || !errors.As(err, &closed) {
		t.Error(err)
	}
}

func TestACancelledContextEndsTheWaitingOnly(t *testing.T) {
	ctx, cancel := context.WithCancel(testContext(t))
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "POST":
			answer(w, 202, `{"tenant_id":"acme","operation":"1-2"}`)
		case strings.HasPrefix(r.URL.Path, "/v1/operations/"):
			cancel()
			<-r.Context().Done()
		default:
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
	})
	provider := &Provider{client: client, name: "process"}
	_, err := provider.Provision(ctx, &TenantComputeSpec{TenantID: "acme", ProviderType: "process"})
	var wait *WaitError
	if !errors.As(err, &wait) || wait.Operation != "1-2" || !errors.Is(err, context.Canceled) || errors.Is(err, ErrProvisionFailed) {
		t.Error(err)
	}
}

func TestACommandIsSentAgainUnderTheSameKey(t *testing.T) {
	var keys []string
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) == 1 {
			problem(w, 429, CodeOverloaded)
			return
		}
		answer(w, 200, `{"tenant_id":"acme","revision":7}`)
	})
	provider := &Provider{client: client, name: "process"}
	for i := 0; i < 2; i++ {
		if err := provider.Destroy(testContext(t), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] == keys[2] {
		t.Error(keys)
	}
}

func TestErrorsOfCommandsHaveTheKindOfTheirMethod(t *testing.T) {
	spec := &TenantComputeSpec{TenantID: "acme", ProviderType: "process"}
	all := []error{ErrInvalidSpec, ErrProvisionFailed, ErrTenantNotFound, ErrUpdateFailed, ErrDestroyFailed, ErrStatusFailed, ErrProviderNotFound}
	provision := func(p *Provider) error { _, err := p.Provision(context.Background(), spec); return err }
	update := func(p *Provider) error { _, err := p.Update(context.Background(), "acme", spec); return err }
	destroy := func(p *Provider) error { return p.Destroy(context.Background(), "acme") }
	status := func(p *Provider) error { _, err := p.GetStatus(context.Background(), "acme"); return err }
	for _, test := range []struct {
		does   string
		do     func(*Provider) error
		status int
		code   Code
		is     []error
		done   bool
	}{
		{"provision of what runs another spec", provision, 409, CodeRejected, []error{ErrProvisionFailed}, false},
		{"provision of what is not valid", provision, 422, CodeInvalidSpec, []error{ErrInvalidSpec}, false},
		{"provision elsewhere", provision, 404, CodeProviderNotFound, []error{ErrProviderNotFound}, false},
		{"provision through a proxy that failed", provision, 500, "", nil, false},
		{"update of what is not valid", update, 422, CodeInvalidSpec, []error{ErrInvalidSpec}, false},
		{"update at another revision", update, 412, CodeRevisionMismatch, []error{ErrUpdateFailed}, false},
		{"destroy of what never was", destroy, 404, CodeTenantNotFound, nil, true},
		{"destroy of what is gone", destroy, 410, CodeTenantGone, nil, true},
		{"destroy of what is protected", destroy, 409, CodeProtected, []error{ErrDestroyFailed}, false},
		{"status of what never was", status, 404, CodeTenantNotFound, []error{ErrTenantNotFound}, false},
		{"status of what is gone", status, 410, CodeTenantGone, []error{ErrTenantNotFound}, false},
		{"status of what does not run", status, 404, CodeNothingRuns, []error{ErrTenantNotFound}, false},
		{"status in vain", status, 504, CodePlatformTimeout, []error{ErrStatusFailed}, false},
	} {
		client := served(t, func(w http.ResponseWriter, r *http.Request) { problem(w, test.status, test.code) })
		err := test.do(&Provider{client: client, name: "process"})
		var is []error
		for _, kind := range all {
			if errors.Is(err, kind) {
				is = append(is, kind)
			}
		}
		if !reflect.DeepEqual(is, test.is) || (err == nil) != test.done {
			t.Errorf("%s: %v is %v", test.does, err, is)
		}
	}
}

func TestAFailedOperationHasTheProvidersError(t *testing.T) {
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			answer(w, 202, `{"tenant_id":"acme","operation":"1-2"}`)
			return
		}
		answer(w, 200, `{"id":"1-2","tenant_id":"acme","kind":"update","settled":{"as":"failed","undone":true,"error":{"kind":"update_failed",
			"remedy":"needs_person","code":"PERMISSION_DENIED","message":"m","platform":"p","retry_after":{"secs":1,"nanos":5}}}}`)
	})
	provider := &Provider{client: client, name: "process"}
	_, err := provider.Update(testContext(t), "acme", &TenantComputeSpec{TenantID: "acme", ProviderType: "process"})
	var operation *OperationError
	var said *ProviderError
	if !errors.Is(err, ErrUpdateFailed) || !errors.As(err, &operation) || !operation.Operation.Settled.Undone || !errors.As(err, &said) {
		t.Fatal(err)
	}
	if said.Code != "PERMISSION_DENIED" || said.RetryAfter.Duration() != time.Second+5 {
		t.Errorf("%+v", said)
	}
	if want := "update failed: update 1-2 of tenant acme: failed, and undone: PERMISSION_DENIED: m (p)"; err.Error() != want {
		t.Errorf("%s\n%s", err, want)
	}
}

func TestASpecOfAnotherProviderIsRefused(t *testing.T) {
	provider := &Provider{name: "process"}
	for _, spec := range []*TenantComputeSpec{nil, {TenantID: "acme"}, {TenantID: "acme", ProviderType: "ecs"}} {
		if err := provider.Validate(testContext(t), spec); !errors.Is(err, ErrInvalidSpec) {
			t.Errorf("%v: %v", spec, err)
		}
	}
}

func TestAStreamGoesOnAfterItsCursor(t *testing.T) {
	event := func(id string) string {
		return fmt.Sprintf("id: %s\nevent: began\ndata: {\"id\":%q,\ndata: \"subject\":\"acme\",\"data\":{\"what\":{\"kind\":\"began\"}}}\n\n", id, id)
	}
	var asked []string
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery+" "+r.Header.Get("Last-Event-ID"))
		switch len(asked) {
		case 1:
			w.Header().Set("Landlord-Cursor", "s.2")
			io.WriteString(w, ": alive\r\n\r\n"+event("s.3")+"id: s.4\nevent: began\ndata: {\"id\":\"s.4\"")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			problem(w, 503, CodeStore)
		case 3:
			w.Header().Set("Landlord-Cursor", "s.3")
			io.WriteString(w, "id: s.8\nevent: gap\ndata: {\"resume\":\"s.8\"}\n\n"+event("s.9"))
		default:
			problem(w, 400, CodeUnknownCursor)
		}
	})
	stream, err := client.Events(testContext(t), EventsQuery{Last: 1, Follow: true})
	if err != nil || stream.Cursor() != "s.2" {
		t.Fatal(stream, err)
	}
	defer stream.Close()
	var got []string
	for {
		var delivery *Delivery
		if delivery, err = stream.Next(); err != nil {
			break
		}
		got = append(got, fmt.Sprint(delivery.Cursor, " ", delivery.Event == nil))
	}
	if want := []string{"s.3 false", "s.8 true", "s.9 false"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, and not %v", got, want)
	}
	if want := []string{"follow=true&last=1 ", "follow=true s.3", "follow=true s.3", "follow=true s.9"}; !reflect.DeepEqual(asked, want) {
		t.Errorf("asked for %q, and not %q", asked, want)
	}
	var unknown *Problem
	if !errors.As(err, &unknown) || unknown.Code != CodeUnknownCursor {
		t.Error(err)
	}
	if _, again := stream.Next(); again != err {
		t.Errorf("a stream that was over went on: %v", again)
	}
}

func TestAStreamThatDoesNotFollowEndsOnlyWhereItIsWhole(t *testing.T) {
	cut := false
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, ": alive\n\n")
		w.(http.Flusher).Flush()
		if cut {
			panic(http.ErrAbortHandler)
		}
	})
	for _, cut = range []bool{false, true} {
		stream, err := client.Events(testContext(t), EventsQuery{After: "start"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = stream.Next(); errors.Is(err, io.EOF) == cut {
			t.Errorf("cut: %v, and the end is %v", cut, err)
		}
	}
}

func TestAStreamThatFallsSilentConnectsAgain(t *testing.T) {
	connections := 0
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		connections++
		if connections == 2 {
			problem(w, 400, CodeUnknownCursor)
			return
		}
		io.WriteString(w, ": alive\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	client.silence = 20 * time.Millisecond
	stream, err := client.Events(testContext(t), EventsQuery{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var problem *Problem
	if _, err := stream.Next(); !errors.As(err, &problem) || connections != 2 {
		t.Error(err, connections)
	}
}

func TestLogsEndWithTheProblemThatBrokeThemOff(t *testing.T) {
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"at":null,"container":"web","source":"stdout","text":"one"}`+"\n"+`{"problem":{"code":"platform","title":"t","status":502,"detail":"d"}}`+"\n")
	})
	stream, err := client.Logs(testContext(t), "acme", LogsQuery{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if line, err := stream.Next(); err != nil || line.Text != "one" || line.Source != "stdout" {
		t.Error(line, err)
	}
	var problem *Problem
	if _, err := stream.Next(); !errors.As(err, &problem) || problem.Code != CodePlatform {
		t.Error(err)
	}
}

func TestOnlyWhatIsWrongWithTheConfigurationCounts(t *testing.T) {
	problems := ""
	client := served(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 422, `{"code":"invalid_spec","title":"t","status":422,"detail":"d","problems":[{"path":"containers[0].image","message":"m"}`+problems+`]}`)
	})
	provider := &Provider{client: client, name: "ecs"}
	if err := provider.ValidateConfig(nil); err != nil {
		t.Error(err)
	}
	problems = `,{"path":"provider_config.cluster","message":"is required"}`
	if err := provider.ValidateConfig(nil); !errors.Is(err, ErrInvalidSpec) || err.Error() != "provider_config.cluster: is required" {
		t.Error(err)
	}
	if err := provider.ValidateConfig(json.RawMessage("{")); !errors.Is(err, ErrInvalidSpec) {
		t.Error(err)
	}
}
