package landlord

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestATokenIsNotSentInTheClear(t *testing.T) {
	client, err := New("http://compute.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.WithToken("llt_secret"); err == nil {
		t.Error("it would be")
	}
	made := MadeToken{Token: Token{Name: "ci"}, Secret: "llt_secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if printed := fmt.Sprintf(verb, made); strings.Contains(printed, "llt_secret") || strings.Contains(printed, "6c6c745f") {
			t.Errorf("%s prints it: %s", verb, printed)
		}
	}
}

func TestATokenOpensItsTenantsOverTCP(t *testing.T) {
	s := running(t)
	ctx := testContext(t)
	said, err := os.ReadFile(s.said())
	if err != nil {
		t.Fatal(err)
	}
	listens := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`).FindSubmatch(said)
	if listens == nil {
		t.Fatalf("it does not listen:\n%s", said)
	}
	made, err := s.client.CreateToken(ctx, NewToken{Name: "ci", Role: RoleOperator, Tenants: []string{"acme-*"}})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := New("http://"+string(listens[1]), nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(err error, status int) {
		t.Helper()
		var problem *Problem
		if !errors.As(err, &problem) || problem.Status != status {
			t.Errorf("not %d: %v", status, err)
		}
	}
	_, err = stranger.Tenants(ctx, TenantsQuery{})
	refused(err, http.StatusUnauthorized)
	holder, err := stranger.WithToken(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := NewProvider(ctx, holder, "process")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Provision(ctx, greeting(s.program, "acme-1", "hello")); err != nil {
		t.Fatal(err)
	}
	_, err = provider.Provision(ctx, greeting(s.program, "bravo", "hello"))
	refused(err, http.StatusForbidden)
	_, err = holder.Tokens(ctx)
	refused(err, http.StatusForbidden)
	tokens, err := s.client.Tokens(ctx)
	if err != nil || len(tokens) != 1 || tokens[0].Name != "ci" {
		t.Errorf("%v: %v", tokens, err)
	}
	if err := s.client.RevokeToken(ctx, "ci"); err != nil {
		t.Fatal(err)
	}
	_, err = holder.Tenants(ctx, TenantsQuery{})
	refused(err, http.StatusUnauthorized)
}
