// Package landlord is a client of landlord-compute's HTTP API.
//
// Provider has the methods of landlord's compute provider, and runs tenants on an engine that another process has. Client
// has everything that the API has, with its documents as Go types.
//
// Everything is safe for concurrent use, except for EventStream and LogStream. Each method ends when its context does. An
// operation that the engine has accepted goes on then.
package landlord
