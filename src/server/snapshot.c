/* SPDX-License-Identifier: Apache-2.0 */
#include "server/internal.h"

#include <stdlib.h>

static void destroy(struct fl_snapshot *s)
{
    for (unsigned i = 0; s->provider_tls && i < s->config->provider_count; i++) {
        fl_tls_unref(s->provider_tls[i]);
    }
    for (unsigned i = 0; s->credentials && i < s->config->provider_count; i++) {
        fl_credentials_destroy(s->credentials[i]);
    }
    free(s->credentials);
    free(s->provider_tls);
    fl_tls_unref(s->listen_tls);
    fl_config_unref(s->config);
    free(s);
}

static enum fl_err make_tls(struct fl_snapshot *s, struct fl_reterr *reterr)
{
    const struct fl_config *c = s->config;
    enum fl_err err = FL_OK;
    if (c->tls_cert.len > 0) {
        err = fl_tls_server_create(c->tls_cert, c->tls_key, &s->listen_tls, reterr);
    }
    for (unsigned i = 0; !err && i < c->provider_count; i++) {
        if (c->providers[i].tls) {
            err = fl_tls_client_create(c->providers[i].ca_file, &s->provider_tls[i], reterr);
        }
        if (!err) {
            err = fl_credentials_create(&c->providers[i], &s->credentials[i], reterr);
        }
    }
    return err;
}

enum fl_err fl_snapshot_create(struct fl_config *config, struct fl_snapshot **ret_snapshot,
                               struct fl_reterr *reterr)
{
    struct fl_snapshot *s = calloc(1, sizeof(*s));
    if (!s) {
        fl_config_unref(config);
        return FL_ERR_NOMEM;
    }
    atomic_init(&s->refs, 1);
    s->config = config;
    s->provider_tls = calloc(config->provider_count + 1, sizeof(struct fl_tls *));
    s->credentials = calloc(config->provider_count + 1, sizeof(struct fl_credentials *));
    enum fl_err err = s->provider_tls && s->credentials ? make_tls(s, reterr) : FL_ERR_NOMEM;
    if (err) {
        destroy(s);
        return err;
    }
    *ret_snapshot = s;
    return FL_OK;
}

struct fl_snapshot *fl_snapshot_ref(struct fl_snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void fl_snapshot_unref(struct fl_snapshot *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        destroy(s);
    }
}

const struct fl_config *fl_snapshot_config(const struct fl_snapshot *s)
{
    return s->config;
}
