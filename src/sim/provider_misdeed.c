/* SPDX-License-Identifier: Apache-2.0 */
/* Ways of a provider to be wrong. */
#include "sim/provider_impl.h"

#include "base/assert.h"

#define FLOOD_NS         (4 * FL_NS_MS) /* at first some megabyte a second */
#define FLOOD_HALF_BYTES (2 << 20) /* after each so many it halves: endless need not be heavy */

#define SIXTY_FOUR "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FILLER     SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR /* 256 bytes */

const char *fl_sim_misdeed_name(enum fl_sim_misdeed misdeed)
{
    static const char *const names[] = {
#define X(id, name) name,
        FL_SIM_MISDEEDS(X)
#undef X
            "good"};
    fl_assert(misdeed <= FL_SIM_GOOD);
    return names[misdeed];
}

static bool needs_stream(enum fl_sim_misdeed misdeed)
{
    uint64_t bits = FL_SIM_MISDEED_BIT(FL_SIM_ENDLESS_EVENT) |
                    FL_SIM_MISDEED_BIT(FL_SIM_CHUNK_CUT) | FL_SIM_MISDEED_BIT(FL_SIM_SSE_ERROR) |
                    FL_SIM_MISDEED_BIT(FL_SIM_SSE_NO_DONE) |
                    FL_SIM_MISDEED_BIT(FL_SIM_SSE_BAD_JSON) | FL_SIM_MISDEED_BIT(FL_SIM_SSE_RESET) |
                    FL_SIM_MISDEED_BIT(FL_SIM_SSE_STALL) | FL_SIM_MISDEED_BIT(FL_SIM_SSE_LATE);
    return (FL_SIM_MISDEED_BIT(misdeed) & bits) != 0;
}

/* Made of bytes that are wrong in every dialect. */
static bool fits_dialect(const struct fl_simprovider *p, enum fl_sim_misdeed misdeed)
{
    const uint64_t openai_only =
        FL_SIM_MISDEED_BIT(FL_SIM_ERROR_IN_200) | FL_SIM_MISDEED_BIT(FL_SIM_GZIP) |
        FL_SIM_MISDEED_BIT(FL_SIM_ENDLESS_EVENT) | FL_SIM_MISDEED_BIT(FL_SIM_LENGTH_SMALL) |
        FL_SIM_MISDEED_BIT(FL_SIM_SSE_ERROR) | FL_SIM_MISDEED_BIT(FL_SIM_SSE_BAD_JSON) |
        FL_SIM_MISDEED_BIT(FL_SIM_TRUNCATED_JSON) | FL_SIM_MISDEED_BIT(FL_SIM_GZIP_BOMB) |
        FL_SIM_MISDEED_BIT(FL_SIM_SSE_LATE) | FL_SIM_MISDEED_BIT(FL_SIM_WRONG_USAGE);
    return p->options.dialect == FL_SIM_OPENAI || !(openai_only & FL_SIM_MISDEED_BIT(misdeed));
}

enum fl_sim_misdeed sim_draw_misdeed(struct sim_conn *c)
{
    struct fl_simprovider *p = c->provider;
    unsigned count = 0;
    enum fl_sim_misdeed drawn = FL_SIM_GOOD;
    if (fl_rng_below(&p->rng, 1000) >= p->misdeeds.permille) {
        return FL_SIM_GOOD;
    }
    for (unsigned i = 0; i < FL_SIM_MISDEED_COUNT; i++) {
        enum fl_sim_misdeed misdeed = (enum fl_sim_misdeed)i;
        if ((p->misdeeds.bits & FL_SIM_MISDEED_BIT(i)) && fits_dialect(p, misdeed) &&
            (c->ask.stream || !needs_stream(misdeed)) && fl_rng_below(&p->rng, ++count) == 0) {
            drawn = misdeed;
        }
    }
    return drawn;
}

static bool send_text(struct sim_conn *c, struct fl_slice text)
{
    return sim_send(c, &text, 1);
}

static bool send_and_close(struct sim_conn *c, struct fl_slice text)
{
    if (text.len > 0 && !send_text(c, text)) {
        return false;
    }
    sim_drop(c, FL_CLOSE_FLUSH);
    return false;
}

/* A 200 with a body that is not what it should be. */
static bool send_body(struct sim_conn *c, int status, const char *type, struct fl_slice body)
{
    sim_put_head(c, status, type);
    sim_put_length(&c->provider->out, body.len);
    fl_buf_put(&c->provider->out, body);
    return sim_send_out(c) && sim_done(c);
}

static bool redirect(struct sim_conn *c)
{
    struct fl_buf *out = &c->provider->out;
    sim_put_head(c, 307, "text/plain");
    fl_h1_put_header(out, FL_LIT("location"), FL_LIT("http://elsewhere.test/v1/chat/completions"));
    sim_put_length(out, 0);
    return sim_send_out(c) && sim_done(c);
}

static bool gzip(struct sim_conn *c)
{
    /* an empty member; what matters is the header */
    static const char member[] =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    struct fl_buf *out = &c->provider->out;
    sim_put_head(c, 200, "application/json");
    fl_h1_put_header(out, FL_LIT("content-encoding"), FL_LIT("gzip"));
    sim_put_length(out, sizeof(member) - 1);
    fl_buf_put(out, fl_slice(member, sizeof(member) - 1));
    return sim_send_out(c) && sim_done(c);
}

/* One deflate block of fixed codes (RFC 1951), in bits: the block's head and a zero byte (11), then
 * copies of 258 bytes from one byte back (13 each). It has no end: who inflates it has had enough
 * before. */
static bool gzip_bomb(struct sim_conn *c)
{
    struct fl_buf *out = &c->provider->out, body;
    uint32_t bits = 0x62, count = 11;
    fl_buf_init(&body, 1 << 20);
    fl_buf_put(&body, fl_slice("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10));
    for (unsigned i = 0; i < (16U << 20) / 258; i++) {
        bits |= UINT32_C(0xa3) << count;
        for (count += 13; count >= 8; count -= 8, bits >>= 8) {
            fl_buf_putc(&body, (char)(bits & 0xff));
        }
    }
    sim_put_head(c, 200, "application/json");
    fl_h1_put_header(out, FL_LIT("content-encoding"), FL_LIT("gzip"));
    sim_put_length(out, body.len);
    fl_buf_put(out, fl_buf_slice(&body));
    fl_buf_finish(&body);
    return sim_send_out(c) && sim_done(c);
}

static bool half_close(struct sim_conn *c)
{
    c->provider->stats.misdone += c->phase == SIM_STREAM;
    c->phase = SIM_MUTE;
    c->stream->ops->finish(c->stream);
    return true;
}

/* Claims *length* bytes and sends *body*. */
static bool lie(struct sim_conn *c, uint64_t length, struct fl_slice body)
{
    sim_put_head(c, 200, "application/json");
    sim_put_length(&c->provider->out, length);
    fl_buf_put(&c->provider->out, body);
    return sim_send_out(c);
}

static bool two_lengths(struct sim_conn *c)
{
    sim_put_head(c, 200, "application/json");
    fl_buf_put(&c->provider->out, FL_LIT("content-length: 2\r\n"));
    sim_put_length(&c->provider->out, 4);
    fl_buf_put(&c->provider->out, FL_LIT("{}{}"));
    return sim_send_out(c) && sim_done(c);
}

static bool send_chunked_head(struct sim_conn *c, const char *type)
{
    struct fl_buf *out = &c->provider->out;
    sim_put_head(c, 200, type);
    fl_buf_put(out, FL_LIT("transfer-encoding: chunked\r\n\r\n"));
    return sim_send_out(c);
}

static bool start_flood(struct sim_conn *c, struct fl_slice piece)
{
    c->phase = SIM_FLOOD;
    c->flood = piece;
    c->flooded = 0;
    fl_sys_timer_in(c->provider->sys, &c->timer, 0);
    return true;
}

bool sim_flood(struct sim_conn *c)
{
    struct fl_slice pieces[16];
    if (c->stream->queued > 0) {
        return true;
    }
    for (unsigned i = 0; i < 16; i++) {
        pieces[i] = c->flood;
    }
    if (!sim_send(c, pieces, 16)) {
        return false;
    }
    c->flooded += 16 * c->flood.len;
    uint64_t halved = c->flooded / FLOOD_HALF_BYTES;
    fl_sys_timer_in(c->provider->sys, &c->timer, FLOOD_NS << (halved < 8 ? halved : 8));
    return true;
}

static bool begin_flood(struct sim_conn *c)
{
    switch ((int)c->misdeed) {
    case FL_SIM_ENDLESS_HEAD:
        sim_put_head(c, 200, "application/json");
        return sim_send_out(c) && start_flood(c, FL_LIT("x-filler: " FILLER "\r\n"));
    case FL_SIM_ENDLESS_BODY:
        return send_chunked_head(c, "application/json") && send_text(c, FL_LIT("1\r\n[\r\n")) &&
               start_flood(
                   c,
                   FL_LIT("100\r\n\"" SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\r\n"));
    case FL_SIM_ENDLESS_EVENT:
        return send_chunked_head(c, "text/event-stream") &&
               send_text(c, FL_LIT("6\r\ndata: \r\n")) &&
               start_flood(c, FL_LIT("100\r\n" FILLER "\r\n"));
    default:
        return start_flood(c,
                           FL_LIT("HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"));
    }
}

static bool wrong_answer(struct sim_conn *c, enum fl_sim_misdeed misdeed)
{
    switch ((int)misdeed) {
    case FL_SIM_GARBAGE:
        return send_and_close(c, FL_LIT("\x16\x03\x01SSH-2.0-simulated\n\0\xff not HTTP at all\n"));
    case FL_SIM_CLOSE:
        return send_and_close(c, FL_EMPTY);
    case FL_SIM_RESET:
        sim_drop(c, FL_CLOSE_RESET);
        return false;
    case FL_SIM_ERROR_IN_200:
        return send_body(
            c, 200, "application/json",
            FL_LIT("{\"error\":{\"message\":\"The simulated engine is overloaded.\",\"type\":"
                   "\"server_error\",\"param\":null,\"code\":\"overloaded\"}}"));
    case FL_SIM_EMPTY_200:
        return send_body(c, 200, "application/json", FL_EMPTY);
    case FL_SIM_NOT_JSON_200:
        return send_body(c, 200, "application/json", FL_LIT("upstream says hello, simulated"));
    case FL_SIM_HTML_502:
        return send_body(
            c, 502, "text/html",
            FL_LIT("<html><head><title>502</title></head><body>simulated</body></html>"));
    case FL_SIM_REDIRECT:
        return redirect(c);
    case FL_SIM_GZIP:
        return gzip(c);
    case FL_SIM_LENGTH_BIG:
        return lie(c, 1000, FL_LIT("{\"id\":\"cut\",\"choices\":[")) && send_and_close(c, FL_EMPTY);
    case FL_SIM_LENGTH_SMALL:
        return lie(c, 2, FL_LIT("{}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL")) &&
               sim_done(c);
    case FL_SIM_TWO_LENGTHS:
        return two_lengths(c);
    case FL_SIM_TRUNCATED_JSON:
        return send_body(c, 200, "application/json",
                         FL_LIT("{\"id\":\"cut\",\"object\":\"chat.completion\",\"choices\":[{"
                                "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"So"));
    case FL_SIM_GZIP_BOMB:
        return gzip_bomb(c);
    case FL_SIM_HALF_CLOSE:
        return half_close(c);
    default: /* FL_SIM_BAD_CHUNK */
        return send_chunked_head(c, "application/json") &&
               send_and_close(c, FL_LIT("2\r\n{}\r\n0x0\r\n\r\n"));
    }
}

bool sim_misdeed_begin(struct sim_conn *c, bool *ret_done)
{
    struct fl_simprovider *p = c->provider;
    enum fl_sim_misdeed misdeed = c->misdeed;
    *ret_done = true;
    bool later = needs_stream(misdeed) && misdeed != FL_SIM_ENDLESS_EVENT;
    if (later || misdeed == FL_SIM_CLOSE_IDLE || misdeed >= FL_SIM_SSE_LATE ||
        (misdeed == FL_SIM_HALF_CLOSE && c->ask.stream)) {
        *ret_done = false;
        return true;
    }
    p->stats.misdone++;
    if (misdeed == FL_SIM_SILENCE) {
        c->phase = SIM_MUTE;
        return true;
    }
    if (misdeed == FL_SIM_ENDLESS_HEAD || misdeed == FL_SIM_ENDLESS_BODY ||
        misdeed == FL_SIM_ENDLESS_EVENT || misdeed == FL_SIM_FLOOD_1XX) {
        return begin_flood(c);
    }
    return wrong_answer(c, misdeed);
}

static bool send_event(struct sim_conn *c, struct fl_slice event)
{
    fl_buf_put(&c->provider->out, event);
    return sim_send_chunk(c);
}

bool sim_misdeed_stream(struct sim_conn *c, bool *ret_done)
{
    struct fl_simprovider *p = c->provider;
    bool alive;
    *ret_done = true;
    switch ((int)c->misdeed) {
    case FL_SIM_CHUNK_CUT:
        p->stats.misdone++;
        return send_and_close(c, FL_LIT("400\r\ndata: {\"id\":\"cut\""));
    case FL_SIM_SSE_ERROR:
        p->stats.misdone++;
        return send_event(
                   c,
                   FL_LIT("data: {\"error\":{\"message\":\"The simulated engine failed.\",\"type\":"
                          "\"server_error\",\"param\":null,\"code\":null}}\n\n")) &&
               sim_end_chunks(c) && sim_done(c);
    case FL_SIM_SSE_NO_DONE:
        p->stats.misdone++;
        return sim_end_chunks(c) && sim_done(c);
    case FL_SIM_SSE_BAD_JSON:
        p->stats.misdone++;
        alive = send_event(c, FL_LIT("data: {\"id\":\"chatcmpl-sim\",\"choices\":[{\"delta\n\n"));
        if (alive) {
            c->misdeed = FL_SIM_GOOD;
            *ret_done = false;
        }
        return alive;
    case FL_SIM_HALF_CLOSE:
        return half_close(c);
    case FL_SIM_SSE_RESET:
        p->stats.misdone++;
        sim_drop(c, FL_CLOSE_RESET);
        return false;
    case FL_SIM_SSE_STALL:
        p->stats.misdone++;
        c->phase = SIM_MUTE;
        return true;
    default:
        *ret_done = false;
        return true;
    }
}

bool sim_send_broken(struct sim_conn *c, const struct fl_slice *pieces, unsigned count)
{
    struct fl_simprovider *p = c->provider;
    enum fl_sim_misdeed how = c->misdeed;
    enum fl_err err = FL_OK;
    for (unsigned i = 0; i < count && !err; i++) {
        struct fl_slice piece =
            fl_slice_first(pieces[i], (size_t)(p->misdeeds.after_bytes - c->said_bytes < SIZE_MAX
                                                   ? p->misdeeds.after_bytes - c->said_bytes
                                                   : SIZE_MAX));
        if (piece.len > 0) {
            err = fl_stream_write(c->stream, &piece, 1);
            c->said_bytes += piece.len;
        }
    }
    if (!err && c->said_bytes < p->misdeeds.after_bytes) {
        return true;
    }
    p->stats.misdone += c->phase == SIM_STREAM;
    if (!err && how == FL_SIM_BYTE_STALL) {
        c->phase = SIM_MUTE;
    } else {
        sim_drop(c, how == FL_SIM_BYTE_RESET ? FL_CLOSE_RESET : FL_CLOSE_FLUSH);
    }
    return false;
}
