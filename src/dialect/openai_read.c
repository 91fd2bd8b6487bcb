/* SPDX-License-Identifier: Apache-2.0 */
/* What reading requests of chat completions and of responses shares. */
#include "dialect/openai_wire.h"

static const char *const efforts[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
enum { effort_count = sizeof(efforts) / sizeof(*efforts) };

enum fl_err fl_openai_open(struct fl_slice body, const struct fl_slice *keys, unsigned count,
                           struct fl_json *ret_values, struct fl_json *ret_whole,
                           struct fl_chat_request *ret_request, struct fl_reterr *reterr)
{
    struct fl_json_watch w[FL_OPENAI_KEYS_MAX];
    for (unsigned i = 0; i < count; i++) {
        w[i] = (struct fl_json_watch){.key = keys[i]};
    }
    enum fl_err err = fl_json_scan(body, FL_JSON_LIMITS, w, count, ret_whole, reterr);
    if (err) {
        return err;
    }
    if (ret_whole->type != FL_JSON_OBJECT) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, "The request body must be a JSON object.");
    }
    *ret_request = (struct fl_chat_request){0};
    for (unsigned i = 0; i < count; i++) {
        ret_values[i] = w[i].value;
        if (fl_slice_eq(keys[i], FL_LIT("model"))) {
            ret_request->model = fl_get_escaped(w[i].value);
        }
    }
    return ret_request->model.len > 0
               ? FL_OK
               : fl_refuse(reterr, FL_ERR_REQUEST,
                           "The field 'model' must be a string that is not empty.");
}

bool fl_openai_get_effort(struct fl_json value, enum fl_effort *ret_effort)
{
    int i = fl_get_word(value, efforts, effort_count);
    if (i < 0) {
        return false;
    }
    *ret_effort = (enum fl_effort)(FL_EFFORT_NONE + i);
    return true;
}

const char *fl_openai_effort_word(enum fl_effort effort)
{
    return effort == FL_EFFORT_ABSENT ? NULL : efforts[effort - FL_EFFORT_NONE];
}

enum fl_cache_hint fl_openai_get_cache(struct fl_json cache_control)
{
    struct fl_json ttl = fl_json_get(cache_control, FL_LIT("ttl"));
    if (!fl_get_given(cache_control) || cache_control.type == FL_JSON_FALSE) {
        return FL_CACHE_NONE;
    }
    return fl_get_is(ttl, "1h")   ? FL_CACHE_1H
           : fl_get_is(ttl, "5m") ? FL_CACHE_5M
                                  : FL_CACHE_DEFAULT;
}

void fl_openai_get_function(struct fl_json function, struct fl_tool *tool)
{
    enum { NAME, DESCRIPTION, PARAMETERS, STRICT, CACHE, COUNT };
    static const char *const keys[COUNT] = {"name", "description", "parameters", "strict",
                                            "cache_control"};
    struct fl_json v[COUNT];
    fl_get_members(function, keys, COUNT, v);
    tool->name = fl_get_escaped(v[NAME]);
    tool->description = fl_get_escaped(v[DESCRIPTION]);
    tool->schema = v[PARAMETERS].type == FL_JSON_OBJECT ? v[PARAMETERS].span : FL_EMPTY;
    tool->strict_given = fl_json_bool(v[STRICT], &tool->strict);
    tool->cache = fl_openai_get_cache(v[CACHE]);
}

void fl_openai_get_custom(struct fl_json custom, struct fl_tool *tool)
{
    struct fl_json format = fl_json_get(custom, FL_LIT("format"));
    fl_openai_get_function(custom, tool);
    tool->custom = true;
    tool->custom_format = format.type == FL_JSON_OBJECT ? format.span : FL_EMPTY;
    tool->schema = FL_LIT("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},"
                          "\"required\":[\"input\"],\"additionalProperties\":false}");
}

struct fl_slice fl_openai_input_object(struct fl_json input, struct fl_arena *arena)
{
    struct fl_slice text = input.type == FL_JSON_STRING ? input.span : FL_LIT("\"\"");
    size_t bytes = text.len + 10;
    char *object = fl_arena_take(arena, bytes);
    struct fl_buf b;
    if (!object) {
        return FL_LIT("{}");
    }
    fl_buf_init_in(&b, object, bytes);
    fl_buf_put(&b, FL_LIT("{\"input\":"));
    fl_buf_put(&b, text);
    fl_buf_putc(&b, '}');
    return fl_buf_slice(&b);
}

void fl_openai_get_schema(struct fl_json object, struct fl_chat_request *r)
{
    enum { NAME, DESCRIPTION, SCHEMA, STRICT, COUNT };
    static const char *const keys[COUNT] = {"name", "description", "schema", "strict"};
    struct fl_json v[COUNT];
    fl_get_members(object, keys, COUNT, v);
    r->format = FL_FORMAT_SCHEMA;
    r->format_name = fl_get_escaped(v[NAME]);
    r->format_description = fl_get_escaped(v[DESCRIPTION]);
    r->format_schema = v[SCHEMA].type == FL_JSON_OBJECT ? v[SCHEMA].span : FL_EMPTY;
    (void)fl_json_bool(v[STRICT], &r->format_strict);
}

void fl_openai_get_audio(struct fl_json audio, struct fl_part *part)
{
    static const struct {
        const char *format, *type;
    } types[] = {{"wav", "audio/wav"}, {"mp3", "audio/mpeg"},  {"flac", "audio/flac"},
                 {"ogg", "audio/ogg"}, {"opus", "audio/opus"}, {"aac", "audio/aac"},
                 {"m4a", "audio/mp4"}, {"webm", "audio/webm"}};
    struct fl_json format = fl_json_get(audio, FL_LIT("format"));
    part->media.base64 = fl_get_escaped(fl_json_get(audio, FL_LIT("data")));
    part->media.media_type = FL_LIT("audio/wav");
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (fl_get_is(format, types[i].format)) {
            part->media.media_type = fl_slice_cstr(types[i].type);
        }
    }
}

bool fl_openai_get_file(struct fl_json file, struct fl_arena *arena, struct fl_part *part)
{
    enum { DATA, ID, NAME, URL, COUNT };
    static const char *const keys[COUNT] = {"file_data", "file_id", "filename", "file_url"};
    struct fl_json v[COUNT];
    struct fl_media *m = &part->media;
    fl_get_members(file, keys, COUNT, v);
    m->name = fl_get_escaped(v[NAME]);
    m->file_id = fl_get_escaped(v[ID]);
    struct fl_slice data = fl_get_escaped(v[DATA]), url = fl_get_escaped(v[URL]);
    if (m->file_id.len > 0) {
        return true;
    }
    if (url.len > 0) {
        return fl_get_media_url(url, arena, m);
    }
    if (fl_slice_eq_nocase(fl_slice_first(data, 5), FL_LIT("data:"))) {
        return fl_get_media_url(data, arena, m);
    }
    m->base64 = fl_get_decoded(data, arena);
    m->media_type = FL_LIT("application/pdf");
    return m->base64.len > 0;
}

enum fl_err fl_openai_get_number(struct fl_json value, const char *refusal, struct fl_slice *ret,
                                 struct fl_reterr *reterr)
{
    if (fl_get_given(value) && value.type != FL_JSON_NUMBER) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, refusal);
    }
    *ret = fl_get_number(value);
    return FL_OK;
}

const struct fl_part *fl_openai_find_call(const struct fl_part *parts, struct fl_slice id)
{
    unsigned steps = 0;
    for (const struct fl_part *p = parts; p && steps < FL_OPENAI_SEARCH_MAX; p = p->next, steps++) {
        if (p->kind == FL_PART_TOOL_CALL && fl_slice_eq(p->id, id)) {
            return p;
        }
    }
    return NULL;
}
