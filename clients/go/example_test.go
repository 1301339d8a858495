package landlord_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"

	landlord "github.com/jaxxstorm/landlord/clients/go"
)

func Example() {
	ctx := context.Background()
	client := landlord.NewUnix("landlord.db.sock")
	provider, err := landlord.NewProvider(ctx, client, "process")
	if err != nil {
		log.Fatal(err)
	}
	result, err := provider.Provision(ctx, &landlord.TenantComputeSpec{
		TenantID:     "acme",
		ProviderType: provider.Name(),
		Containers: []landlord.ContainerSpec{{
			Name:    "web",
			Image:   "host",
			Command: []string{"landlord-compute", "demo-tenant", "--greeting", "hello"},
			Ports:   []landlord.PortMapping{{ContainerPort: 80, Protocol: "tcp"}},
		}},
		Resources: landlord.ResourceRequirements{CPU: 250, Memory: 256},
	})
	var problem *landlord.Problem
	switch {
	case errors.Is(err, landlord.ErrInvalidSpec) && errors.As(err, &problem):
		for _, at := range problem.Problems {
			fmt.Println(at.Path, at.Message)
		}
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println("answers at", result.Endpoints[0].URL)
	}
}

// The README has this example.
func TestTheREADMEHasTheExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(source), "func Example() {\n")
	example, _, _ = strings.Cut(example, "\n}\n")
	_, shown, _ := strings.Cut(string(readme), "```go\n")
	shown, _, _ = strings.Cut(shown, "\n```\n")
	if "\t"+strings.ReplaceAll(shown, "\n", "\n\t") != example {
		t.Errorf("the README shows\n%s\nand the example is\n%s", shown, example)
	}
}
