/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream event of the OpenAI dialect means. The event's bytes are passed on as they came. */
#include "dialect/openai.h"

#include "dialect/usage.h"

/* What a chunk says at a glance, by its bytes: most chunks say nothing. */
struct glance {
    bool finish; /* there is a finish reason, and it is a string */
    bool more;   /* there is a usage or an error, and it is not null: worth a whole scan */
};

static struct glance glance_at(struct fl_slice data)
{
    enum { G_FINISH, G_USAGE, G_ERROR, G_COUNT };
    static const struct fl_slice keys[G_COUNT] = {
        {"\"finish_reason\"", 15}, {"\"usage\"", 7}, {"\"error\"", 7}};
    struct glance seen = {false, false};
    struct fl_slice rest = data;
    unsigned which;
    while ((which = fl_json_find_quoted(&rest, keys, G_COUNT)) < G_COUNT) {
        size_t i = 0;
        while (i < rest.len && (rest.ptr[i] == ' ' || rest.ptr[i] == ':')) {
            i++;
        }
        struct fl_slice value = fl_slice_from(rest, i);
        if (which == G_FINISH) {
            seen.finish = seen.finish || fl_slice_starts(value, FL_LIT("\""));
        } else {
            seen.more = seen.more || !fl_slice_starts(value, FL_LIT("null"));
        }
    }
    return seen;
}

/* A text, list or object that is not empty. Numbers and flags beside them are no content. */
static bool has_something(struct fl_json value)
{
    struct fl_json_iter it = fl_json_iter(value);
    struct fl_json any;
    return value.type == FL_JSON_STRING ? value.span.len > 2 : fl_json_next(&it, NULL, &any);
}

/* A delta says something when any member but its role does: text, reasoning in one of its spellings, a tool
 * call, sound. */
static bool delta_has_content(struct fl_json delta)
{
    struct fl_json_iter it = fl_json_iter(delta);
    struct fl_slice key;
    struct fl_json value;
    while (delta.type == FL_JSON_OBJECT && fl_json_next(&it, &key, &value)) {
        if (!fl_json_spells(key, FL_LIT("role")) && has_something(value)) {
            return true;
        }
    }
    return false;
}

static bool choices_have_content(struct fl_json choices)
{
    struct fl_json_iter it = fl_json_iter(choices);
    struct fl_json choice;
    while (choices.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &choice)) {
        if (choice.type == FL_JSON_OBJECT && (delta_has_content(fl_json_get(choice, FL_LIT("delta"))) ||
                                              delta_has_content(fl_json_get(choice, FL_LIT("message"))) ||
                                              has_something(fl_json_get(choice, FL_LIT("text"))))) {
            return true;
        }
    }
    return false;
}

static void read_chunk(struct fl_slice data, bool check, struct fl_event_facts *event,
                       struct fl_usage *usage)
{
    enum { C_ERROR, C_USAGE, C_CHOICES, C_COUNT };
    struct fl_json_watch w[C_COUNT] = {
        [C_ERROR] = {.key = FL_LIT("error")},
        [C_USAGE] = {.key = FL_LIT("usage")},
        [C_CHOICES] = {.key = FL_LIT("choices")},
    };
    struct fl_json whole;
    struct glance seen = glance_at(data);
    event->finish = seen.finish;
    if (!check && !seen.more) {
        event->valid = true;
        return;
    }
    if (fl_json_scan(data, FL_JSON_LIMITS, w, C_COUNT, &whole, NULL)) {
        return;
    }
    event->valid = true;
    event->content = check && choices_have_content(w[C_CHOICES].value);
    if (w[C_USAGE].value.type == FL_JSON_OBJECT) {
        struct fl_json_iter it = fl_json_iter(w[C_CHOICES].value);
        struct fl_json any;
        (void)fl_usage_read_any(w[C_USAGE].value, usage);
        if (w[C_CHOICES].value.type == FL_JSON_ARRAY && !fl_json_next(&it, NULL, &any)) {
            event->kind = FL_EVENT_USAGE;
        }
    }
    if (w[C_ERROR].value.type == FL_JSON_OBJECT || w[C_ERROR].value.type == FL_JSON_STRING) {
        event->kind = FL_EVENT_ERROR;
    }
}

static bool is_type(struct fl_json type, const char *text)
{
    return type.type == FL_JSON_STRING && fl_json_spells(type.span, fl_slice_cstr(text));
}

/* What the Responses API says before it says anything. */
static bool is_preamble(struct fl_json type)
{
    static const char *const types[] = {"response.created",           "response.queued",
                                        "response.in_progress",       "response.output_item.added",
                                        "response.content_part.added", "response.reasoning_summary_part.added",
                                        "ping"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (is_type(type, types[i])) {
            return true;
        }
    }
    return false;
}

/* Does an event of responses hold one of the words that matter? Most hold a piece of text. A word in
 * its quotes is a whole string or key: in a text they are escaped. */
static bool response_matters(struct fl_slice data)
{
    static const struct fl_slice words[] = {{"\"response.completed\"", 20},
                                            {"\"response.incomplete\"", 21},
                                            {"\"response.failed\"", 17},
                                            {"\"response.cancelled\"", 20},
                                            {"\"error\"", 7}};
    return fl_json_find_quoted(&data, words, 5) < 5;
}

/* Responses API: the type tells all; usage stands in the final response object. */
static void read_response_event(struct fl_slice data, bool check, struct fl_event_facts *event,
                                struct fl_usage *usage)
{
    struct fl_json_watch w[3] = {
        {.key = FL_LIT("type")}, {.key = FL_LIT("response")}, {.key = FL_LIT("choices")}};
    struct fl_json whole;
    if (!check && !response_matters(data)) {
        event->valid = true;
        return;
    }
    if (fl_json_scan(data, FL_JSON_LIMITS, w, 3, &whole, NULL)) {
        return;
    }
    event->valid = true;
    if (check) { /* some servers answer in chat's chunks, which have no type */
        event->content = w[0].value.type == FL_JSON_STRING ? !is_preamble(w[0].value)
                                                           : choices_have_content(w[2].value);
    }
    bool failed =
        is_type(w[0].value, "response.failed") || is_type(w[0].value, "response.cancelled");
    bool over =
        is_type(w[0].value, "response.completed") || is_type(w[0].value, "response.incomplete");
    if (failed || over) {
        (void)fl_usage_read_any(fl_json_get(w[1].value, FL_LIT("usage")), usage);
    }
    if (over) {
        event->kind = FL_EVENT_DONE;
    } else if (failed || is_type(w[0].value, "error")) {
        event->kind = FL_EVENT_ERROR;
    }
}

void fl_openai_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                          struct fl_event_facts *ret_event, struct fl_usage *usage)
{
    *ret_event = (struct fl_event_facts){0};
    if (fl_slice_eq(fl_slice_trim(in->data), FL_LIT("[DONE]"))) {
        ret_event->kind = FL_EVENT_DONE;
        ret_event->valid = true;
    } else if (endpoint == FL_ENDPOINT_RESPONSES) {
        read_response_event(in->data, check, ret_event, usage);
        ret_event->finish = glance_at(in->data).finish; /* servers that answer in chat's chunks */
    } else {
        read_chunk(in->data, check, ret_event, usage);
    }
    if (fl_slice_eq(in->name, FL_LIT("error"))) {
        ret_event->kind = FL_EVENT_ERROR;
    }
}
