package auth

import (
	"net/http"
	"strings"
)

// CheckSecret says whether a password is that of a secret, by what the secret begins with.
func CheckSecret(password, secret string) bool {
	compare := compareFuncs[0].compare
	for _, each := range compareFuncs[1:] {
		if strings.HasPrefix(secret, each.prefix) {
			compare = each.compare
			break
		}
	}
	return compare([]byte(secret), []byte(password)) == nil
}

// RequireAuthStale asks for credentials again; unlike the fork's it does not say that only their nonce is too old.
func (a *DigestAuth) RequireAuthStale(w http.ResponseWriter, r *http.Request) {
	a.RequireAuth(w, r)
}
