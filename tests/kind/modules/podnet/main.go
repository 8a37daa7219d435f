// Podnet is the pod network of kind nodes that cannot pull kind's own: IPv4, no network policies.
//
// On every node it writes a CNI configuration for the node's own pod range, keeps a route to the range of every other
// node, and lets traffic that leaves the pod network carry the node's address. It asks the API server at the endpoint
// that kind gives it, so it does not wait for kube-proxy.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	account  = "/var/run/secrets/kubernetes.io/serviceaccount/"
	settings = "/etc/cni/net.d/10-podnet.conflist"
	// Nodes come and go seldom; while the cluster is young, a look each second lets it become Ready early.
	every = time.Second
)

type node struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		PodCIDR string `json:"podCIDR"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

func (n node) address() string {
	for _, each := range n.Status.Addresses {
		if each.Type == "InternalIP" {
			return each.Address
		}
	}
	return ""
}

type agent struct {
	client   *http.Client
	endpoint string
	self     string
	pods     string
	done     map[string]string
}

func main() {
	log.SetFlags(log.Ltime)
	made, err := newAgent()
	if err != nil {
		log.Fatal(err)
	}
	for {
		if err := made.once(); err != nil {
			log.Print(err)
		}
		time.Sleep(every)
	}
}

func newAgent() (*agent, error) {
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("the account's ca.crt has no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	made := &agent{
		client:   &http.Client{Transport: transport, Timeout: 5 * time.Second},
		endpoint: os.Getenv("CONTROL_PLANE_ENDPOINT"),
		self:     os.Getenv("NODE_NAME"),
		pods:     os.Getenv("POD_SUBNET"),
		done:     map[string]string{},
	}
	if made.endpoint == "" || made.self == "" || made.pods == "" {
		return nil, errors.New("CONTROL_PLANE_ENDPOINT, NODE_NAME and POD_SUBNET have to be set")
	}
	return made, nil
}

// once brings this node in line with what the API server knows now.
func (a *agent) once() error {
	found, err := a.nodes()
	if err != nil {
		return err
	}
	if err := a.masquerade(); err != nil {
		return err
	}
	for _, each := range found {
		if each.Spec.PodCIDR == "" || each.address() == "" {
			continue
		}
		if each.Metadata.Name == a.self {
			err = a.configure(each.Spec.PodCIDR)
		} else {
			err = a.route(each.Spec.PodCIDR, each.address())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) nodes() ([]node, error) {
	token, err := os.ReadFile(account + "token") // renewed by the kubelet
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(
		context.Background(), http.MethodGet, "https://"+a.endpoint+"/api/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answers %s", answer.Status)
	}
	var list struct {
		Items []node `json:"items"`
	}
	err = json.NewDecoder(answer.Body).Decode(&list)
	return list.Items, err
}

func (a *agent) configure(own string) error {
	return a.changed("configuration", own, func() error {
		text, err := json.MarshalIndent(map[string]any{
			"cniVersion": "0.4.0",
			"name":       "podnet",
			"plugins": []any{
				map[string]any{
					"type":   "ptp",
					"ipMasq": false,
					"ipam": map[string]any{
						"type":    "host-local",
						"dataDir": "/run/cni-ipam-state",
						"routes":  []any{map[string]string{"dst": "0.0.0.0/0"}},
						"ranges":  []any{[]any{map[string]string{"subnet": own}}},
					},
				},
				map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
			},
		}, "", " ")
		if err != nil {
			return err
		}
		// The kubelet must never see half of it.
		part := filepath.Join(filepath.Dir(settings), ".podnet")
		if err := os.WriteFile(part, text, 0o644); err != nil {
			return err
		}
		return os.Rename(part, settings)
	})
}

func (a *agent) route(to, via string) error {
	return a.changed("route to "+to, via, func() error { return run("ip", "route", "replace", to, "via", via) })
}

func (a *agent) masquerade() error {
	rule := []string{"POSTROUTING", "-s", a.pods, "!", "-d", a.pods, "-j", "MASQUERADE"}
	table := []string{"-w", "-t", "nat"}
	return a.changed("masquerading", a.pods, func() error {
		if run("iptables", append(append(table, "-C"), rule...)...) == nil {
			return nil
		}
		return run("iptables", append(append(table, "-A"), rule...)...)
	})
}

// changed calls do unless what it would do was done with the same value before.
func (a *agent) changed(what, value string, do func() error) error {
	if a.done[what] == value {
		return nil
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	a.done[what] = value
	log.Printf("%s: %s", what, value)
	return nil
}

func run(name string, arguments ...string) error {
	said, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(said)))
	}
	return nil
}
