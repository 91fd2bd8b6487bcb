/* SPDX-License-Identifier: Apache-2.0 */
/* Builds canonical requests by hand and writes them in a provider's form. */
#ifndef FL_TEST_SAY_H
#define FL_TEST_SAY_H

#include "unit/cm.h"

#include "dialect/put.h"
#include "dialect/wire.h"

struct said {
    struct fl_arena arena;
    struct fl_chat_request request;
    struct fl_message **tail;
    struct fl_part **part_tail; /* of the last message */
    struct fl_part **content_tail;
    struct fl_tool **tool_tail;
    struct fl_text_item **stop_tail;
    struct fl_losses losses;
    struct fl_reterr reterr;
    char losses_text[512];
    struct fl_buf out;
};

static void say_open(struct said *s)
{
    memset(s, 0, sizeof(*s));
    fl_arena_init(&s->arena, 4096, 1u << 20);
    fl_buf_init(&s->out, 1u << 20);
    s->tail = &s->request.messages;
    s->tool_tail = &s->request.tools;
    s->stop_tail = &s->request.stops;
}

static void say_close(struct said *s)
{
    fl_arena_finish(&s->arena);
    fl_buf_finish(&s->out);
}

static struct fl_part *say_part(struct said *s, enum fl_part_kind kind, const char *text)
{
    struct fl_part *part = fl_add_part(&s->arena, &s->part_tail, kind);
    part->text = fl_slice_cstr(text);
    return part;
}

static void say_begin(struct said *s, enum fl_chat_role role)
{
    struct fl_message *m = fl_add_message(&s->arena, &s->tail, role);
    s->part_tail = &m->parts;
}

static inline void say(struct said *s, enum fl_chat_role role, const char *text)
{
    say_begin(s, role);
    (void)say_part(s, FL_PART_TEXT, text);
}

static inline struct fl_part *say_call(struct said *s, const char *id, const char *name,
                                       const char *json)
{
    struct fl_part *part = say_part(s, FL_PART_TOOL_CALL, NULL);
    part->id = fl_slice_cstr(id);
    part->name = fl_slice_cstr(name);
    part->json = fl_slice_cstr(json);
    return part;
}

/* A message of the tool with one result. */
static inline struct fl_part *say_result(struct said *s, const char *id, const char *text)
{
    say_begin(s, FL_CHAT_TOOL);
    struct fl_part *part = say_part(s, FL_PART_TOOL_RESULT, NULL);
    part->id = fl_slice_cstr(id);
    s->content_tail = &part->content;
    fl_add_part(&s->arena, &s->content_tail, FL_PART_TEXT)->text = fl_slice_cstr(text);
    return part;
}

static inline struct fl_tool *say_tool(struct said *s, const char *name, const char *schema)
{
    struct fl_tool *tool = fl_add_tool(&s->arena, &s->tool_tail);
    tool->name = fl_slice_cstr(name);
    tool->schema = fl_slice_cstr(schema);
    return tool;
}

/* Writes the request; the body, which must be JSON, as a string. */
static const char *say_written(struct said *s, const struct fl_wire *wire, const char *model,
                               enum fl_err err)
{
    struct fl_write_options options = {.model = fl_slice_cstr(model)};
    struct fl_buf b;
    struct fl_json value;
    fl_buf_reset(&s->out);
    memset(&s->losses, 0, sizeof(s->losses));
    assert_int_equal(wire->write(&s->request, &options, &s->out, &s->losses, &s->reterr), err);
    assert_true(fl_buf_ok(&s->out));
    if (err == FL_OK) {
        assert_int_equal(fl_json_scan(fl_buf_slice(&s->out), FL_JSON_LIMITS, NULL, 0, &value, NULL),
                         FL_OK);
    }
    fl_buf_init_in(&b, s->losses_text, sizeof(s->losses_text) - 1);
    fl_losses_put(&s->losses, &b);
    s->losses_text[b.len] = '\0';
    fl_buf_putc(&s->out, '\0');
    return s->out.ptr;
}

#endif
