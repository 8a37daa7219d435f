"""Whether a field, an option, a variable or an annotation of some name holds a secret, by the words in it."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache


class Holds(Enum):
    """What a name says of its value."""

    NOTHING = 0
    #: A secret where the value looks like one: `auth: basic` does not, `auth: user:hunter2` does.
    MAYBE = 1
    #: A certificate or another long value, where it is one.
    LONG = 2
    SECRET = 3
    #: A secret whatever it looks like, also a sentence.
    PASSWORD = 4


#: Variables whose values matter to a diagnosis: MetalLB's own settings, and where FRR's files are. No other is kept.
KNOWN_VARIABLES = frozenset(
    {"METALLB_NODE_NAME", "METALLB_POD_NAME", "METALLB_HOST", "METALLB_NAMESPACE", "METALLB_DEPLOYMENT",
     "METALLB_BGP_TYPE", "METALLB_ML_BIND_ADDR", "METALLB_ML_BIND_PORT", "METALLB_ML_LABELS",
     "METALLB_ML_NAMESPACE", "METALLB_ML_SECRET_KEY_PATH", "METALLB_ML_SECRET_NAME", "FRR_CONFIG_FILE",
     "FRR_RELOADER_PID_FILE", "FRR_LOGGING_LEVEL", "TINI_SUBREAPER"}
)  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
#: In the name without what separates its words: `DB_PASSWORD`, `dbpassword`, `db-password` are one.
_PASSWORD = re.compile(r"passw|passwd|passphrase|passcode|passwort|kennwort|motdepasse|contrasen")
_SECRET = re.compile(
    r"secret|token|apikey|credential|bearer|accesskey|privatekey|privkey|signingkey|accountkey|sharedkey|authkey"
    r"|encryptionkey|masterkey|connectionstring|connstr|connectionuri|sessionid|phpsessid|dockerconfig|dockercfg"
    r"|clientkeydata|sshkey|sshprivate|deploykey|licensekey|idrsa|ided25519|idecdsa|keystring|kubeconfigdata"
    r"|preshared|unsealkey|recoverykey|hmackey|storagekey|gossipkey|memberlistkey|webhookkey|tlskey|sslkey"
)
_LONG = re.compile(r"certificate|cabundle|clientcert|servercert|tlscrt|cacrt|cadata|certdata|crtdata")
_PASSWORDS = frozenset({"pwd", "pword"})
_WORDS = frozenset(
    {"psk", "dsn", "jwt", "cookie", "cookies", "creds", "cred", "otp", "totp", "authorization", "authz"}
)
_MAYBES = frozenset({"auth", "authentication", "session", "sid", "sig", "signature", "community", "authn"})
#: What a key is of when it is a secret; a topology key or a label's key is none.
_KEYS = frozenset(
    {"api", "access", "secret", "private", "priv", "signing", "sign", "encryption", "encrypt", "crypt", "master",
     "account", "shared", "client", "storage", "ssh", "tls", "ssl", "gossip", "memberlist", "license", "hmac",
     "aes", "rsa", "dsa", "ecdsa", "deploy", "subscription", "session", "cookie", "auth", "unseal", "recovery",
     "wireguard", "wg", "psk", "webhook", "functions", "server", "admin", "app", "application", "bgp"}
)  # fmt: skip
#: Words that end in `pass` and have nothing to do with it.
_OTHER_PASSES = frozenset({"bypass", "compass", "encompass", "surpass", "trespass", "overpass", "underpass"})
#: A last word that says that the value only names, counts or describes a secret.
_ABOUT = frozenset(
    {"name", "names", "ref", "refs", "reference", "path", "paths", "file", "files", "filename", "dir", "directory",
     "class", "type", "kind", "url", "uri", "endpoint", "endpoints", "host", "hosts", "port", "count", "counts",
     "length", "len", "size", "seconds", "minutes", "hours", "millis", "ms", "expiration", "expiry", "expires",
     "expire", "ttl", "timeout", "age", "version", "enabled", "enable", "disabled", "required", "optional", "mode",
     "policy", "format", "algorithm", "alg", "method", "methods", "provider", "issuer", "audience", "audiences",
     "request", "requests", "lifetime", "duration", "interval", "limit", "max", "min", "namespace", "service",
     "services", "server", "servers", "controller", "manager", "operator", "review", "reviews", "volume", "mount",
     "mounts", "rotation", "rotate", "status", "state", "error", "errors", "failure", "failures", "total", "bytes",
     "affinity", "io", "com", "org", "net", "svc", "local", "selector", "labels", "schema", "template", "webhook",
     "generator", "store", "injector", "reconciler", "go", "test", "tests", "yaml", "yml", "md", "html", "log",
     "title", "description", "usage", "info", "reason", "sync", "webui", "proxy", "missing", "mismatch", "found",
     "exists", "unknown", "invalid", "down", "changed", "rejected", "refused", "strategy", "kubeconfig"}
)  # fmt: skip
#: Names of fields of Kubernetes that only refer to a Secret or a token, in one spelling.
_REFERENCES = frozenset(
    {"passwordsecret", "imagepullsecret", "imagepullsecrets", "existingsecret", "automountserviceaccounttoken",
     "serviceaccounttoken", "secretkeyref", "tokenreview", "clustersecret",
     "metallbcrsandsecrets"}
)  # fmt: skip
#: In every name that holds a secret, in small letters, is one of these; so a text without them has no such name.
SIGNS = (
    "pass", "pwd", "pw", "secret", "token", "key", "cred", "bearer", "auth", "cookie", "dsn", "jwt", "psk", "otp",
    "session", "sess", "sid", "sig", "community", "cert", "crt", "cabundle", "ca_bundle", "ca-bundle", "ca_d", "ca-d",
    "cadata", "ca.", "conn", "kennwort", "motdepasse", "contrasen", "docker", "id_rsa", "idrsa", "id_e", "ide", "ssh",
    "preshared", "pword",
)  # fmt: skip


@lru_cache(maxsize=8192)  # thousands of objects have the same few names
def held_by(name: str) -> Holds:
    """What a value of this name is. The name may have a prefix ("example.org/token") or dots ("auth.password")."""
    words = [word.lower() for word in _WORD.findall(name.rpartition("/")[2])]
    joined = "".join(words)
    if not words or words[-1] in _ABOUT or joined in _REFERENCES:
        return Holds.NOTHING
    # A pass and a "pw" count where they end a name: what may pass is no password.
    if _PASSWORD.search(joined) or any(map(_is_password, words)) or words[-1] == "pw":
        return Holds.PASSWORD
    if words[-1] == "pass":
        return Holds.PASSWORD if len(words) > 1 else Holds.SECRET
    if _SECRET.search(joined) or not _WORDS.isdisjoint(words) or _is_key(words):
        return Holds.SECRET
    if _LONG.search(joined) or words[-1] in {"cert", "crt", "certs"}:
        return Holds.LONG
    return Holds.NOTHING if _MAYBES.isdisjoint(words) else Holds.MAYBE


def _is_password(word: str) -> bool:
    ends = len(word) > 4 and word.endswith(("pass", "pwd", "pw"))
    return word in _PASSWORDS or (ends and word not in _OTHER_PASSES)


def _is_key(words: list[str]) -> bool:
    """Whether a key of something that is secret is named, whatever follows: `API_KEY_PROD`, `tls.key`."""
    return any(
        word in {"key", "keys"} and not _KEYS.isdisjoint(words[max(0, at - 2) : at])
        for at, word in enumerate(words)
    )
