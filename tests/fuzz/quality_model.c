/* SPDX-License-Identifier: Apache-2.0 */
/* A quality model from bytes that nobody has vouched for: read, and when accepted applied, scored
 * and written again, which gives the same bytes. A second time with its checksum set right, so that
 * what lies behind the checksum is reached. */
#include "base/assert.h"
#include "route/quality/model.h"

#include <stdlib.h>

static void use(struct fl_slice file)
{
    struct fl_quality_model m;
    struct fl_reterr reterr;
    struct fl_heads h;
    struct fl_buf again;
    double q[FL_HEADS_MAX];
    static struct fl_features features;
    if (fl_quality_read(file, &m, &reterr)) {
        fl_assert(reterr.offset <= file.len);
        return;
    }
    struct fl_heads_shape shape = {m.head_count, m.row_bits, 0, false};
    void *memory = aligned_alloc(64, (fl_heads_bytes(shape) + 63) / 64 * 64);
    fl_assert(memory);
    fl_heads_init(&h, shape, 0.5, memory);
    fl_quality_apply(&m, &h);
    struct fl_windows w = fl_windows_of(file);
    fl_features_extract(&w, &features);
    struct fl_heads_case x = {&features, 1, 0};
    fl_heads_score(&h, &x, q);
    for (unsigned i = 0; i < m.head_count; i++) {
        fl_assert(q[i] >= 0 && q[i] <= 1);
    }
    if (m.has_pair) {
        double gain = fl_pair_gain(&m.pair, &features, q);
        fl_assert(gain - gain < 1); /* finite */
    }
    fl_buf_init(&again, file.len);
    fl_quality_write(&h, m.has_pair ? &m.pair : NULL, m.names, &again);
    fl_assert(fl_buf_ok(&again) && again.len == file.len);
    fl_buf_finish(&again);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    use(fl_slice((const char *)bytes, len));
    if (len >= FL_QUALITY_HEADER) {
        char *sealed = malloc(len);
        fl_assert(sealed);
        memcpy(sealed, bytes, len);
        fl_quality_seal(sealed, len);
        use(fl_slice(sealed, len));
        free(sealed);
    }
    return 0;
}
