/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/loss.h"

#include <string.h>

void fl_losses_add(struct fl_losses *losses, enum fl_loss_kind kind, const char *what)
{
    losses->fatal = losses->fatal || kind == FL_LOSS_FATAL;
    for (unsigned i = 0; i < losses->count; i++) {
        if (strcmp(losses->items[i].what, what) == 0) {
            return;
        }
    }
    if (losses->count == FL_LOSSES_MAX) {
        losses->more++;
        return;
    }
    losses->items[losses->count++] = (struct fl_loss){kind, what};
}

void fl_losses_put(const struct fl_losses *losses, struct fl_buf *b)
{
    static const char *const suffix[] = {
        [FL_LOSS_DROPPED] = "",
        [FL_LOSS_APPROXIMATED] = "=approximated",
        [FL_LOSS_EMULATED] = "=emulated",
        [FL_LOSS_FATAL] = "=impossible",
    };
    for (unsigned i = 0; i < losses->count; i++) {
        fl_buf_put_cstr(b, i > 0 ? ", " : "");
        fl_buf_put_cstr(b, losses->items[i].what);
        fl_buf_put_cstr(b, suffix[losses->items[i].kind]);
    }
    if (losses->more > 0) {
        fl_buf_put_cstr(b, ", ...");
    }
}
