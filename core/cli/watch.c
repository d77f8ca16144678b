/* SPDX-License-Identifier: Apache-2.0 */
/* Follows an operation: each new line of its history, why it waits, how far it is; to its end. */
#include "core/cli/request.h"

#include "core/base/alloc.h"

#include <string.h>
#include <time.h>

#define WAIT_S 60 /* asked of the daemon: it answers as soon as something happens */
#define PATH_CAP 256
#define VERSION_CAP 40
#define LINE_CAP (16u * 1024)

struct watch {
    struct pv_cli *cli;
    bool show;
    size_t steps_shown;
    char *last; /* the last line about waiting or progress; pv_free */
};

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void print_line(struct watch *watch, const char *time, struct pv_str text, enum pv_tone tone)
{
    const struct pv_out *out = &watch->cli->out;
    struct pv_buf line;
    pv_buf_init(&line, LINE_CAP);
    pv_buf_printf(&line, "%s%.8s%s  %s", pv_out_on(out, PV_TONE_DIM), time,
                  pv_out_off(out, PV_TONE_DIM), pv_out_on(out, tone));
    struct pv_buf clean;
    pv_buf_init(&clean, LINE_CAP);
    pv_text_clean(&clean, text);
    pv_text_cut(&line, pv_buf_view(&clean), out->width > 20 ? out->width - 10 : SIZE_MAX);
    pv_buf_printf(&line, "%s\n", pv_out_off(out, tone));
    if (line.status == 0) {
        fputs(line.ptr, out->file);
        fflush(out->file);
    }
    pv_buf_done(&clean);
    pv_buf_done(&line);
}

/* "10:14:00" of an RFC 3339 time. */
static const char *clock_of(const char *time)
{
    return time != NULL && strlen(time) >= 19 ? time + 11 : "        ";
}

static void show_step(struct watch *watch, const json_t *step)
{
    struct pv_buf text;
    pv_buf_init(&text, LINE_CAP);
    const char *kind = or_empty(pv_json_text(step, "kind"));
    const char *outcome = or_empty(pv_json_text(step, "outcome"));
    const char *sentence = pv_json_text(step, "text");
    pv_buf_printf(&text, "%s.%s", or_empty(pv_json_text(step, "component")),
                  or_empty(pv_json_text(step, "step")));
    if (strcmp(kind, "run") != 0) {
        pv_buf_printf(&text, " (%s)", kind);
    }
    json_int_t attempt = json_integer_value(pv_json_at(step, "attempt"));
    if (attempt > 1) {
        pv_buf_printf(&text, ", attempt %lld", (long long)attempt);
    }
    pv_buf_printf(&text, ": %s%s%s", outcome, sentence != NULL ? ": " : "", or_empty(sentence));
    if (text.status == 0) {
        print_line(watch, clock_of(pv_json_text(step, "ended")), pv_buf_view(&text),
                   pv_out_tone(outcome));
    }
    pv_buf_done(&text);
}

/* "waits (retry) until 10:14:20 for pdns-1: HTTP 503" or "running: 40 %: cloning". */
static void describe_now(const json_t *op, struct pv_buf *text)
{
    const char *why = pv_json_text(op, "wait.why");
    const char *reason = pv_json_text(op, "reason");
    const char *progress = pv_json_text(op, "progress");
    const char *until = pv_json_text(op, "wait.until");
    pv_buf_c(text, or_empty(pv_json_text(op, "state")));
    if (why != NULL && strcmp(why, "none") != 0) {
        pv_buf_printf(text, ", waits (%s)", why);
        if (until != NULL) {
            pv_buf_printf(text, " until %.8s", clock_of(until));
        }
    }
    if (progress != NULL) {
        pv_buf_printf(text, ": %s", progress);
    } else if (reason != NULL) {
        pv_buf_printf(text, ": %s", reason);
    }
}

static void show_now(struct watch *watch, const json_t *op)
{
    struct pv_buf text;
    pv_buf_init(&text, LINE_CAP);
    describe_now(op, &text);
    bool same = watch->last != NULL && text.ptr != NULL && strcmp(watch->last, text.ptr) == 0;
    if (text.status == 0 && text.ptr != NULL && !same) {
        char now[PV_TIME_TEXT];
        pv_time_format(pv_wall_ms(&pv_clock_system), now);
        print_line(watch, clock_of(now), pv_buf_view(&text),
                   pv_out_tone(or_empty(pv_json_text(op, "state"))));
        pv_free(watch->last);
        watch->last = pv_strdup(text.ptr);
    }
    pv_buf_done(&text);
}

static void show(struct watch *watch, const json_t *op)
{
    const json_t *steps = json_object_get(op, "steps");
    for (; watch->steps_shown < json_array_size(steps); watch->steps_shown++) {
        show_step(watch, json_array_get(steps, watch->steps_shown));
    }
    show_now(watch, op);
}

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static bool is_over(const char *state)
{
    return pv_cli_state_exit(state) != PV_EXIT_UNFINISHED;
}

static int finish(struct watch *watch, const struct pv_answer *answer)
{
    const char *state = pv_json_text(answer->json, "state");
    if (watch->cli->out.json) {
        fprintf(watch->cli->out.file, "%s\n", answer->text);
    } else if (watch->cli->out.quiet) {
        fprintf(watch->cli->out.file, "%s\n", or_empty(state));
    } else if (pv_cli_state_exit(state) == PV_EXIT_NEEDS_OPERATOR) {
        fprintf(watch->cli->out.errors,
                "it needs an operator: `provost explain %s` says what can be done\n",
                or_empty(pv_json_text(answer->json, "operation")));
    }
    return pv_cli_state_exit(state);
}

/* What may pass before it is given up; INT64_MAX without a time limit. */
static int64_t left_of(int64_t timeout_ms, int64_t until)
{
    return timeout_ms > 0 ? until - pv_mono_ms(&pv_clock_system) : INT64_MAX;
}

/* One look: at once without `version`, else when it is not that any more. */
static int look(struct watch *watch, const char *path, const char *version, int64_t wait_s,
                struct pv_answer *answer)
{
    char asked[PATH_CAP + 64];
    snprintf(asked, sizeof(asked), "%s%s%s", path, version[0] != '\0' ? "?seen=" : "", version);
    return pv_cli_ask(watch->cli, &(struct pv_client_request){.path = asked, .wait_s = wait_s},
                      answer);
}

static int follow(struct watch *watch, const char *path, int64_t timeout_ms)
{
    int64_t until = pv_mono_ms(&pv_clock_system) + timeout_ms;
    char version[VERSION_CAP] = "";
    int64_t wait_s = 0; /* at first it is shown as it is */
    for (;;) {
        struct pv_answer answer;
        int status = look(watch, path, version, wait_s, &answer);
        if (status != PV_EXIT_OK) {
            return status;
        }
        if (watch->show) {
            show(watch, answer.json);
        }
        int64_t left = left_of(timeout_ms, until);
        if (is_over(pv_json_text(answer.json, "state")) || left <= 0) {
            status = finish(watch, &answer);
            pv_answer_done(&answer);
            return status;
        }
        snprintf(version, sizeof(version), "%s", or_empty(pv_json_text(answer.json, "version")));
        pv_answer_done(&answer);
        wait_s = left < WAIT_S * 1000 ? left / 1000 : WAIT_S;
        if (wait_s == 0) {
            pause_ms(left); /* less than a second: the last look is then */
        }
    }
}

int pv_cli_follow(struct pv_cli *cli, const char *operation, int64_t timeout_ms, bool show_it)
{
    char path[PATH_CAP];
    snprintf(path, sizeof(path), "/v1/operations/%s", operation);
    struct watch watch = {.cli = cli, .show = show_it};
    int status = follow(&watch, path, timeout_ms);
    pv_free(watch.last);
    return status;
}
