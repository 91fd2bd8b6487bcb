/* SPDX-License-Identifier: Apache-2.0 */
/* prefix_affinity: the home of the prompt's beginning by weighted rendezvous, loads bounded as in
 * ip_hash: requests that begin alike meet a warm cache. Without a prefix, by attempts in flight.
 * Score: -ln(u) / w. */
#include "route/policy/common.h"

void fl_policy_prefix_affinity(struct fl_choice *c)
{
    const struct fl_route_request *r = c->request;
    if (r->prefix_count == 0) {
        fl_policy_least_connections(c);
    } else {
        fl_order_by_home(c, fl_slice((const char *)&r->prefix[0], sizeof(r->prefix[0])),
                         "prefix-hash");
    }
}
