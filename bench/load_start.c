/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting other programs: `exec` becomes one, on a chosen core and with every descriptor it may
 * have; `startup` times one from before the fork to its first 200.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { POLL_US = 100, STOP_MS = 3000 };

/* Only returns when the program cannot be run. */
static int become(const struct fl_load_options *options, pid_t parent)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (options->core != UINT32_MAX) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(options->core, &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0) {
            (void)fprintf(stderr, "bench_load: core %u: %s\n", options->core, strerror(errno));
        }
    }
    /* A driver that dies takes its children along. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        return 127;
    }
    execvp(options->command[0], options->command);
    (void)fprintf(stderr, "bench_load: %s: %s\n", options->command[0], strerror(errno));
    return 127;
}

int fl_load_exec(const struct fl_load_options *options)
{
    return become(options, getppid());
}

/* One try: is there an answer, and is it 200? */
static bool answers_200(const struct fl_load_options *options)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)options->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 1};
    char text[512] = "";
    bool ok = false;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        int n = snprintf(text, sizeof text,
                         "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n",
                         options->path, options->port);
        if (n > 0 && send(fd, text, (size_t)n, MSG_NOSIGNAL) == n &&
            recv(fd, text, sizeof text, MSG_WAITALL) >= 12) {
            ok = memcmp(text, "HTTP/1.1 200", 12) == 0;
        }
    }
    close(fd);
    return ok;
}

static void nap_us(unsigned us)
{
    const struct timespec nap = {.tv_nsec = (long)us * 1000};
    nanosleep(&nap, NULL);
}

static void stop(pid_t pid)
{
    kill(pid, SIGTERM);
    for (unsigned waited_ms = 0; waited_ms < STOP_MS; waited_ms += 2) {
        if (waitpid(pid, NULL, WNOHANG) != 0) {
            return;
        }
        nap_us(2000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int fl_load_startup(const struct fl_load_options *options)
{
    uint64_t start_ns = fl_load_now_ns();
    uint64_t limit_ns = start_ns + (uint64_t)options->limit_s * 1000000000u;
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        return 1;
    }
    if (pid == 0) {
        _exit(become(options, parent));
    }
    bool ready = false, exited = false;
    while (!ready && !exited && fl_load_now_ns() < limit_ns) {
        ready = answers_200(options);
        if (!ready) {
            exited = waitpid(pid, NULL, WNOHANG) != 0;
            nap_us(POLL_US);
        }
    }
    uint64_t ready_ns = fl_load_now_ns();
    const struct fl_load_options child = {.pids = {pid}, .pid_count = 1};
    uint64_t cpu_ns = fl_load_cpu_ns(&child);
    if (!exited) {
        stop(pid);
    }
    printf("{\"result\":\"startup\",\"ready\":%s,\"ns\":%ju,\"cpu_ns\":%ju}\n",
           ready ? "true" : "false", (uintmax_t)(ready_ns - start_ns), (uintmax_t)cpu_ns);
    return ready ? 0 : 3;
}
