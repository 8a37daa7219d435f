// Package ext has what Traefik's own module of this name has: two types to which other builds of it add fields.
package ext

// HTTP adds nothing to the settings of a middleware.
type HTTP struct{}

// Router adds nothing to the settings of a router.
type Router struct{}
