/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t started_ns;

static uint64_t monotonic_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t fl_uptime_ns(void)
{
    return monotonic_ns() - started_ns;
}

static int run_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        (void)printf("{\"name\":\"fairlead\",\"version\":\"%s\"}\n", FL_VERSION);
        return FL_EXIT_OK;
    }
    if (argc > 1) {
        return fl_usage_error("version", "unexpected '%s'", argv[1]);
    }
    (void)printf("fairlead %s\n", FL_VERSION);
    return FL_EXIT_OK;
}

static int print_help(FILE *to)
{
    (void)fprintf(to, "fairlead %s: one endpoint in front of many AI-model providers.\n\n"
                      "  fairlead demo                    see it work: simulated providers, no key, no network\n"
                      "  OPENAI_API_KEY=... fairlead serve\n"
                      "  fairlead serve -c fairlead.yaml\n\nCommands:\n",
                  FL_VERSION);
    for (unsigned i = 0; i < fl_command_count; i++) {
        (void)fprintf(to, "  %-12s %s\n", fl_commands[i].name, fl_commands[i].summary);
    }
    (void)fprintf(to, "\n'fairlead help COMMAND' tells more about one.\n"
                      "Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration invalid, 4 not reachable.\n");
    return FL_EXIT_OK;
}

static int unknown_command(const char *name)
{
    const char *near = fl_command_suggest(name);
    (void)fprintf(stderr, "fairlead: unknown command '%s'%s%s%s\n", name, near ? "; did you mean '" : "",
                  near ? near : "", near ? "'?" : "; see 'fairlead help'");
    return FL_EXIT_USAGE;
}

static int run_help(int argc, char **argv)
{
    if (argc < 2) {
        return print_help(stdout);
    }
    const struct fl_command *c = fl_command_find(argv[1]);
    if (!c) {
        return unknown_command(argv[1]);
    }
    (void)printf("%s", c->usage);
    return FL_EXIT_OK;
}

const struct fl_command fl_commands[] = {
    {"serve", "run the gateway",
     "usage: fairlead serve [-c FILE] [--listen ADDR] [--workers N] [--quiet]\n\n"
     "  fairlead serve                      uses the first file found of $FAIRLEAD_CONFIG, ./fairlead.yaml,\n"
     "                                      $XDG_CONFIG_HOME/fairlead/fairlead.yaml, /etc/fairlead/fairlead.yaml;\n"
     "                                      without one, the keys found in the environment\n"
     "  -c, --config FILE                   this file\n"
     "      --listen ADDR                   e.g. 127.0.0.1:3247, instead of the file's 'listen'\n"
     "      --workers N                     threads, instead of one a core\n"
     "  -q, --quiet                         no banner\n\n"
     "Signals: SIGHUP reloads the file (a broken one is reported and changes nothing), SIGTERM and SIGINT\n"
     "finish what is in flight and end; a second one ends at once.\n",
     fl_cli_serve},
    {"demo", "run the gateway with simulated providers: no key, no network",
     "usage: fairlead demo [--once] [--rate N] [--seed S] [--listen ADDR]\n\n"
     "  Starts simulated providers on real sockets and the gateway in front of them, sends three prompts,\n"
     "  then background traffic with an outage, until Ctrl-C.\n\n"
     "      --once         ends after the prompts and one failover\n"
     "      --rate N       background requests a second (default 5; 0: none)\n"
     "      --seed S       the same seed gives the same providers\n"
     "      --listen ADDR  default 127.0.0.1:3247\n",
     fl_cli_demo},
    {"check", "check a configuration file: all errors at once",
     "usage: fairlead check [FILE] [--strict]\n\n"
     "  Prints every error as FILE:LINE:COLUMN with the line and a caret. Exit code 3 when there is one.\n"
     "      --strict       warnings count as errors\n",
     fl_cli_check},
    {"explain", "show which target a request would go to, and why: nobody is asked",
     "usage: fairlead explain --prompt TEXT | -f REQUEST.json [-m MODEL] [--tier low|medium|high]\n"
     "                        [--strategy NAME] [--max-cost USD] [-c FILE] [--json]\n\n"
     "  Prints every target considered, why it is left out or what its score is made of, who is chosen, and what\n"
     "  that would cost. What a running gateway has measured is not known here; ask it with the request header\n"
     "  'x-fairlead-explain: only'. Exit code 1 when no target may answer.\n\n"
     "  -p, --prompt TEXT      a request with this one message\n"
     "  -f, --file FILE        a request's body, as an SDK sends it; - reads standard input\n"
     "  -m, --model MODEL      default: the request's, or auto\n"
     "      --tier TIER        quality tier at least\n"
     "      --strategy NAME    instead of the configured one\n"
     "      --max-cost USD     what the request may cost at most\n"
     "      --json             the decision record\n",
     fl_cli_explain},
    {"models", "list the models that are known, with prices",
     "usage: fairlead models [OPTIONS] [PATTERN]\n\n"
     "  fairlead models gpt-4o                names with that text in them\n"
     "  fairlead models --provider groq\n"
     "  fairlead models --tier high --capability vision --max-price 5\n\n"
     "      --provider NAME\n"
     "      --tier low|medium|high\n"
     "      --capability NAME       chat, stream, tools, json, reasoning, vision, audio, video, pdf, speech,\n"
     "                              images, embeddings; may be repeated\n"
     "      --status active|deprecated|retired\n"
     "                              without it and without PATTERN, retired models are left out\n"
     "      --max-price USD         per million tokens, three of input for one of output\n"
     "      --json                  everything that is known, as JSON\n"
     "  PATTERN with '*' (anything) or '#' (a digit) must fit the whole name.\n",
     fl_cli_models},
    {"catalog", "show where models and prices come from, or update them",
     "usage: fairlead catalog\n"
     "       fairlead catalog update FILE [--output FILE] [--dry-run]\n\n"
     "  FILE is a catalogue of fairlead's, a price file of genai-prices (JSON), or a table of models.dev (CSV);\n"
     "  '-' is standard input. What it changes is printed; the rows that differ from the built-in ones are\n"
     "  written to --output, else to $FAIRLEAD_CATALOG, else to the first that exists of\n"
     "  $XDG_CONFIG_HOME/fairlead/catalog.txt and /etc/fairlead/catalog.txt, else to the first of these.\n"
     "  'serve' and 'check' read the file from the same places; SIGHUP reads it again. A file that is older than\n"
     "  the catalogue only adds models.\n"
     "      --dry-run      writes nothing\n",
     fl_cli_catalog},
    {"init", "write a commented fairlead.yaml from what is found in the environment",
     "usage: fairlead init > fairlead.yaml\n\n"
     "  Lists the providers whose key variables are set (the keys themselves are never written).\n",
     fl_cli_init},
    {"schema", "print the JSON Schema of fairlead.yaml",
     "usage: fairlead schema [--markdown]\n\n"
     "  For editors: fairlead schema > fairlead.schema.json\n"
     "      --markdown     the reference page instead\n",
     fl_cli_schema},
    {"providers", "show the providers of a running gateway, take one out, put it in again",
     "usage: fairlead providers [list [NAME] | drain NAME | enable NAME] [--at ADDR] [--json]\n\n"
     "  list     targets with their health, keys with what became of them (default)\n"
     "  drain    no new request goes to the provider; those under way end as they would\n"
     "  enable   it is used again, and taken for well: ejections and refused keys are forgotten\n\n"
     "      --at ADDR      of the gateway, default 127.0.0.1:3247\n"
     "      --json         as the gateway tells it\n\n"
     "A gateway with client keys wants one of them in $FAIRLEAD_KEY when it runs on another machine.\n",
     fl_cli_providers},
    {"healthcheck", "ask a running gateway whether it is ready",
     "usage: fairlead healthcheck [ADDR]\n\n"
     "  GET /readyz at ADDR (default 127.0.0.1:3247). Exit code 0 when ready, 4 when not.\n",
     fl_cli_healthcheck},
    {"train", "train the task classifier, or the quality of models, on your prompts",
     "usage: fairlead train --labels FILE [--labels FILE ...] --output MODEL [options]\n\n"
     "  A line of FILE is {\"prompt\": \"...\", \"label\": \"...\"}; labels: summarization, classification,\n"
     "  generation, analysis, translation, other. \"source\", \"group\" and \"weight\" may follow. Prints\n"
     "  macro-F1 on held-out rows per source (five: without 'other'; six: with it) and the calibration.\n\n"
     "      --kind KIND        tfidf_linear (default), keyword, kmeans, knn\n"
     "      --hold-out SOURCE  learn from the other sources only and print how this one is classified\n"
     "      --count N          centroids of kmeans, prototypes of knn\n"
     "      --epochs N         passes of tfidf_linear over the rows\n"
     "      --seed N           the same seed, the same file (default 1)\n"
     "      --skip-bad-lines   go on without the lines that are reported\n\n"
     "usage: fairlead train --quality FILE [--quality FILE ...] --output MODEL [options]\n\n"
     "  A line of FILE is {\"prompt\": \"...\", \"scores\": {\"MODEL\": 0..1, ...}}; \"source\" may follow: whole\n"
     "  sources are then held out. Prints how well the strong and the weak model can be told apart.\n\n"
     "      --strong MODEL     the pair (default: the best and the worst on average)\n"
     "      --weak MODEL\n"
     "      --bits N           2^N rows of weights (default 16; 8 to 18)\n"
     "      --seed N           the same seed, the same file (default 1)\n",
     fl_cli_train},
    {"mock", "run a provider that fails as told, to try a gateway or a client against",
     "usage: fairlead mock [--port N] [--fault NAME] [--at BYTES|event:N] [--rate P] [--seed S] [--script FILE]\n"
     "                     [--model NAME]... [--ttft-ms N] [--token-ms N] [--tokens N] [--rpm N] [--quiet]\n"
     "                     [--dialect NAME]\n"
     "       fairlead mock --list\n\n"
     "  Speaks the OpenAI dialect on 127.0.0.1 until SIGTERM, takes any key, and tells each request as a line of\n"
     "  JSON. Answers are made up from the prompt; the same seed gives the same ones.\n\n"
     "      --port N         default: a free one, told on the first line\n"
     "      --fault NAME     cut, stall, reset, refuse, half-close, garbage, error-200, slow, truncated-json,\n"
     "                       wrong-length, endless-head, gzip-bomb, redirect, a status (429, 529, 500, ...), or\n"
     "                       any of --list; default none\n"
     "      --at WHERE       where it breaks: after so many bytes of the answer, head included, or event:N, after\n"
     "                       so many pieces of text of a stream\n"
     "      --rate P         of the requests, 0 to 1; default 1\n"
     "      --script FILE    lines 'SECONDS FAULT [at=WHERE] [rate=P]': from then on this fault\n"
     "      --dialect NAME   openai (default), or for chats anthropic, gemini, ollama, bedrock\n"
     "      --model NAME     that it knows; default mock\n"
     "      --ttft-ms N      to the first token (median; default 20), --token-ms N between tokens (1)\n"
     "      --tokens N       of an answer at least; --rpm N requests a minute\n",
     fl_cli_mock},
    {"simulate", "prove the gateway: faults of every kind on a virtual clock",
     "usage: fairlead simulate --chaos [--seeds N] [--seed S] [--exchanges N] [--json]\n"
     "       fairlead simulate --chaos --plan FILE [--json]\n"
     "       fairlead simulate --incidents FILE [--seed S] [--total] [--json]\n\n"
     "  --chaos runs the real server on a virtual network and clock, each seed with providers, clients and\n"
     "  faults of its own, and checks after every event what must always hold. A failing seed is printed with\n"
     "  the invariant, the time, and a plan made as small as it still fails; it replays exactly. Exit code 1\n"
     "  when one failed.\n\n"
     "      --seeds N       so many, from --seed on (default 200; with --seed alone 1)\n"
     "      --seed S        default 1\n"
     "      --exchanges N   requests of each seed (default 500)\n"
     "      --plan FILE     this plan, as printed\n"
     "      --self-test     lie to the checker in each way it must notice\n"
     "      --trace         all that happens, on standard error\n"
     "      --json          one line of JSON a seed\n\n"
     "  --incidents replays recorded outages of two providers (CSV: provider, service, start_unix, end_unix,\n"
     "  severity) and explains every request that failed.\n"
     "      --total         every incident is a total outage, whatever its severity\n",
     fl_cli_simulate},
    {"version", "print the version", "usage: fairlead version [--json]\n", run_version},
    {"help", "print this, or help on one command", "usage: fairlead help [COMMAND]\n", run_help},
};
const unsigned fl_command_count = sizeof(fl_commands) / sizeof(fl_commands[0]);

const struct fl_command *fl_command_find(const char *name)
{
    for (unsigned i = 0; i < fl_command_count; i++) {
        if (strcmp(fl_commands[i].name, name) == 0) {
            return &fl_commands[i];
        }
    }
    return NULL;
}

const char *fl_command_suggest(const char *asked)
{
    const char *best = NULL;
    unsigned best_distance = 3;
    for (unsigned i = 0; i < fl_command_count; i++) {
        unsigned d = fl_slice_distance(fl_slice_cstr(asked), fl_slice_cstr(fl_commands[i].name), 3);
        if (d < best_distance) {
            best_distance = d;
            best = fl_commands[i].name;
        }
    }
    return best;
}

int fl_usage_error(const char *command, const char *format, ...)
{
    va_list args;
    (void)fprintf(stderr, "fairlead %s: ", command);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "; see 'fairlead help %s'\n", command);
    return FL_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    started_ns = monotonic_ns();
    if (argc < 2) {
        (void)print_help(stderr);
        return FL_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return print_help(stdout);
    }
    if (strcmp(argv[1], "--version") == 0) {
        return run_version(1, argv);
    }
    const struct fl_command *c = fl_command_find(argv[1]);
    if (!c) {
        return unknown_command(argv[1]);
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)printf("%s", c->usage);
            return FL_EXIT_OK;
        }
    }
    return c->run(argc - 1, argv + 1);
}
