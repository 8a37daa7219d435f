// Package dns is a registry of DNS providers that knows none: each would bring a module of its own.
package dns

import (
	"fmt"

	"github.com/go-acme/lego/v5/challenge"
)

// NewDNSChallengeProviderByName says that there is no such provider.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("this build knows no DNS provider, and so not %q", name)
}
