/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/wire.h"

#include <stdlib.h>

void fl_decoder_finish(struct fl_decoder *d)
{
    free(d->own);
    d->own = NULL;
}

void fl_encoder_finish(struct fl_encoder *e)
{
    if (e->own && e->own_finish) {
        e->own_finish(e->own);
    }
    free(e->own);
    e->own = NULL;
}

void fl_encoder_move(struct fl_encoder *to, struct fl_encoder *from)
{
    *to = *from;
    if (from->stop_sequence.ptr == from->stop_text) {
        to->stop_sequence.ptr = to->stop_text;
    }
    from->own = NULL;
}
