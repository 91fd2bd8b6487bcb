/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of the configuration file, once. The table makes the parser's dispatch, its defaults
 * and ranges, the JSON Schema and the reference page; so what the page says is what the program
 * does.
 *
 *   section   a mapping with a fixed set of keys; used at one place (tls) or many (a provider)
 *   key       one row: FL_KEY_<SECTION>_<name>
 *
 * To add a key: one row here, and the line in settings.c, providers.c or routes.c that reads its
 * value.
 */
#ifndef FL_CONFIG_KEYS_H
#define FL_CONFIG_KEYS_H

#include "base/buf.h"
#include "base/slice.h"

/* X(SECTION, "path", "what it is") */
#define FL_SECTIONS(X)                                                                             \
    X(ROOT, "", "The top level of the file. Every key is optional.")                               \
    X(TLS, "tls", "Certificate of the listening side. Without it clients speak plain HTTP.")       \
    X(ROUTING, "routing", "How a request finds its target, and when a target counts as down.")     \
    X(TIMEOUTS, "routing.timeouts",                                                                \
      "How long the stages of a request may take; the same keys "                                  \
      "under a provider replace them for that provider.")                                          \
    X(PROVIDER, "providers.NAME",                                                                  \
      "An account at a vendor, or a server of your own. A known name "                             \
      "implies type, base URL and the variable that holds the key.")                               \
    X(PROVIDER_AUTH, "providers.NAME.auth",                                                        \
      "Who the gateway is to the provider, where a key alone does not say it: Vertex, Bedrock, "   \
      "and Azure with Entra.")                                                                     \
    X(PROVIDER_KEY, "providers.NAME.keys[]",                                                       \
      "One of a provider's keys with limits of its own. A secret alone is a key without.")         \
    X(HEALTH, "providers.NAME.health",                                                             \
      "Active checks of the provider: a free request with its key, outside of any client's "       \
      "request.")                                                                                  \
    X(PRICES, "providers.NAME.prices",                                                             \
      "Prices in USD per million tokens, for all models of the "                                   \
      "provider, or as a mapping from each model's name to its prices.")                           \
    X(MODEL_INFO, "providers.NAME.model_info.MODEL",                                               \
      "What a model of the provider is, where the catalogue does not know it or is wrong.")         \
    X(MODEL, "models.NAME",                                                                        \
      "A name that clients may ask for. Without targets and alias it means "                       \
      "every target.")                                                                             \
    X(FALLBACKS, "models.NAME.fallbacks",                                                          \
      "Targets for refusals that the usual ones cannot mend, tried in this order: PROVIDER/MODEL, "  \
      "or a model's name for every provider of it.")                                               \
    X(PREFERENCES, "models.NAME.preferences",                                                      \
      "For a kind of task, the targets to prefer, best first: PROVIDER/MODEL, or a model's name "  \
      "for every provider of it. They must be among the targets of the name.")                     \
    X(LOAD_BALANCING, "load_balancing", "Accepted at the top level and under 'routing'.")          \
    X(MONITORING, "monitoring", "Accepted at the top level and under 'routing'.")                  \
    X(CLIENT, "keys[]",                                                                            \
      "Keys that clients must present as 'Authorization: Bearer KEY'. Without "                    \
      "any, every client is let in.")                                                              \
    X(AUTH, "auth", "Client authentication.")                                                      \
    X(LIMITS, "limits", "Ceilings that keep a client or a provider from exhausting the process.")  \
    X(TELEMETRY, "telemetry", "What is told about requests.")

enum fl_section {
#define X(section, path, doc) FL_SECTION_##section,
    FL_SECTIONS(X)
#undef X
        FL_SECTION_COUNT,
    FL_SECTION_NONE = FL_SECTION_COUNT
};

enum fl_key_type {
    FL_TYPE_STRING,
    FL_TYPE_SECRET, /* text, ${VARIABLE}, {file: PATH} or {credential: NAME}; wiped, never shown */
    FL_TYPE_BOOL,
    FL_TYPE_UINT,
    FL_TYPE_REAL,       /* decimal fraction, up to 9 decimals */
    FL_TYPE_DURATION,   /* "500ms", "5s", "2m", "1h"; a bare number counts seconds */
    FL_TYPE_SIZE,       /* "64KiB", "32MiB", "1MB"; a bare number counts bytes */
    FL_TYPE_ENUM,       /* of: enum fl_enum */
    FL_TYPE_STRINGS,    /* one text or a list of them */
    FL_TYPE_SECRETS,    /* a list, each entry as SECRET, or of: enum fl_section, the secret first */
    FL_TYPE_STRING_MAP, /* name -> secret text */
    FL_TYPE_OBJECT,     /* of: enum fl_section */
    FL_TYPE_MAP,        /* name -> object; of: enum fl_section */
    FL_TYPE_LIST,       /* list of objects; of: enum fl_section */
    FL_TYPE_PRICES,     /* prices, or model name -> prices */
    FL_TYPE_LATER       /* known, but its feature is not in this version: an error that says so */
};

enum fl_enum {
    FL_ENUM_NONE,
    FL_ENUM_STRATEGY,
    FL_ENUM_ALGORITHM,
    FL_ENUM_VENDOR,
    FL_ENUM_TIER,
    FL_ENUM_TOKENIZER,
    FL_ENUM_DIALECT,
    FL_ENUM_API,
    FL_ENUM_AUTH_SOURCE,
    FL_ENUM_CLASS
};

/* Shorthands of the `of` column. */
#define FL_OF_NONE           0
#define FL_OF_STRATEGY       FL_ENUM_STRATEGY
#define FL_OF_ALGORITHM      FL_ENUM_ALGORITHM
#define FL_OF_VENDOR         FL_ENUM_VENDOR
#define FL_OF_TIER           FL_ENUM_TIER
#define FL_OF_TOKENIZER      FL_ENUM_TOKENIZER
#define FL_OF_DIALECT        FL_ENUM_DIALECT
#define FL_OF_API            FL_ENUM_API
#define FL_OF_AUTH_SOURCE    FL_ENUM_AUTH_SOURCE
#define FL_OF_CLASS          FL_ENUM_CLASS
#define FL_OF_PROVIDER_AUTH  FL_SECTION_PROVIDER_AUTH
#define FL_OF_PROVIDER_KEY   FL_SECTION_PROVIDER_KEY
#define FL_OF_TLS            FL_SECTION_TLS
#define FL_OF_ROUTING        FL_SECTION_ROUTING
#define FL_OF_TIMEOUTS       FL_SECTION_TIMEOUTS
#define FL_OF_PROVIDER       FL_SECTION_PROVIDER
#define FL_OF_HEALTH         FL_SECTION_HEALTH
#define FL_OF_PRICES         FL_SECTION_PRICES
#define FL_OF_MODEL_INFO     FL_SECTION_MODEL_INFO
#define FL_OF_MODEL          FL_SECTION_MODEL
#define FL_OF_FALLBACKS      FL_SECTION_FALLBACKS
#define FL_OF_PREFERENCES    FL_SECTION_PREFERENCES
#define FL_OF_LOAD_BALANCING FL_SECTION_LOAD_BALANCING
#define FL_OF_MONITORING     FL_SECTION_MONITORING
#define FL_OF_CLIENT         FL_SECTION_CLIENT
#define FL_OF_AUTH           FL_SECTION_AUTH
#define FL_OF_LIMITS         FL_SECTION_LIMITS
#define FL_OF_TELEMETRY      FL_SECTION_TELEMETRY

/* X(SECTION, name, TYPE, OF, "default", "min", "max", "since", "deprecated alias", "doc", "effect")
 *
 * default  as a user would write it; "" = absent
 * min, max of UINT, REAL, DURATION, SIZE, as a user would write them; "" = no bound
 * effect   not empty: a note given when the key is used
 * Rows of one section stand together, in the order of FL_SECTIONS. */
#define FL_KEYS(X)                                                                                 \
    X(ROOT, listen, STRINGS, NONE, "127.0.0.1:3247", "", "", "0.1", "",                            \
      "Addresses to listen on: HOST:PORT, one or a list. ':3247' means every IPv4 address.", "")   \
    X(ROOT, tls, OBJECT, TLS, "", "", "", "0.1", "", "TLS for clients.", "")                       \
    X(ROOT, workers, UINT, NONE, "0", "0", "256", "0.1", "",                                       \
      "Worker threads; 0 means one for each processor core.", "")                                  \
    X(ROOT, routing, OBJECT, ROUTING, "", "", "", "0.1", "", "Routing and health.", "")            \
    X(ROOT, providers, MAP, PROVIDER, "", "", "", "0.1", "",                                       \
      "Providers by name. Accepted here and under 'routing'.", "")                                 \
    X(ROOT, models, MAP, MODEL, "", "", "", "0.1", "", "Names that clients may ask for.", "")      \
    X(ROOT, load_balancing, OBJECT, LOAD_BALANCING, "", "", "", "0.1", "", "Load balancing.", "")  \
    X(ROOT, monitoring, OBJECT, MONITORING, "", "", "", "0.1", "", "Monitoring.", "")              \
    X(ROOT, keys, LIST, CLIENT, "", "", "", "0.1", "", "Client keys.", "")                         \
    X(ROOT, auth, OBJECT, AUTH, "", "", "", "0.1", "", "Client authentication.", "")               \
    X(ROOT, limits, OBJECT, LIMITS, "", "", "", "0.1", "", "Ceilings.", "")                        \
    X(ROOT, telemetry, OBJECT, TELEMETRY, "", "", "", "0.1", "", "Access log and headers.", "")    \
    X(ROOT, admin, LATER, NONE, "", "", "", "", "", "the dashboard and the admin API", "")         \
    X(ROOT, ledger, LATER, NONE, "", "", "", "", "", "the ledger of requests and costs", "")       \
    X(ROOT, cluster, LATER, NONE, "", "", "", "", "", "several instances sharing state", "")       \
    X(ROOT, budgets, LATER, NONE, "", "", "", "", "", "budgets", "")                               \
    X(TLS, cert, STRING, NONE, "", "", "", "0.1", "",                                              \
      "Path of the certificate chain in PEM, leaf first.", "")                                     \
    X(TLS, key, STRING, NONE, "", "", "", "0.1", "", "Path of the private key in PEM.", "")        \
    X(ROUTING, strategy, ENUM, STRATEGY, "hybrid", "", "", "0.1", "",                              \
      "How 'auto' and every model without a strategy of its own choose a target.", "")             \
    X(ROUTING, wait_usd_per_second, REAL, NONE, "0.01", "0.000001", "1000", "0.1", "",             \
      "What a second of waiting is worth in USD: by this 'hybrid' weighs time against price.", "") \
    X(ROUTING, quality_model, STRING, NONE, "", "", "", "0.3", "",                                 \
      "Path of a file that 'fairlead train --quality' has written: what 'quality' starts from. "   \
      "With it 'hybrid' looks at quality too.",                                                    \
      "")                                                                                          \
    X(ROUTING, classifier, STRING, NONE, "tfidf_linear", "", "", "0.3", "",                        \
      "What tells the kind of a task: tfidf_linear or keyword, which ship, or the path of a file " \
      "that 'fairlead train' has written.",                                                        \
      "")                                                                                          \
    X(ROUTING, tier_down_allowed, BOOL, NONE, "false", "", "", "0.1", "",                          \
      "true: with no target of the tier asked for, the nearest tier below answers; the decision "  \
      "says so. false: such a request is refused.",                                                \
      "")                                                                                          \
    X(ROUTING, over_budget_allowed, BOOL, NONE, "false", "", "", "0.1", "",                        \
      "true: with no target within the cost limit, the targets beyond it answer; the decision "    \
      "says so. false: such a request is refused.",                                                \
      "")                                                                                          \
    X(ROUTING, health_check_interval, DURATION, NONE, "30s", "1s", "1h", "0.1", "",                \
      "Time between active checks of a provider: a free request with its key.", "")                \
    X(ROUTING, health_check_timeout, DURATION, NONE, "5s", "10ms", "5m", "0.1", "",                \
      "Time an active check may take.", "")                                                        \
    X(ROUTING, health_check_failures, UINT, NONE, "2", "1", "1000", "0.4", "",                     \
      "Active checks that fail in a row after which a target is ejected.", "")                     \
    X(ROUTING, failover_threshold, UINT, NONE, "3", "1", "1000", "0.1", "",                        \
      "Requests that fail in a row after which a target is ejected. Failures among successes add " \
      "up too: a success outweighs a tenth of one.", "")                                           \
    X(ROUTING, recovery_threshold, UINT, NONE, "3", "1", "1000", "0.1", "",                        \
      "Consecutive successes after which an ejected target is trusted again.", "")                 \
    X(ROUTING, ejection_time, DURATION, NONE, "30s", "1s", "5m", "0.1", "",                        \
      "Length of a target's first ejection; doubles with each further one, to at most 5m.", "")    \
    X(ROUTING, timeouts, OBJECT, TIMEOUTS, "", "", "", "0.1", "", "Timeouts of requests.", "")     \
    X(ROUTING, attempts, UINT, NONE, "3", "1", "16", "0.1", "",                                    \
      "Upstream attempts of one request, the first included.", "")                                 \
    X(ROUTING, hedge, STRING, NONE, "off", "", "", "0.4", "",                                      \
      "When a second target is asked while the first says nothing: off, auto (later than 95 % of " \
      "its first tokens) or a duration. Whoever says something first answers, the other is "       \
      "cancelled; both are paid for.",                                                             \
      "")                                                                                          \
    X(ROUTING, hedge_plain, BOOL, NONE, "false", "", "", "0.5", "",                                \
      "true: plain answers are hedged too, once one takes longer than 95 % of those of its target "\
      "and of its expected length.", "")                                                           \
    X(ROUTING, hedge_tools, BOOL, NONE, "false", "", "", "0.4", "",                                \
      "true: requests with tools are hedged too.", "")                                             \
    X(ROUTING, resume, STRING, NONE, "off", "", "", "0.4", "",                                     \
      "What becomes of a stream whose provider breaks off: off (an error event), or continue "     \
      "(another target goes on where it stopped). A request may ask for it (x-fairlead-resume).",  \
      "")                                                                                          \
    X(ROUTING, replay, STRING, NONE, "off", "", "", "0.6", "",                                     \
      "on: events of a stream carry an id, and a client whose connection broke comes back with "   \
      "Last-Event-ID for those it missed and the rest. A request may ask for it "                  \
      "(x-fairlead-replay).",                                                                      \
      "")                                                                                          \
    X(ROUTING, translation, STRING, NONE, "allow", "", "", "0.5", "",                              \
      "Targets that speak another dialect than the client: allow (what is lost is told in "        \
      "x-fairlead-dropped) or strict (not where anything would be lost).",                         \
      "")                                                                                          \
    X(ROUTING, providers, MAP, PROVIDER, "", "", "", "0.1", "",                                    \
      "The same as 'providers' at the top level.", "")                                             \
    X(ROUTING, load_balancing, OBJECT, LOAD_BALANCING, "", "", "", "0.1", "",                      \
      "The same as 'load_balancing' at the top level.", "")                                        \
    X(ROUTING, monitoring, OBJECT, MONITORING, "", "", "", "0.1", "",                              \
      "The same as 'monitoring' at the top level.", "")                                            \
    X(ROUTING, baseline_model, LATER, NONE, "", "", "", "", "", "savings against a baseline", "")  \
    X(TIMEOUTS, connect, DURATION, NONE, "5s", "1ms", "10m", "0.1", "",                            \
      "Connecting: TCP and TLS.", "")                                                              \
    X(TIMEOUTS, first_token, DURATION, NONE, "60s", "1ms", "1h", "0.1", "",                        \
      "From the request sent to the first byte of the answer's body.", "")                         \
    X(TIMEOUTS, idle, DURATION, NONE, "60s", "1ms", "1h", "0.1", "",                               \
      "Between two reads of an answer.", "")                                                       \
    X(TIMEOUTS, total, DURATION, NONE, "600s", "1ms", "24h", "0.1", "",                            \
      "The whole request, all attempts together.", "")                                             \
    X(PROVIDER, type, ENUM, VENDOR, "", "", "", "0.1", "",                                         \
      "The vendor. Implied by a known name; openai_compatible for any other server.", "")          \
    X(PROVIDER, base_url, STRING, NONE, "", "", "", "0.1", "",                                     \
      "Where its API lives, up to the part before '/chat/completions'. Implied by the type.", "")  \
    X(PROVIDER, api_key, SECRET, NONE, "", "", "", "0.1", "",                                      \
      "The key: ${VARIABLE}, {file: PATH} or {credential: NAME}. Absent: the vendor's usual "      \
      "variable.",                                                                                 \
      "")                                                                                          \
    X(PROVIDER, keys, SECRETS, PROVIDER_KEY, "", "", "", "0.4", "",                                \
      "More keys of the same kind, a list with each as api_key, or as {key: ..., rpm: 60}: what "  \
      "one is refused for (a rate limit, a spent quota, a revoked key) is tried with the next.",   \
      "")                                                                                          \
    X(PROVIDER, rpm, UINT, NONE, "", "1", "1000000000", "0.5", "",                                 \
      "Requests a minute that the vendor allows each key, for each model; those under 'keys' "     \
      "replace it. At most ten seconds' worth of them go out at once. What its answers tell of "   \
      "a limit tightens it further.",                                                              \
      "")                                                                                          \
    X(PROVIDER, tpm, UINT, NONE, "", "1", "1000000000000", "0.5", "",                              \
      "The same in tokens a minute, those of the prompt and of the answer.", "")                   \
    X(PROVIDER, account, STRING, NONE, "", "", "", "0.5", "",                                      \
      "Name of the vendor's account that pays, where several providers share one: what is spent "  \
      "for one of them is for all. Absent: its own.",                                              \
      "")                                                                                          \
    X(PROVIDER, quota, STRING, NONE, "", "", "", "0.5", "",                                        \
      "Name of a limit of the vendor's that all keys of the providers with this name draw from, "  \
      "model by model: what one of them is told of it holds for all. Absent: each key has its "    \
      "own.",                                                                                      \
      "")                                                                                          \
    X(PROVIDER, enabled, BOOL, NONE, "true", "", "", "0.1", "",                                    \
      "false takes the provider's targets out of every route.", "")                                \
    X(PROVIDER, models, STRINGS, NONE, "", "", "", "0.1", "",                                      \
      "Model names to route to. Absent: any model name is passed on as PROVIDER/MODEL.", "")       \
    X(PROVIDER, weight, REAL, NONE, "1", "0.001", "1000", "0.1", "",                               \
      "Share of the traffic relative to other providers.", "")                                     \
    X(PROVIDER, cost_multiplier, REAL, NONE, "1", "0.001", "1000", "0.1", "",                      \
      "Multiplies the provider's prices. Without prices, 'cost' compares it alone, and 'hybrid' "  \
      "divides the provider's share by it.",                                                       \
      "")                                                                                          \
    X(PROVIDER, performance_bonus, REAL, NONE, "0", "-1", "1", "0.1", "",                          \
      "Added to the provider's score where performance is compared; 'hybrid' multiplies its "      \
      "share by 1 + this.",                                                                        \
      "")                                                                                          \
    X(PROVIDER, prices, PRICES, PRICES, "", "", "", "0.1", "",                                     \
      "Prices of its models, over those of the catalogue.", "")                                    \
    X(PROVIDER, model_info, MAP, MODEL_INFO, "", "", "", "0.2", "",                                \
      "Facts about its models, by name, over those of the catalogue.", "")                         \
    X(PROVIDER, headers, STRING_MAP, NONE, "", "", "", "0.1", "",                                  \
      "Extra request headers, by name.", "")                                                       \
    X(PROVIDER, timeouts, OBJECT, TIMEOUTS, "", "", "", "0.1", "",                                 \
      "Replace those of 'routing' for this provider.", "")                                         \
    X(PROVIDER, connections, UINT, NONE, "10000", "1", "100000", "0.1", "",                        \
      "Connections at most, for each worker.", "")                                                 \
    X(PROVIDER, concurrency, STRING, NONE, "", "", "", "0.4", "",                                  \
      "Requests at most that each of its models is asked at a time, by all workers together: a "   \
      "number, or 'auto' for what is learned from the times to first tokens and from refusals. "   \
      "Others wait their turn. Without it, as many as come.", "")                                  \
    X(PROVIDER, ca_file, STRING, NONE, "", "", "", "0.1", "",                                      \
      "Path of the certificates (PEM) to trust instead of the system's.", "")                      \
    X(PROVIDER, stream_options, BOOL, NONE, "", "", "", "0.1", "",                                 \
      "Whether it understands stream_options.include_usage. Implied by the type.", "")             \
    X(PROVIDER, simulated, BOOL, NONE, "false", "", "", "0.1", "",                                 \
      "Its answers are made up; they are marked with 'x-fairlead-simulated: true'.", "")           \
    X(PROVIDER, health, OBJECT, HEALTH, "", "", "", "0.4", "", "Its active checks.", "")           \
    X(PROVIDER, dialect, ENUM, DIALECT, "", "", "", "0.5", "",                                     \
      "What it speaks, when that is not what its type implies: any server with another "           \
      "vendor's API.",                                                                             \
      "")                                                                                          \
    X(PROVIDER, api, ENUM, API, "", "", "", "0.5", "",                                             \
      "Which of its APIs is asked for a chat where the client speaks another dialect: chat or "    \
      "responses (OpenAI), converse or invoke (Bedrock). Implied by the type.",                    \
      "")                                                                                          \
    X(PROVIDER, responses, BOOL, NONE, "", "", "", "0.5", "",                                      \
      "Whether it offers OpenAI's responses API: then requests to /v1/responses go there as they " \
      "are, else they are translated. Implied by the type.",                                       \
      "")                                                                                          \
    X(PROVIDER, region, STRING, NONE, "", "", "", "0.5", "",                                       \
      "Region of AWS (bedrock) or location of Google Cloud (vertex). Absent: AWS_REGION, "         \
      "AWS_DEFAULT_REGION; for vertex GOOGLE_CLOUD_LOCATION, else global. For others it says only "\
      "where they run: what fails in one region is tried in another first.",                       \
      "")                                                                                          \
    X(PROVIDER, location, STRING, NONE, "", "", "", "0.5", "",                                     \
      "The same as 'region', in Google's word.",                                                   \
      "")                                                                                          \
    X(PROVIDER, project, STRING, NONE, "", "", "", "0.5", "",                                      \
      "Project of Google Cloud (vertex). Absent: GOOGLE_CLOUD_PROJECT, else that of the "          \
      "service account.",                                                                          \
      "")                                                                                          \
    X(PROVIDER, resource, STRING, NONE, "", "", "", "0.5", "",                                     \
      "Name of the Azure OpenAI resource, as in https://RESOURCE.openai.azure.com. Or give "       \
      "'base_url'.",                                                                               \
      "")                                                                                          \
    X(PROVIDER, api_version, STRING, NONE, "", "", "", "0.5", "",                                  \
      "Azure: the date of the API of deployments; absent, its v1 API is used. Vertex: v1 "         \
      "(the default) or v1beta1.",                                                                 \
      "")                                                                                          \
    X(PROVIDER, auth, OBJECT, PROVIDER_AUTH, "", "", "", "0.5", "",                                \
      "Credentials that are more than a key.",                                                     \
      "")                                                                                          \
    X(PROVIDER_AUTH, source, ENUM, AUTH_SOURCE, "", "", "", "0.5", "",                             \
      "Where keys or tokens come from. Absent: by the other keys here, else by the usual "         \
      "variables of the cloud's own tools.",                                                       \
      "")                                                                                          \
    X(PROVIDER_AUTH, access_key_id, STRING, NONE, "", "", "", "0.5", "",                           \
      "AWS: the key's id. Absent: AWS_ACCESS_KEY_ID.",                                             \
      "")                                                                                          \
    X(PROVIDER_AUTH, secret_access_key, SECRET, NONE, "", "", "", "0.5", "",                       \
      "AWS: the key's secret. Absent: AWS_SECRET_ACCESS_KEY.",                                     \
      "")                                                                                          \
    X(PROVIDER_AUTH, session_token, SECRET, NONE, "", "", "", "0.5", "",                           \
      "AWS: of temporary keys. Absent: AWS_SESSION_TOKEN.",                                        \
      "")                                                                                          \
    X(PROVIDER_AUTH, role_arn, STRING, NONE, "", "", "", "0.5", "",                                \
      "AWS, web_identity: the role to take. Absent: AWS_ROLE_ARN.",                                \
      "")                                                                                          \
    X(PROVIDER_AUTH, token_file, STRING, NONE, "", "", "", "0.5", "",                              \
      "AWS, web_identity: path of the token to show; container: of the value for "                 \
      "authorization. Read again whenever keys are fetched.",                                      \
      "")                                                                                          \
    X(PROVIDER_AUTH, service_account_file, STRING, NONE, "", "", "", "0.5", "",                    \
      "Google: path of a service account's key file (JSON). Absent: "                              \
      "GOOGLE_APPLICATION_CREDENTIALS.",                                                           \
      "")                                                                                          \
    X(PROVIDER_AUTH, tenant, STRING, NONE, "", "", "", "0.5", "",                                  \
      "Azure, entra: the directory's id. Absent: AZURE_TENANT_ID.",                                \
      "")                                                                                          \
    X(PROVIDER_AUTH, client_id, STRING, NONE, "", "", "", "0.5", "",                               \
      "Azure, entra: the application's id. Absent: AZURE_CLIENT_ID.",                              \
      "")                                                                                          \
    X(PROVIDER_AUTH, client_secret, SECRET, NONE, "", "", "", "0.5", "",                           \
      "Azure, entra: its secret. Absent: AZURE_CLIENT_SECRET.",                                    \
      "")                                                                                          \
    X(PROVIDER_AUTH, endpoint, STRING, NONE, "", "", "", "0.5", "",                                \
      "URL to fetch tokens or keys from, instead of the cloud's own.",                             \
      "")                                                                                          \
    X(PROVIDER_KEY, key, SECRET, NONE, "", "", "", "0.5", "", "The key, as api_key.", "")          \
    X(PROVIDER_KEY, rpm, UINT, NONE, "", "1", "1000000000", "0.5", "",                             \
      "Requests a minute that the vendor allows it, for each model.", "")                          \
    X(PROVIDER_KEY, tpm, UINT, NONE, "", "1", "1000000000000", "0.5", "",                          \
      "Tokens a minute, for each model.", "")                                                      \
    X(HEALTH, enabled, BOOL, NONE, "true", "", "", "0.4", "",                                      \
      "false: no active checks; its health is told by its traffic alone.", "")                     \
    X(HEALTH, path, STRING, NONE, "", "", "", "0.4", "",                                           \
      "What to GET, behind the base URL. Absent: the list of models.", "")                         \
    X(HEALTH, interval, DURATION, NONE, "", "1s", "1h", "0.4", "",                                 \
      "Replaces 'health_check_interval' of 'routing'.", "")                                        \
    X(HEALTH, timeout, DURATION, NONE, "", "10ms", "5m", "0.4", "",                                \
      "Replaces 'health_check_timeout' of 'routing'.", "")                                         \
    X(PRICES, input, REAL, NONE, "", "0", "1000000", "0.1", "", "USD per million input tokens.",   \
      "")                                                                                          \
    X(PRICES, output, REAL, NONE, "", "0", "1000000", "0.1", "", "USD per million output tokens.", \
      "")                                                                                          \
    X(PRICES, cached_input, REAL, NONE, "", "0", "1000000", "0.2", "",                             \
      "USD per million input tokens read from a prompt cache. Absent: as input.", "")              \
    X(PRICES, cache_write, REAL, NONE, "", "0", "1000000", "0.2", "",                              \
      "USD per million input tokens written to a cache for minutes. Absent: as input.", "")        \
    X(PRICES, cache_write_1h, REAL, NONE, "", "0", "1000000", "0.2", "",                           \
      "USD per million input tokens written to a cache for an hour. Absent: as cache_write.", "")  \
    X(PRICES, reasoning, REAL, NONE, "", "0", "1000000", "0.2", "",                                \
      "USD per million reasoning tokens. Absent: as output.", "")                                  \
    X(PRICES, input_audio, REAL, NONE, "", "0", "1000000", "0.2", "",                              \
      "USD per million input tokens of sound. Absent: as input.", "")                              \
    X(PRICES, input_image, REAL, NONE, "", "0", "1000000", "0.2", "",                              \
      "USD per million input tokens of images. Absent: as input.", "")                             \
    X(PRICES, output_audio, REAL, NONE, "", "0", "1000000", "0.2", "",                             \
      "USD per million output tokens of sound. Absent: as output.", "")                            \
    X(PRICES, output_image, REAL, NONE, "", "0", "1000000", "0.2", "",                             \
      "USD per million output tokens of images. Absent: as output.", "")                           \
    X(PRICES, request, REAL, NONE, "", "0", "1000000", "0.2", "", "USD per thousand requests.", "") \
    X(PRICES, web_search, REAL, NONE, "", "0", "1000000", "0.2", "",                               \
      "USD per thousand searches of the web.", "")                                                 \
    X(PRICES, batch, REAL, NONE, "", "0.001", "65", "0.2", "",                                     \
      "Factor on token prices of answers served as 'batch'.", "")                                  \
    X(PRICES, flex, REAL, NONE, "", "0.001", "65", "0.2", "",                                      \
      "Factor on token prices of answers served as 'flex'.", "")                                   \
    X(PRICES, priority, REAL, NONE, "", "0.001", "65", "0.2", "",                                  \
      "Factor on token prices of answers served as 'priority'.", "")                               \
    X(MODEL_INFO, context, UINT, NONE, "", "1", "4294967295", "0.2", "",                           \
      "Tokens of input and output together at most.", "")                                          \
    X(MODEL_INFO, max_output, UINT, NONE, "", "1", "4294967295", "0.2", "",                        \
      "Tokens of an answer at most.", "")                                                          \
    X(MODEL_INFO, tier, ENUM, TIER, "", "", "", "0.2", "", "Quality tier.", "")                    \
    X(MODEL_INFO, capabilities, STRINGS, NONE, "", "", "", "0.2", "",                              \
      "What it can: chat, stream, tools, json, reasoning, vision, audio, video, pdf, speech, "     \
      "images, embeddings.",                                                                       \
      "")                                                                                          \
    X(MODEL_INFO, tokenizer, ENUM, TOKENIZER, "", "", "", "0.2", "",                               \
      "How it cuts text into tokens, for estimates. Absent: by the model's name.", "")             \
    X(MODEL, strategy, ENUM, STRATEGY, "", "", "", "0.1", "", "Replaces that of 'routing'.", "")   \
    X(MODEL, algorithm, ENUM, ALGORITHM, "", "", "", "0.1", "",                                    \
      "Replaces that of 'load_balancing'.", "")                                                    \
    X(MODEL, targets, STRINGS, NONE, "", "", "", "0.1", "",                                        \
      "Targets to choose among: PROVIDER/MODEL, or a model's name for every provider of it.", "")  \
    X(MODEL, fallback, STRINGS, NONE, "", "", "", "0.1", "",                                       \
      "Targets to try in this order when those above fail.", "")                                   \
    X(MODEL, fallbacks, OBJECT, FALLBACKS, "", "", "", "0.4", "",                                  \
      "Targets for what a larger context or another content policy could mend.", "")               \
    X(MODEL, hedge, STRING, NONE, "", "", "", "0.4", "", "Replaces that of 'routing'.", "")        \
    X(MODEL, hedge_plain, BOOL, NONE, "", "", "", "0.5", "", "Replaces that of 'routing'.", "")    \
    X(MODEL, hedge_tools, BOOL, NONE, "", "", "", "0.4", "", "Replaces that of 'routing'.", "")    \
    X(MODEL, resume, STRING, NONE, "", "", "", "0.4", "", "Replaces that of 'routing'.", "")       \
    X(MODEL, replay, STRING, NONE, "", "", "", "0.6", "", "Replaces that of 'routing'.", "")       \
    X(MODEL, translation, STRING, NONE, "", "", "", "0.5", "", "Replaces that of 'routing'.", "")  \
    X(MODEL, alias, STRING, NONE, "", "", "", "0.1", "", "Another name that this one stands for.", \
      "")                                                                                          \
    X(MODEL, tier, ENUM, TIER, "", "", "", "0.1", "",                                              \
      "Quality tier that a target must have at least, where a request does not say "               \
      "(x-fairlead-tier).",                                                                        \
      "")                                                                                          \
    X(MODEL, max_cost, REAL, NONE, "", "0.000000001", "1000", "0.1", "",                           \
      "USD that a request may cost at most, held against a long answer. A request may ask for "    \
      "less (x-fairlead-max-cost-usd), not for more.",                                             \
      "")                                                                                          \
    X(MODEL, never_worse_than, STRING, NONE, "", "", "", "0.3", "",                                \
      "The model that answers by default. 'quality' and 'hybrid' prefer another one for a kind "   \
      "of task only once feedback has shown that it is not worse: PROVIDER/MODEL or a model's "    \
      "name.",                                                                                     \
      "")                                                                                          \
    X(MODEL, daily_budget, REAL, NONE, "", "0.000001", "1000000", "0.3", "",                       \
      "USD a day that 'quality' and the quality step of 'hybrid' pace themselves by: the faster "  \
      "it goes out, the more a better answer must be worth. No hard limit.",                       \
      "")                                                                                          \
    X(MODEL, preferences, OBJECT, PREFERENCES, "", "", "", "0.1", "",                              \
      "Targets to prefer by kind of task, for 'classification' and 'hybrid'.", "")                 \
    X(FALLBACKS, context_length, STRINGS, NONE, "", "", "", "0.4", "",                             \
      "For a request that a provider refuses as too long for its model.", "")                      \
    X(FALLBACKS, content_policy, STRINGS, NONE, "", "", "", "0.4", "",                             \
      "For a request that a provider's content policy refuses. Without it such a refusal is the "  \
      "answer.",                                                                                   \
      "")                                                                                          \
    X(PREFERENCES, summarization, STRINGS, NONE, "", "", "", "0.1", "", "For summaries.", "")      \
    X(PREFERENCES, classification, STRINGS, NONE, "", "", "", "0.1", "", "For classification and extraction.", "") \
    X(PREFERENCES, generation, STRINGS, NONE, "", "", "", "0.1", "", "For writing of texts and code.", "") \
    X(PREFERENCES, analysis, STRINGS, NONE, "", "", "", "0.1", "", "For analysis and reasoning.", "") \
    X(PREFERENCES, translation, STRINGS, NONE, "", "", "", "0.1", "", "For translation.", "")      \
    X(PREFERENCES, other, STRINGS, NONE, "", "", "", "0.1", "", "For everything else.", "")        \
    X(LOAD_BALANCING, algorithm, ENUM, ALGORITHM, "weighted_round_robin", "", "", "0.1", "",       \
      "How 'load_balance' spreads requests, and 'hybrid' those among targets that are as good.", "") \
    X(LOAD_BALANCING, adaptation_rate, REAL, NONE, "0.1", "0", "1", "0.1", "",                     \
      "Weight of the newest measurement, kept for files of earlier routers.",                      \
      "has no effect in this version: measurements fade with time, not with their number")         \
    X(LOAD_BALANCING, history_size, UINT, NONE, "100", "5", "1000000", "0.1", "",                  \
      "Measurements of a target that count at most; older ones fade with each new one.", "")       \
    X(MONITORING, enabled, BOOL, NONE, "true", "", "", "0.1", "",                                  \
      "Monitoring, kept for files of earlier routers.",                                            \
      "has no effect in this version: targets are always measured")                                \
    X(MONITORING, metrics_retention_days, UINT, NONE, "30", "1", "3650", "0.1", "",                \
      "Days to keep measurements, kept for files of earlier routers.",                             \
      "has no effect in this version: no history of measurements is stored yet")                   \
    X(MONITORING, alert_threshold, REAL, NONE, "0.95", "0", "1", "0.1", "",                        \
      "Success ratio below which to alert, kept for files of earlier routers.",                    \
      "has no effect in this version: no alerts are sent yet")                                     \
    X(CLIENT, name, STRING, NONE, "", "", "", "0.1", "", "Whose key it is, for logs.", "")         \
    X(CLIENT, key, SECRET, NONE, "", "", "", "0.1", "", "The key itself.", "")                     \
    X(CLIENT, key_sha256, STRING, NONE, "", "", "", "0.1", "",                                     \
      "Instead of the key: its SHA-256 in 64 hexadecimal digits.", "")                             \
    X(CLIENT, priority, ENUM, CLASS, "", "", "", "0.4", "",                                        \
      "Class of its requests where they must wait. Their header x-fairlead-priority may lower it, "\
      "not raise it. Without it, the header says, or 'normal'.", "")                               \
    X(CLIENT, models, LATER, NONE, "", "", "", "", "", "limiting a key to models", "")             \
    X(CLIENT, budget, LATER, NONE, "", "", "", "", "", "budgets", "")                              \
    X(CLIENT, rpm, LATER, NONE, "", "", "", "", "", "rate limits of keys", "")                     \
    X(CLIENT, tags, LATER, NONE, "", "", "", "", "", "tags", "")                                   \
    X(AUTH, insecure_no_auth, BOOL, NONE, "false", "", "", "0.1", "",                              \
      "true allows a public address without client keys.", "")                                     \
    X(LIMITS, head, SIZE, NONE, "64KiB", "1KiB", "1MiB", "0.1", "",                                \
      "Head of a request or an answer.", "")                                                       \
    X(LIMITS, body, SIZE, NONE, "32MiB", "1KiB", "1GiB", "0.1", "", "Body of a request.", "")      \
    X(LIMITS, response_hold, SIZE, NONE, "256KiB", "0", "64MiB", "0.1", "",                        \
      "A plain answer up to this size is checked whole before it is sent on.", "")                 \
    X(LIMITS, resume, SIZE, NONE, "256KiB", "0", "64MiB", "0.4", "",                               \
      "Text of a stream kept at most to continue it; a longer one is not continued.", "")          \
    X(LIMITS, responses, SIZE, NONE, "64MiB", "0", "64GiB", "0.5", "",                             \
      "Memory for translated answers of the responses API, so that requests can refer to them by " \
      "id. 0: none is kept.", "")                                                                  \
    X(LIMITS, responses_age, DURATION, NONE, "1h", "1s", "720h", "0.5", "",                        \
      "How long such an answer is kept after its last use.", "")                                   \
    X(LIMITS, replay, SIZE, NONE, "256KiB", "0", "64MiB", "0.6", "",                               \
      "Last events of a stream kept for a client that comes back. 0: of none.", "")                \
    X(LIMITS, replay_total, SIZE, NONE, "64MiB", "0", "64GiB", "0.6", "",                           \
      "Events kept of all streams together, of all workers.", "")                                  \
    X(LIMITS, replay_grace, DURATION, NONE, "30s", "100ms", "1h", "0.6", "",                       \
      "How long a stream that a client may come back for goes on without one, and is kept when "   \
      "it has ended.",                                                                             \
      "")                                                                                          \
    X(LIMITS, event, SIZE, NONE, "1MiB", "1KiB", "64MiB", "0.1", "", "One event of a stream.", "") \
    X(LIMITS, client_connections, UINT, NONE, "10000", "1", "1000000", "0.1", "",                  \
      "Client connections, for each worker.", "")                                                  \
    X(LIMITS, queue, UINT, NONE, "256", "0", "1024", "0.4", "",                                    \
      "Requests that may wait for a place at one target, for each worker. 0: none waits.", "")     \
    X(LIMITS, queue_wait, DURATION, NONE, "", "1ms", "1h", "0.4", "",                              \
      "How long a request may wait for a place. Without it, as long as for a connection "          \
      "(timeouts.connect).", "")                                                                   \
    X(LIMITS, attempts, UINT, NONE, "", "1", "16", "0.1", "",                                      \
      "The same as 'attempts' under 'routing'.", "")                                               \
    X(LIMITS, head_timeout, DURATION, NONE, "10s", "100ms", "10m", "0.1", "",                      \
      "Time for a request's whole head.", "")                                                      \
    X(LIMITS, body_timeout, DURATION, NONE, "60s", "100ms", "1h", "0.1", "",                       \
      "Time for a request's whole body.", "")                                                      \
    X(LIMITS, min_rate, SIZE, NONE, "500", "0", "1GiB", "0.1", "",                                 \
      "Bytes per second that a client must send or read at least.", "")                            \
    X(LIMITS, idle, DURATION, NONE, "75s", "1s", "1h", "0.1", "",                                  \
      "Keep-alive of an idle client connection.", "")                                              \
    X(LIMITS, upstream_idle, DURATION, NONE, "55s", "1s", "1h", "0.1", "",                         \
      "Keep-alive of an idle connection to a provider.", "")                                       \
    X(LIMITS, heartbeat, DURATION, NONE, "15s", "1s", "10m", "0.1", "",                            \
      "A comment is sent on a waiting stream this often.", "")                                     \
    X(LIMITS, drain, DURATION, NONE, "300s", "0s", "24h", "0.1", "",                               \
      "Time that requests in flight get to end at a shutdown.", "")                                \
    X(TELEMETRY, access_log, BOOL, NONE, "true", "", "", "0.1", "",                                \
      "One line for each request on standard error.", "")                                          \
    X(TELEMETRY, expose_decisions, BOOL, NONE, "true", "", "", "0.1", "",                          \
      "Answers say in x-fairlead-* headers which target was chosen and why.", "")                  \
    X(TELEMETRY, decisions, UINT, NONE, "100", "0", "100000", "0.1", "",                           \
      "Decision records to keep, for each worker, for GET /admin/v1/decisions. Read at start.", "") \
    X(TELEMETRY, otlp, LATER, NONE, "", "", "", "", "", "OpenTelemetry", "")                       \
    X(TELEMETRY, log_content, LATER, NONE, "", "", "", "", "", "logging of prompts", "")

enum fl_key_id {
#define X(section, name, type, of, text, min, max, since, alias, doc, effect)                      \
    FL_KEY_##section##_##name,
    FL_KEYS(X)
#undef X
        FL_KEY_COUNT
};

struct fl_key {
    enum fl_section section;
    const char *name;
    enum fl_key_type type;
    unsigned of; /* enum fl_section or enum fl_enum, by type */
    const char *text_default, *min, *max;
    const char *since, *alias, *doc, *effect;
};

extern const struct fl_key fl_keys[FL_KEY_COUNT];

/* "routing.timeouts", with NAME for a name and [] for a list's element; "" for the top level. */
const char *fl_section_path(enum fl_section section);
const char *fl_section_doc(enum fl_section section);
/* The rows of *section*: index of the first, and their number. */
unsigned fl_section_first(enum fl_section section);
unsigned fl_section_count(enum fl_section section);

/* The row of *name* in *section* (also by its deprecated alias), or NULL. */
const struct fl_key *fl_key_find(enum fl_section section, struct fl_slice name);
/* What an unknown key may have meant: "; did you mean 'x'?", "; it belongs under 'routing'", or
 * nothing. */
void fl_key_put_hint(enum fl_section section, struct fl_slice name, struct fl_buf *b);

/* The *index*-th word of an enumeration, or NULL past its end. */
const char *fl_enum_word(enum fl_enum words, unsigned index);

/* The nearest of names offered one after another. Start with {.wanted = name}. */
struct fl_nearest {
    struct fl_slice wanted;
    struct fl_slice best; /* empty: none near enough */
    unsigned distance, offered;
};
void fl_nearest_offer(struct fl_nearest *n, struct fl_slice candidate);

#endif
