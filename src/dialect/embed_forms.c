/* SPDX-License-Identifier: Apache-2.0 */
/* The providers' sides of embeddings: Gemini, Vertex, Bedrock and Ollama (PROTOCOLS.md sections 4, 6, 7). */
#include "dialect/embed.h"
#include "dialect/lose.h"
#include "dialect/put.h"
#include "dialect/usage.h"

/* --- What all share --- */

/* What no provider here has a place for. */
static void lose_others(const struct fl_embed_request *request, struct fl_losses *losses)
{
    for (const struct fl_member *m = request->others; m; m = m->next) {
        fl_lose_member(m, losses);
    }
}

static enum fl_err refuse(struct fl_reterr *reterr, struct fl_losses *losses, const char *what,
                          const char *message)
{
    fl_losses_add(losses, FL_LOSS_FATAL, what);
    return fl_refuse(reterr, FL_ERR_UNTRANSLATABLE, message);
}

static enum fl_err check_texts(const struct fl_embed_request *request, struct fl_losses *losses,
                               struct fl_reterr *reterr)
{
    return request->tokens ? refuse(reterr, losses, "input",
                                    "The input is tokens, and this provider takes texts only.")
                           : FL_OK;
}

static enum fl_err check_one(const struct fl_embed_request *request, struct fl_losses *losses,
                             struct fl_reterr *reterr)
{
    return request->count > 1
               ? refuse(reterr, losses, "input",
                        "This model takes one text a request: send the texts one by one.")
               : check_texts(request, losses, reterr);
}

static void lose_purpose(const struct fl_embed_request *request, struct fl_losses *losses)
{
    if (request->purpose != FL_EMBED_ANY) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "input_type");
    }
}

static void put_texts(struct fl_buf *out, const char *key, const struct fl_embed_request *request)
{
    fl_put_key(out, key);
    fl_buf_putc(out, '[');
    for (const struct fl_text_item *t = request->inputs; t; t = t->next) {
        fl_put_comma(out);
        fl_put_quoted(out, t->text);
    }
    fl_buf_putc(out, ']');
}

struct taker {
    struct fl_arena *arena;
    struct fl_embed_answer *answer;
    struct fl_vector **tail;
};

static struct taker begin(struct fl_arena *arena, struct fl_embed_answer *ret_answer)
{
    *ret_answer = (struct fl_embed_answer){0};
    return (struct taker){arena, ret_answer, &ret_answer->vectors};
}

/* False: no array, or no memory. */
static bool add_vector(struct taker *t, struct fl_json values)
{
    struct fl_vector *v = values.type == FL_JSON_ARRAY ? fl_arena_zero(t->arena, sizeof(*v)) : NULL;
    if (!v) {
        return false;
    }
    v->values = values;
    *t->tail = v;
    t->tail = &v->next;
    t->answer->count++;
    return true;
}

/* Each element's member under *path* is a vector; the element itself when *path_len* is 0. */
static bool add_vectors(struct taker *t, struct fl_json list, const struct fl_slice *path,
                        unsigned path_len)
{
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json element;
    bool sound = list.type == FL_JSON_ARRAY;
    while (sound && fl_json_next(&it, NULL, &element)) {
        sound = add_vector(t, path_len > 0 ? fl_json_at(element, path, path_len) : element);
    }
    return sound;
}

static void add_tokens(struct taker *t, struct fl_json count)
{
    uint64_t tokens;
    if (fl_json_u64(count, &tokens)) {
        t->answer->tokens_in += tokens;
        t->answer->tokens_known = true;
    }
}

static bool scan(struct fl_slice body, struct fl_json *ret_whole)
{
    return fl_json_scan(body, FL_JSON_LIMITS, NULL, 0, ret_whole, NULL) == FL_OK &&
           ret_whole->type == FL_JSON_OBJECT;
}

/* --- Gemini --- */

static const char *task_of(enum fl_embed_purpose purpose)
{
    static const char *const tasks[] = {
        [FL_EMBED_ANY] = NULL,
        [FL_EMBED_DOCUMENT] = "RETRIEVAL_DOCUMENT",
        [FL_EMBED_QUERY] = "RETRIEVAL_QUERY",
        [FL_EMBED_CLASSIFICATION] = "CLASSIFICATION",
        [FL_EMBED_CLUSTERING] = "CLUSTERING",
    };
    return tasks[purpose];
}

static void put_content(struct fl_buf *out, struct fl_slice text)
{
    fl_put_key(out, "content");
    fl_buf_put(out, FL_LIT("{\"parts\":[{"));
    fl_put_text(out, "text", text);
    fl_buf_put(out, FL_LIT("}]}"));
}

static void put_wishes(struct fl_buf *out, const struct fl_embed_request *request)
{
    const char *task = task_of(request->purpose);
    if (task) {
        fl_put_word(out, "taskType", task);
    }
    if (request->dimensions > 0) {
        fl_put_number(out, "outputDimensionality", request->dimensions);
    }
}

/* Each request names the model again, with its collection. */
static void put_model(struct fl_buf *out, struct fl_slice model)
{
    bool named =
        fl_slice_starts(model, FL_LIT("models/")) || fl_slice_starts(model, FL_LIT("tunedModels/"));
    fl_put_key(out, "model");
    fl_buf_put_cstr(out, named ? "\"" : "\"models/");
    fl_put_escaping(out, model);
    fl_buf_putc(out, '"');
}

static enum fl_err gemini_write(const struct fl_embed_request *request, struct fl_slice model,
                                struct fl_buf *out, struct fl_losses *losses,
                                struct fl_reterr *reterr)
{
    enum fl_err err = check_texts(request, losses, reterr);
    lose_others(request, losses);
    fl_buf_put(out, FL_LIT("{\"requests\":["));
    for (const struct fl_text_item *t = request->inputs; t; t = t->next) {
        fl_put_comma(out);
        fl_buf_putc(out, '{');
        put_model(out, model);
        put_content(out, t->text);
        put_wishes(out, request);
        fl_buf_putc(out, '}');
    }
    fl_buf_put(out, FL_LIT("]}"));
    return err;
}

static const struct fl_slice values_path[] = {{"values", 6}};
static const struct fl_slice prompt_tokens_path[] = {{"usageMetadata", 13},
                                                     {"promptTokenCount", 16}};

static enum fl_err gemini_take(struct fl_slice body, struct fl_arena *arena,
                               struct fl_embed_answer *ret_answer)
{
    struct taker t = begin(arena, ret_answer);
    struct fl_json whole;
    if (!scan(body, &whole) ||
        !add_vectors(&t, fl_json_get(whole, FL_LIT("embeddings")), values_path, 1)) {
        return FL_ERR_BAD_RESPONSE;
    }
    add_tokens(&t, fl_json_at(whole, prompt_tokens_path, 2));
    return FL_OK;
}

const struct fl_embed_form fl_embed_gemini = {"gemini/embed", gemini_write, gemini_take};

/* --- Vertex --- */

bool fl_embed_vertex_by_content(struct fl_slice model)
{
    return fl_slice_starts(model, FL_LIT("gemini-embedding-")) &&
           !fl_slice_eq(model, FL_LIT("gemini-embedding-001"));
}

static void put_instances(struct fl_buf *out, const struct fl_embed_request *request)
{
    const char *task = task_of(request->purpose);
    fl_buf_put(out, FL_LIT("{\"instances\":["));
    for (const struct fl_text_item *t = request->inputs; t; t = t->next) {
        fl_put_comma(out);
        fl_buf_putc(out, '{');
        fl_put_text(out, "content", t->text);
        if (task) {
            fl_put_word(out, "task_type", task);
        }
        fl_buf_putc(out, '}');
    }
    fl_buf_putc(out, ']');
    if (request->dimensions > 0) {
        fl_put_key(out, "parameters");
        fl_buf_putc(out, '{');
        fl_put_number(out, "outputDimensionality", request->dimensions);
        fl_buf_putc(out, '}');
    }
    fl_buf_putc(out, '}');
}

static void put_one_content(struct fl_buf *out, const struct fl_embed_request *request)
{
    fl_buf_putc(out, '{');
    put_content(out, request->inputs->text);
    if (request->purpose != FL_EMBED_ANY || request->dimensions > 0) {
        fl_put_key(out, "embedContentConfig");
        fl_buf_putc(out, '{');
        put_wishes(out, request);
        fl_buf_putc(out, '}');
    }
    fl_buf_putc(out, '}');
}

static enum fl_err vertex_write(const struct fl_embed_request *request, struct fl_slice model,
                                struct fl_buf *out, struct fl_losses *losses,
                                struct fl_reterr *reterr)
{
    bool by_content = fl_embed_vertex_by_content(model);
    bool single = by_content || fl_slice_eq(model, FL_LIT("gemini-embedding-001"));
    enum fl_err err =
        single ? check_one(request, losses, reterr) : check_texts(request, losses, reterr);
    lose_others(request, losses);
    if (err) {
        return err;
    }
    if (by_content) {
        put_one_content(out, request);
    } else {
        put_instances(out, request);
    }
    return FL_OK;
}

static bool take_predictions(struct taker *t, struct fl_json predictions)
{
    static const struct fl_slice vector[] = {{"embeddings", 10}, {"values", 6}};
    static const struct fl_slice tokens[] = {
        {"embeddings", 10}, {"statistics", 10}, {"token_count", 11}};
    struct fl_json_iter it = fl_json_iter(predictions);
    struct fl_json p;
    while (fl_json_next(&it, NULL, &p)) {
        add_tokens(t, fl_json_at(p, tokens, 3));
    }
    return add_vectors(t, predictions, vector, 2);
}

static enum fl_err vertex_take(struct fl_slice body, struct fl_arena *arena,
                               struct fl_embed_answer *ret_answer)
{
    static const struct fl_slice one[] = {{"embedding", 9}, {"values", 6}};
    struct taker t = begin(arena, ret_answer);
    struct fl_json whole;
    if (!scan(body, &whole)) {
        return FL_ERR_BAD_RESPONSE;
    }
    struct fl_json vector = fl_json_at(whole, one, 2);
    bool sound = vector.type == FL_JSON_ARRAY
                     ? add_vector(&t, vector)
                     : take_predictions(&t, fl_json_get(whole, FL_LIT("predictions")));
    add_tokens(&t, fl_json_at(whole, prompt_tokens_path, 2));
    return sound ? FL_OK : FL_ERR_BAD_RESPONSE;
}

const struct fl_embed_form fl_embed_vertex = {"vertex/embed", vertex_write, vertex_take};

/* --- Bedrock: each maker has a body of its own --- */

static bool names(struct fl_slice model, const char *part)
{
    return fl_slice_find_text(model, fl_slice_cstr(part)) < model.len;
}

static enum fl_err put_cohere(const struct fl_embed_request *request, struct fl_slice model,
                              struct fl_buf *out, struct fl_losses *losses,
                              struct fl_reterr *reterr)
{
    static const char *const types[] = {
        [FL_EMBED_ANY] = "search_document", /* it must be told one */
        [FL_EMBED_DOCUMENT] = "search_document",      [FL_EMBED_QUERY] = "search_query",
        [FL_EMBED_CLASSIFICATION] = "classification", [FL_EMBED_CLUSTERING] = "clustering",
    };
    bool sized = !names(model, "-v3");
    if (request->dimensions > 0 && !sized) {
        return refuse(reterr, losses, "dimensions",
                      "The vectors of this model have one size: leave 'dimensions' out.");
    }
    fl_buf_putc(out, '{');
    put_texts(out, "texts", request);
    fl_put_word(out, "input_type", types[request->purpose]);
    fl_put_raw(out, "embedding_types", FL_LIT("[\"float\"]"));
    if (request->dimensions > 0) {
        fl_put_number(out, "output_dimension", request->dimensions);
    }
    fl_buf_putc(out, '}');
    return check_texts(request, losses, reterr);
}

static enum fl_err put_titan(const struct fl_embed_request *request, struct fl_slice model,
                             struct fl_buf *out, struct fl_losses *losses, struct fl_reterr *reterr)
{
    enum fl_err err = check_one(request, losses, reterr);
    if (err) {
        return err;
    }
    if (request->dimensions > 0 && names(model, "embed-text-v1")) {
        return refuse(reterr, losses, "dimensions",
                      "The vectors of this model have one size: leave 'dimensions' out.");
    }
    lose_purpose(request, losses);
    fl_buf_putc(out, '{');
    fl_put_text(out, "inputText", request->inputs->text);
    if (request->dimensions > 0) {
        fl_put_number(out, "dimensions", request->dimensions);
    }
    fl_buf_putc(out, '}');
    return FL_OK;
}

static enum fl_err bedrock_write(const struct fl_embed_request *request, struct fl_slice model,
                                 struct fl_buf *out, struct fl_losses *losses,
                                 struct fl_reterr *reterr)
{
    lose_others(request, losses);
    if (names(model, "cohere.embed")) {
        return put_cohere(request, model, out, losses, reterr);
    }
    if (names(model, "titan-embed-text") || names(model, "titan-embed-g1-text")) {
        return put_titan(request, model, out, losses, reterr);
    }
    return refuse(reterr, losses, "model",
                  "Of Bedrock's models, those of Titan and Cohere can be asked for embeddings.");
}

static enum fl_err bedrock_take(struct fl_slice body, struct fl_arena *arena,
                                struct fl_embed_answer *ret_answer)
{
    enum { A_ONE, A_TOKENS, A_LIST, A_COUNT };
    static const char *const keys[A_COUNT] = {"embedding", "inputTextTokenCount", "embeddings"};
    struct taker t = begin(arena, ret_answer);
    struct fl_json whole, a[A_COUNT];
    if (!scan(body, &whole)) {
        return FL_ERR_BAD_RESPONSE;
    }
    fl_get_members(whole, keys, A_COUNT, a);
    struct fl_json list =
        a[A_LIST].type == FL_JSON_OBJECT /* by types, where types were asked for */
            ? fl_json_get(a[A_LIST], FL_LIT("float"))
            : a[A_LIST];
    add_tokens(&t, a[A_TOKENS]);
    bool sound =
        a[A_ONE].type == FL_JSON_ARRAY ? add_vector(&t, a[A_ONE]) : add_vectors(&t, list, NULL, 0);
    return sound ? FL_OK : FL_ERR_BAD_RESPONSE;
}

const struct fl_embed_form fl_embed_bedrock = {"bedrock/embed", bedrock_write, bedrock_take};

/* --- Ollama --- */

static enum fl_err ollama_write(const struct fl_embed_request *request, struct fl_slice model,
                                struct fl_buf *out, struct fl_losses *losses,
                                struct fl_reterr *reterr)
{
    lose_others(request, losses);
    lose_purpose(request, losses);
    fl_buf_putc(out, '{');
    fl_put_plain(out, "model", model);
    put_texts(out, "input", request);
    if (request->dimensions > 0) {
        fl_put_number(out, "dimensions", request->dimensions);
    }
    fl_buf_putc(out, '}');
    return check_texts(request, losses, reterr);
}

static enum fl_err ollama_take(struct fl_slice body, struct fl_arena *arena,
                               struct fl_embed_answer *ret_answer)
{
    struct taker t = begin(arena, ret_answer);
    struct fl_json whole;
    if (!scan(body, &whole) ||
        !add_vectors(&t, fl_json_get(whole, FL_LIT("embeddings")), NULL, 0)) {
        return FL_ERR_BAD_RESPONSE;
    }
    add_tokens(&t, fl_json_get(whole, FL_LIT("prompt_eval_count")));
    return FL_OK;
}

const struct fl_embed_form fl_embed_ollama = {"ollama/embed", ollama_write, ollama_take};
