/* SPDX-License-Identifier: Apache-2.0 */
/* ip_hash: the client's home by weighted rendezvous: a target that goes takes only its own clients
 * with it. Loads are bounded: a target with its share of 1.25 times the mean in flight yields to
 * the client's next best. Weights are the configured ones, so that clients do not move with each
 * failure. A request without a client key is placed at random by weight. Score: -ln(u) / w. */
#include "route/policy/common.h"

void fl_policy_ip_hash(struct fl_choice *c)
{
    if (c->request->client.len == 0) {
        fl_order_by_draw(c, "random");
    } else {
        fl_order_by_home(c, c->request->client, "client-hash");
    }
}
