/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one error table. A fallible function returns enum fl_err (FL_OK = 0); the variable is `err`.
 * Every row: code, stable name (logs, x-fairlead-reason, metrics), HTTP status a client sees when
 * nothing better is known, may any other target be tried, who is to blame, what to do about it.
 * What exactly may be tried after an attempt failed, and what it says about the target's health, is
 * the table of route/failure.h.
 */
#ifndef FL_BASE_ERR_H
#define FL_BASE_ERR_H

#include <stdbool.h>

enum fl_blame { FL_BLAME_NONE, FL_BLAME_CALLER, FL_BLAME_POLICY, FL_BLAME_PROVIDER, FL_BLAME_GATEWAY };

/* X(code, name, http_status, retryable_elsewhere, blame, text) */
#define FL_ERR_TABLE(X)                                                                            \
    X(FL_OK, "ok", 200, false, NONE, "no error")                                                   \
    /* our own limits and resources */                                                             \
    X(FL_ERR_NOMEM, "gateway_no_memory", 503, false, GATEWAY, "out of memory")                     \
    X(FL_ERR_TOO_BIG, "gateway_limit", 413, false, CALLER, "a size limit was reached")             \
    X(FL_ERR_INTERNAL, "gateway_internal", 500, false, GATEWAY, "internal error")                  \
    X(FL_ERR_OVERLOADED, "gateway_overloaded", 503, true, GATEWAY,                                 \
      "no connection to the provider was free")                                               \
    X(FL_ERR_DRAINING, "gateway_draining", 503, false, GATEWAY, "the gateway is shutting down")    \
    X(FL_ERR_HEDGED, "gateway_hedged", 500, false, NONE, "another target answered first")          \
    X(FL_ERR_SYS, "gateway_system", 500, false, GATEWAY, "a system call failed")                   \
    X(FL_ERR_INVALID, "gateway_invalid", 500, false, GATEWAY, "invalid argument")                  \
    /* a client's HTTP */                                                                          \
    X(FL_ERR_H1_SYNTAX, "caller_bad_http", 400, false, CALLER, "malformed HTTP message")           \
    X(FL_ERR_H1_VERSION, "caller_bad_http_version", 505, false, CALLER,                            \
      "only HTTP/1.0 and HTTP/1.1 are spoken here")                                                \
    X(FL_ERR_H1_METHOD, "caller_bad_method", 501, false, CALLER, "unknown HTTP method")            \
    X(FL_ERR_H1_TARGET, "caller_bad_target", 400, false, CALLER, "malformed request target")       \
    X(FL_ERR_H1_TARGET_LONG, "caller_target_long", 414, false, CALLER, "request target too long")  \
    X(FL_ERR_H1_HEAD_LONG, "caller_head_long", 431, false, CALLER, "header section too large")     \
    X(FL_ERR_H1_HOST, "caller_bad_host", 400, false, CALLER, "exactly one valid Host is required") \
    X(FL_ERR_H1_LENGTH, "caller_bad_length", 400, false, CALLER, "invalid Content-Length")         \
    X(FL_ERR_H1_CODING, "caller_bad_coding", 501, false, CALLER,                                   \
      "only 'Transfer-Encoding: chunked' is understood")                                           \
    X(FL_ERR_H1_FRAMING, "caller_bad_framing", 400, false, CALLER,                                 \
      "Content-Length and Transfer-Encoding exclude each other")                                   \
    X(FL_ERR_H1_CHUNK, "caller_bad_chunk", 400, false, CALLER, "malformed chunked body")           \
    X(FL_ERR_H1_EXPECT, "caller_bad_expect", 417, false, CALLER,                                   \
      "the only expectation understood is 100-continue")                                           \
    X(FL_ERR_BODY_LONG, "caller_body_long", 413, false, CALLER, "request body too large")          \
    X(FL_ERR_SLOW, "caller_too_slow", 408, false, CALLER, "the request arrived too slowly")        \
    X(FL_ERR_CANCELLED, "caller_cancelled", 499, false, CALLER, "the client went away")            \
    /* a client's request */                                                                       \
    X(FL_ERR_REQUEST, "caller_invalid_request", 400, false, CALLER, "invalid request")             \
    X(FL_ERR_NOT_FOUND, "caller_not_found", 404, false, CALLER, "no such endpoint")                \
    X(FL_ERR_RESPONSE_GONE, "caller_response_gone", 404, false, CALLER,                            \
      "the response that the request goes on from is not kept")                                    \
    X(FL_ERR_ITEM_GONE, "caller_item_gone", 404, false, CALLER,                                    \
      "an item that the request refers to is not kept")                                            \
    X(FL_ERR_REPLAY, "replay_unknown", 404, false, CALLER, "no such stream to come back for")      \
    X(FL_ERR_OVERWRITTEN, "replay_overwritten", 410, false, CALLER,                                \
      "events that were missed are not kept any more")                                             \
    X(FL_ERR_DECISION, "decision_unknown", 404, false, CALLER, "no such decision")                 \
    X(FL_ERR_NOT_ALLOWED, "caller_method_not_allowed", 405, false, CALLER,                         \
      "method not allowed on this endpoint")                                                       \
    X(FL_ERR_MODEL_UNKNOWN, "caller_model_unknown", 404, false, CALLER, "no such model")           \
    X(FL_ERR_MEDIA_TYPE, "caller_media_type", 415, false, CALLER,                                  \
      "the body must be JSON without a content coding")                                            \
    X(FL_ERR_AUTH, "policy_auth", 401, false, POLICY, "invalid or missing key")                    \
    /* no target may answer it (the message says which constraint binds) */                        \
    X(FL_ERR_CAPABILITY, "caller_capability", 400, false, CALLER,                                  \
      "no target can do what the request needs")                                                   \
    X(FL_ERR_CONTEXT, "caller_context_length", 400, false, CALLER,                                 \
      "the request is longer than any target's context")                                           \
    X(FL_ERR_OUTPUT, "caller_output_length", 400, false, CALLER,                                   \
      "the request allows a longer answer than any target gives")                                  \
    X(FL_ERR_TIER, "policy_tier", 400, false, POLICY, "no target is of the tier asked for")        \
    X(FL_ERR_MAX_COST, "policy_max_cost", 402, false, POLICY,                                      \
      "no target answers within the cost limit")                                                   \
    X(FL_ERR_UNTRANSLATABLE, "caller_untranslatable", 400, true, CALLER,                           \
      "the request cannot be said in the provider's dialect")                                      \
    X(FL_ERR_DENIED, "policy_model_blocked", 403, false, POLICY,                                   \
      "this client may not use any target of the model")                                           \
    X(FL_ERR_DEADLINE, "caller_deadline", 504, false, CALLER, "the request's deadline passed")     \
    /* JSON */                                                                                     \
    X(FL_ERR_JSON_SYNTAX, "caller_bad_json", 400, false, CALLER, "malformed JSON")                 \
    X(FL_ERR_JSON_UTF8, "caller_bad_utf8", 400, false, CALLER, "invalid UTF-8 in JSON")            \
    X(FL_ERR_JSON_DEPTH, "caller_json_depth", 400, false, CALLER, "JSON is nested too deeply")     \
    X(FL_ERR_JSON_KEYS, "caller_json_keys", 400, false, CALLER, "too many keys in one JSON object")\
    X(FL_ERR_JSON_DUPLICATE, "caller_json_duplicate", 400, false, CALLER, "duplicate JSON key")    \
    X(FL_ERR_JSON_TYPE, "caller_json_type", 400, false, CALLER, "wrong JSON type")                 \
    /* SSE */                                                                                      \
    X(FL_ERR_SSE_LONG, "provider_event_long", 502, true, PROVIDER, "a stream event is too large")  \
    /* upstream */                                                                                 \
    X(FL_ERR_DNS, "provider_dns", 502, true, PROVIDER, "the provider's name does not resolve")     \
    X(FL_ERR_CONNECT, "provider_connection_failed", 502, true, PROVIDER, "cannot connect")         \
    X(FL_ERR_CONNECT_TIMEOUT, "provider_connect_timeout", 504, true, PROVIDER, "connect timed out")\
    X(FL_ERR_TLS, "provider_tls", 502, true, PROVIDER, "TLS handshake or certificate failed")      \
    X(FL_ERR_RESET, "provider_reset", 502, true, PROVIDER, "the connection was reset")             \
    X(FL_ERR_CLOSED, "provider_closed", 502, true, PROVIDER, "the connection closed too early")    \
    X(FL_ERR_FIRST_TOKEN, "provider_first_token_timeout", 504, true, PROVIDER,                     \
      "no first byte of an answer in time")                                                        \
    X(FL_ERR_IDLE, "provider_idle_timeout", 504, true, PROVIDER, "the answer stalled")             \
    X(FL_ERR_BAD_RESPONSE, "provider_bad_response", 502, true, PROVIDER,                           \
      "the provider's answer is not valid")                                                        \
    X(FL_ERR_ERROR_IN_200, "provider_error_in_200", 502, true, PROVIDER,                           \
      "the provider answered 200 with an error inside")                                            \
    X(FL_ERR_RATE_LIMITED, "provider_rate_limited", 429, true, PROVIDER, "provider rate limit")    \
    X(FL_ERR_QUOTA, "provider_billing", 429, true, PROVIDER, "provider quota or billing")          \
    X(FL_ERR_UPSTREAM_OVERLOADED, "provider_overloaded", 503, true, PROVIDER, "provider overloaded")\
    X(FL_ERR_SERVER, "provider_server_error", 502, true, PROVIDER, "provider server error")        \
    X(FL_ERR_UPSTREAM_TIMEOUT, "provider_timeout", 504, true, PROVIDER, "provider timeout (408)")  \
    X(FL_ERR_UPSTREAM_AUTH, "provider_auth_failed", 502, true, PROVIDER,                           \
      "the provider refused the configured key")                                                   \
    X(FL_ERR_UPSTREAM_FORBIDDEN, "provider_forbidden", 502, true, PROVIDER,                        \
      "the configured key may not do this at the provider")                                        \
    X(FL_ERR_UPSTREAM_REGION, "provider_region", 502, true, PROVIDER,                              \
      "the provider does not serve this region")                                                   \
    X(FL_ERR_UPSTREAM_MODEL, "provider_model_gone", 404, true, PROVIDER,                           \
      "the provider does not know the model")                                                      \
    X(FL_ERR_UPSTREAM_NOT_FOUND, "provider_not_found", 404, true, PROVIDER,                        \
      "the provider does not know something that the request names")                               \
    X(FL_ERR_UPSTREAM_REQUEST, "caller_rejected_by_provider", 400, false, CALLER,                  \
      "the provider rejected the request")                                                         \
    X(FL_ERR_UPSTREAM_CONTEXT, "caller_context_rejected", 400, false, CALLER,                      \
      "the request is longer than the model's context, says the provider")                         \
    X(FL_ERR_UPSTREAM_POLICY, "caller_content_policy", 400, false, CALLER,                         \
      "the provider's content policy refused the request")                                         \
    X(FL_ERR_REDIRECT, "provider_redirect", 502, true, PROVIDER,                                   \
      "the provider answered with a redirect, which is never followed")                            \
    X(FL_ERR_NO_TARGET, "provider_none_left", 503, false, PROVIDER,                                \
      "no target is left that could answer")                                                       \
    /* configuration */                                                                            \
    X(FL_ERR_CONFIG, "config_invalid", 500, false, CALLER, "the configuration is invalid")         \
    X(FL_ERR_FILE, "config_file", 500, false, CALLER, "a file cannot be read")

enum fl_err {
#define X(code, name, status, retryable, blame, text) code,
    FL_ERR_TABLE(X)
#undef X
        FL_ERR_COUNT
};

#define FL_CHECK_RESULT __attribute__((warn_unused_result))

const char *fl_err_name(enum fl_err err);
const char *fl_err_text(enum fl_err err);
int fl_err_status(enum fl_err err);
bool fl_err_retryable(enum fl_err err);
enum fl_blame fl_err_blame(enum fl_err err);

/* Where and why: written only on failure. Line and column count from 1 (0 = unknown); offset is in
 * bytes from the start of the input. */
struct fl_reterr {
    enum fl_err err;
    unsigned line, column;
    unsigned long offset;
    char message[192];
};

#endif
