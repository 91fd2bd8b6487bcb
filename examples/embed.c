/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfairlead in a program of one's own: a few requests over three targets, one of which fails.
 *
 *     cc embed.c $(pkg-config --cflags --libs fairlead) -o embed
 */
#include <fairlead/fairlead.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static void check(int status, const char *text)
{
    if (status != FAIRLEAD_OK) {
        fprintf(stderr, "%s: %s\n", fairlead_status_text(status), text);
        exit(1);
    }
}

static struct fairlead *create_engine(void)
{
    static const char *const targets[] = {"openai/gpt-4o-mini", "groq/llama-3.3-70b-versatile",
                                          "local/llama-3.1-8b"};
    struct fairlead_setup *setup;
    struct fairlead *engine;
    char error[256];
    check(fairlead_setup_create(&setup), "setup");
    check(fairlead_setup_route(setup, "chat", "cost"), fairlead_setup_error(setup));
    for (int i = 0; i < 3; i++) {
        check(fairlead_setup_target(setup, targets[i]), fairlead_setup_error(setup));
    }
    /* A server of one's own has no price in the catalogue: what an hour of it costs, per token. */
    check(fairlead_setup_target_number(setup, targets[2], "input_usd", 0.01),
          fairlead_setup_error(setup));
    check(fairlead_setup_target_number(setup, targets[2], "output_usd", 0.02),
          fairlead_setup_error(setup));
    for (int i = 0; i < 3; i++) {
        check(fairlead_setup_route_target(setup, "chat", targets[i], 0),
              fairlead_setup_error(setup));
    }
    check(fairlead_setup_number(setup, "failures_to_eject", 2), fairlead_setup_error(setup));
    check(fairlead_create(42, &engine), "engine");
    check(fairlead_apply(engine, setup, error, sizeof(error)), error);
    fairlead_setup_destroy(setup);
    return engine;
}

/* Where a program would send the request. The local server is down today. */
static const char *answer(const char *target)
{
    return strncmp(target, "local/", 6) == 0 ? "provider_connection_failed" : "ok";
}

static void serve(struct fairlead *engine, struct fairlead_request *request, const char *prompt,
                  uint64_t now)
{
    struct fairlead_decision *decision;
    fairlead_request_reset(request);
    check(fairlead_request_message(request, "user", prompt, strlen(prompt)), "message");
    check(fairlead_request_number(request, "max_tokens", 200), "max_tokens");
    int status = fairlead_decide(engine, "chat", request, now, &decision);
    check(status, decision ? fairlead_decision_error(decision) : "decide");
    printf("%s\n  %s\n", prompt, fairlead_decision_reason(decision));
    for (unsigned i = 0; i < fairlead_decision_count(decision); i++) {
        const char *target = fairlead_decision_target(decision, i);
        const char *outcome = answer(target);
        check(fairlead_begin(decision, i, now), target);
        now += SECOND / 4;
        check(fairlead_end(decision, outcome, 20, 80, 0, now), target);
        printf("  %s: %s, expected to cost %.8f USD\n", target, outcome,
               fairlead_decision_cost_usd(decision, i));
        if (strcmp(outcome, "ok") == 0) {
            break;
        }
    }
    fairlead_decision_destroy(decision);
}

int main(void)
{
    static const char *const prompts[] = {"Translate 'good morning' into French.",
                                          "Summarize the benefits of AI routing.",
                                          "Write a poem about the sea."};
    struct fairlead *engine = create_engine();
    struct fairlead_request *request;
    check(fairlead_request_create(&request), "request");
    for (unsigned i = 0; i < 3; i++) {
        serve(engine, request, prompts[i], (i + 1) * SECOND);
    }
    fairlead_request_destroy(request);
    fairlead_destroy(engine);
    return 0;
}
