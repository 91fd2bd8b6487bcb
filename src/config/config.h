/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: YAML bytes in, one immutable ref-counted snapshot out, with every error found in
 * one run. No I/O: environment and files are read through callbacks. One key table (keys.h) makes
 * the parser, `fairlead schema` and the reference page.
 */
#ifndef FL_CONFIG_CONFIG_H
#define FL_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/sys.h"
#include "route/admit.h"
#include "route/catalog/catalog.h"
#include "route/route.h"

#include <stdatomic.h>

struct fl_header_pair {
    struct fl_slice name, value;
};

enum { FL_PROVIDER_KEYS_MAX = 16 };

struct fl_provider_key {
    struct fl_slice value;  /* secret */
    struct fl_slice source; /* as fl_provider.key_source */
    uint64_t rpm, tpm;      /* what the vendor allows it, for each model; 0: not known */
};

/* How a request says who asks. */
enum fl_auth {
    FL_AUTH_BEARER,         /* authorization: Bearer KEY */
    FL_AUTH_X_API_KEY,      /* x-api-key (Anthropic) */
    FL_AUTH_API_KEY,        /* api-key (Azure) */
    FL_AUTH_X_GOOG_API_KEY, /* x-goog-api-key (Gemini) */
    FL_AUTH_TOKEN,          /* authorization: Bearer, by a token that is fetched */
    FL_AUTH_SIGV4           /* signed with keys of AWS */
};

/* Where keys or tokens come from. X(id, "word in the file") */
#define FL_AUTH_SOURCES(X)                                                                         \
    X(FL_SOURCE_KEYS, "keys") /* they stand in the configuration */                                \
    X(FL_SOURCE_SERVICE_ACCOUNT, "service_account")                                                \
    X(FL_SOURCE_METADATA, "metadata") /* Google's, of the machine */                               \
    X(FL_SOURCE_ENTRA, "entra")       /* Azure: a client and its secret */                         \
    X(FL_SOURCE_WEB_IDENTITY, "web_identity")                                                      \
    X(FL_SOURCE_CONTAINER, "container")                                                            \
    X(FL_SOURCE_IMDS, "imds") /* AWS, of the machine */

enum fl_auth_source {
#define X(id, word) id,
    FL_AUTH_SOURCES(X)
#undef X
        FL_SOURCE_COUNT
};

const char *fl_auth_source_word(enum fl_auth_source source);

struct fl_provider_auth {
    enum fl_auth kind;
    enum fl_auth_source source; /* of TOKEN and SIGV4 */
    struct fl_slice access_key, secret_key, session_token; /* of AWS, secrets */
    struct fl_slice service_account;                       /* the key file's JSON, secret */
    struct fl_slice client_id, client_secret;              /* of Entra */
    struct fl_slice role;     /* its ARN */
    struct fl_slice proof;    /* a token that is shown to get keys; secret */
    struct fl_slice proof_file; /* path it came from: it is replaced there now and then; empty: no file */
    struct fl_slice endpoint; /* URL that tokens or keys are fetched from; checked */
};

struct fl_timeouts {         /* nanoseconds */
    uint64_t connect_ns;     /* 5 s: TCP and TLS */
    uint64_t first_token_ns; /* 60 s: request sent to first byte of the answer's body */
    uint64_t idle_ns;        /* 60 s: between bytes of an answer */
    uint64_t total_ns;       /* 600 s: the whole request, all attempts */
};

/* Which of a provider's chat APIs is asked, where there is a choice. */
enum fl_api { FL_API_CHAT, FL_API_RESPONSES, FL_API_CONVERSE, FL_API_INVOKE, FL_API_COUNT };
const char *fl_api_word(enum fl_api api);

struct fl_provider {
    struct fl_slice name;     /* as configured */
    struct fl_slice type;     /* vendor row: openai, groq, ..., "openai_compatible" */
    struct fl_slice dialect;  /* a name that fl_dialect_find() knows */
    struct fl_slice region, project, api_version; /* empty where they mean nothing, or are not known */
    struct fl_slice account, quota; /* names of what it shares with others; quota empty: with nobody */
    uint64_t rpm, tpm; /* where nothing else is said of a key, or there is none */
    struct fl_provider_auth auth;
    struct fl_slice base_url; /* as configured, for display */
    bool tls;
    struct fl_slice host; /* to dial */
    uint16_t port;
    struct fl_slice host_header; /* host[:port] */
    struct fl_slice base_path;   /* "/v1", no trailing slash */
    struct fl_slice api_key;     /* the first key: secret; empty: no Authorization is sent */
    /* "OPENAI_API_KEY", "file /run/...", "literal", "": safe to print */
    struct fl_slice key_source;
    const struct fl_provider_key *keys; /* all of them, api_key first */
    unsigned key_count;
    bool checked;                /* actively: GET health_path each interval */
    struct fl_slice health_path; /* behind base_path; empty: the dialect's list of models */
    uint64_t health_interval_ns, health_timeout_ns;
    const struct fl_header_pair *headers; /* extra request headers */
    unsigned header_count;
    struct fl_slice ca_file; /* PEM bytes of a private CA; empty: the system's store */
    struct fl_timeouts timeouts;
    unsigned connections_max; /* per worker */
    /* Attempts at each of its targets at a time; 0: no bound, FL_CONCURRENCY_AUTO: as learned. */
    unsigned concurrency;
    bool stream_options;      /* understands stream_options.include_usage */
    bool responses;           /* offers OpenAI's responses API */
    bool api_given;
    enum fl_api api;
    bool simulated;
    bool any_model; /* no models configured: every model name is passed on */
    const struct fl_catalog_provider *listed; /* what the catalogue says of it, or NULL */
};

struct fl_client_key {
    struct fl_slice name;
    uint8_t sha256[32];
    bool class_given;
    enum fl_class class;            /* of its requests, at best */
    struct fl_retry_budget *budget; /* of their extra attempts; in the registry */
};

struct fl_listen {
    struct fl_addr addr;
    struct fl_slice text; /* as configured */
};

struct fl_limits {
    size_t head_bytes; /* 64 KiB: request or response head */
    size_t body_bytes; /* 32 MiB: request body */
    size_t
        response_hold_bytes; /* 256 KiB: a plain answer up to this size is checked whole before its
                                first byte is sent on, so that a broken one can still fail over */
    size_t event_bytes;      /* 1 MiB: one stream event */
    size_t resume_bytes;     /* 256 KiB: text of a stream that is kept to continue it */
    size_t responses_bytes;  /* 64 MiB: responses kept for requests that refer to them; 0: none */
    uint64_t responses_age_ns; /* 1 h since a response was last used */
    size_t replay_bytes;       /* 256 KiB: events of a stream that are kept for its client to come back */
    size_t replay_total_bytes; /* 64 MiB: the same of all streams of the process */
    uint64_t replay_grace_ns;  /* 30 s: how long a stream goes on without a client, and is kept at its end */
    unsigned client_connections; /* 10,000 per worker */
    unsigned queue;              /* 256: requests that wait for one target, per worker */
    uint64_t queue_wait_ns;      /* 0: as long as for a connection */
    unsigned attempts;           /* 3: upstream attempts of a request */
    uint64_t head_ns;            /* 10 s: total time for a request head */
    uint64_t body_ns;            /* 60 s: total time for a request body */
    uint64_t body_bytes_per_s;   /* 500: minimum rate of a request body, and of a reading client */
    uint64_t idle_ns;            /* 75 s: keep-alive of an idle client connection */
    uint64_t upstream_idle_ns;   /* 55 s: keep-alive of a pooled upstream connection */
    uint64_t heartbeat_ns;       /* 15 s: SSE comment while a stream waits */
    uint64_t drain_ns;           /* 300 s */
};

struct fl_secret; /* bytes in the arena to be wiped before it is freed */

struct fl_config {
    atomic_uint refs;
    struct fl_arena arena; /* owns every slice and array below */
    struct fl_secret *secrets;
    struct fl_slice file; /* path, or "(environment)" */
    const struct fl_listen *listens;
    unsigned listen_count;
    struct fl_slice tls_cert, tls_key; /* PEM bytes; empty: plain HTTP */
    unsigned workers;                  /* 0 = one per core */
    struct fl_timeouts timeouts;
    struct fl_limits limits;
    const struct fl_client_key *keys;
    unsigned key_count;    /* 0: no client authentication */
    bool insecure_no_auth; /* a public address without keys is meant */
    bool access_log;
    bool expose_decisions; /* x-fairlead-* response headers */
    unsigned decisions_kept; /* decision records of each worker */
    bool classifier_given;           /* else tfidf_linear, as it ships */
    struct fl_classifier classifier; /* checked; points into the arena, if anywhere */
    struct fl_slice quality_model;   /* checked bytes; empty: none was given */
    uint64_t health_interval_ns, health_timeout_ns;
    struct fl_catalog *catalog; /* a reference; NULL: none was given */
    const struct fl_provider *providers;
    unsigned provider_count;
    struct fl_table table;
};

/* The model's name as the target's provider knows it: the target's, or what the client named behind
 * "provider/". */
struct fl_slice fl_target_model(const struct fl_target *target, struct fl_slice asked);
/* What the catalogue knows of the model that a client asked for by name, at the targets of any model of a route
 * for such names; how many. */
unsigned fl_config_named(const struct fl_config *config, const struct fl_route *route,
                         struct fl_slice asked, int64_t now_s, struct fl_named ret[FL_NAMED_MAX]);

/* One finding. Line and column from 1; 0 = the whole file. */
enum fl_severity { FL_CONFIG_ERROR, FL_CONFIG_WARNING, FL_CONFIG_NOTE };
struct fl_finding {
    enum fl_severity severity;
    unsigned line, column, width; /* width: of the caret's underline */
    struct fl_slice message;      /* one line, with the suggestion */
};
struct fl_mask { /* a secret in the file: fl_findings_put() shows asterisks */
    unsigned line, column, width;
    struct fl_mask *next;
};
struct fl_findings {
    struct fl_arena arena;
    struct fl_finding *items;
    unsigned count, cap;
    unsigned errors, warnings; /* counted also beyond what items holds */
    struct fl_mask *masks;
    bool masks_lost; /* no memory for one: no line of the file is shown */
};
void fl_findings_init(struct fl_findings *f);
void fl_findings_finish(struct fl_findings *f);
/* "file:line:col: error: message", the source line, the caret. *source* is the file's bytes. Values
 * of secrets and what looks like a key are shown as asterisks. */
void fl_findings_put(const struct fl_findings *f, struct fl_slice file, struct fl_slice source,
                     struct fl_buf *b);

/* The outside, as configuration sees it. */
struct fl_config_env {
    void *owner;
    /* A variable's value; false when unset. The slice lives until the load returns. */
    bool (*variable)(void *owner, struct fl_slice name, struct fl_slice *ret_value);
    /* Whole file into *ret* (at most its ceiling). */
    enum fl_err (*file)(void *owner, struct fl_slice path, struct fl_buf *ret);
    /* Of target states; NULL: a throw-away check (states stay NULL). */
    struct fl_registry *registry;
    struct fl_hash_key hash_key;
    /* Prices and facts of models, of which the configuration takes a reference; NULL: none. */
    struct fl_catalog *catalog;
};

/* Loads *yaml*. FL_OK: *ret_config has one reference (warnings and notes may stand in *findings*).
 * FL_ERR_CONFIG: findings->errors > 0. */
enum fl_err fl_config_load(struct fl_slice yaml, struct fl_slice file,
                           const struct fl_config_env *env, struct fl_config **ret_config,
                           struct fl_findings *findings) FL_CHECK_RESULT;
/* Without a file: providers whose key variables are set. FL_ERR_CONFIG when there is none. */
enum fl_err fl_config_from_environment(const struct fl_config_env *env,
                                       struct fl_config **ret_config,
                                       struct fl_findings *findings) FL_CHECK_RESULT;
struct fl_config *fl_config_ref(struct fl_config *c);
/* The last reference wipes secrets and frees. NULL is fine. */
void fl_config_unref(struct fl_config *c);

/* JSON Schema (draft-07) of the file, and the reference page in Markdown, from the key table. */
void fl_config_put_schema(struct fl_buf *b);
void fl_config_put_reference(struct fl_buf *b);

/* Vendor rows: what a provider's name implies. */
struct fl_vendor {
    const char *name;
    const char *base_url; /* with {region} or {resource} in it, or NULL */
    const char *key_variable, *dialect;
    const char *key_variable_2; /* looked at when the first is not set; or NULL */
    const char *listed_as;      /* in the catalogue; NULL: by its name */
    bool stream_options;      /* understands stream_options.include_usage */
    bool responses;           /* offers the responses API */
    bool key_optional;        /* local servers */
    const char *auto_model;   /* what "auto" means there when no models are listed; NULL: nothing */
    const char *url_variable; /* replaces base_url in zero-config mode; or NULL */
};
extern const struct fl_vendor fl_vendors[];
extern const unsigned fl_vendor_count;
const struct fl_vendor *fl_vendor_find(struct fl_slice name);
/* Dialects that a provider may be said to speak; NULL past the last. */
const char *fl_dialect_word(unsigned index);

#endif
