/* SPDX-License-Identifier: Apache-2.0 */
/* How a run is shown: each step, call and change, with secrets masked; as text or as JSON. */
#include "core/cli/plugin_run.h"

#include "core/base/log.h"
#include "core/cli/secretive.h"
#include "core/json/json.h"

#include <string.h>

#define SHOWN_MAX 4000

static void line(struct pv_run *run, const char *lead, enum pv_tone tone, struct pv_str text)
{
    const struct pv_out *out = &run->cli->out;
    struct pv_buf clean;
    pv_buf_init(&clean, (size_t)1024 * 1024);
    pv_text_clean(&clean, text);
    fprintf(out->file, "  %s%-9s%s %s\n", pv_out_on(out, tone), lead, pv_out_off(out, tone),
            clean.ptr != NULL ? clean.ptr : "");
    fflush(out->file);
    pv_buf_done(&clean);
}

static void note(struct pv_run *run, json_t *entry)
{
    if (run->report != NULL) {
        json_array_append_new(json_object_get(run->report, "happened"), entry);
    } else {
        json_decref(entry);
    }
}

static bool shows(const struct pv_run *run)
{
    return !run->cli->out.json && !run->cli->out.quiet;
}

static void on_begin(void *ctx, struct pv_str step, const char *kind, uint32_t attempt)
{
    struct pv_run *run = ctx;
    const struct pv_out *out = &run->cli->out;
    if (shows(run)) {
        bool plain = strcmp(kind, "run") == 0;
        fprintf(out->file, "%s%.*s%s%s%s%s", pv_out_on(out, PV_TONE_BOLD), PV_STR_ARG(step),
                pv_out_off(out, PV_TONE_BOLD), plain ? "" : " (", plain ? "" : kind,
                plain ? "" : ")");
        fprintf(out->file, attempt > 1 ? ", attempt %u\n" : "\n", attempt);
        fflush(out->file);
    }
    note(run, json_pack("{ss ss% ss si}", "what", "call", "step", step.ptr, step.len, "kind", kind,
                        "attempt", (int)attempt));
}

static void on_log(void *ctx, int level, struct pv_str text)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    static const char *const calls[] = {"http: ", "exec: ", "resolve: ", "sleep: "};
    struct pv_run *run = ctx;
    const char *lead = levels[level & 3];
    struct pv_str shown = text;
    for (size_t i = 0; level == PV_DEBUG && i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (pv_str_starts(text, calls[i])) {
            size_t len = strlen(calls[i]);
            lead = i == 0 ? "http" : i == 1 ? "exec" : i == 2 ? "resolve" : "sleep";
            shown = (struct pv_str){text.ptr + len, text.len - len};
        }
    }
    if (shows(run)) {
        line(run, lead, level >= PV_WARN ? PV_TONE_BUSY : PV_TONE_DIM, shown);
    }
    note(run, json_pack("{ss ss%}", "what", lead, "text", shown.ptr != NULL ? shown.ptr : "",
                        shown.len));
}

static void on_progress(void *ctx, int percent, struct pv_str text)
{
    struct pv_run *run = ctx;
    struct pv_buf shown;
    pv_buf_init(&shown, 8192);
    if (percent >= 0) {
        pv_buf_printf(&shown, "%d %%%s", percent, text.len > 0 ? ": " : "");
    }
    pv_buf_str(&shown, text);
    if (shows(run)) {
        line(run, "progress", PV_TONE_DIM, pv_buf_view(&shown));
    }
    note(run, json_pack("{ss ss% si}", "what", "progress", "text", text.ptr != NULL ? text.ptr : "",
                        text.len, "percent", percent));
    pv_buf_done(&shown);
}

static void on_asked(void *ctx, struct pv_str text)
{
    struct pv_run *run = ctx;
    if (shows(run)) {
        line(run, "store", PV_TONE_DIM, text);
    }
    note(run, json_pack("{ss ss%}", "what", "store", "text", text.ptr, text.len));
}

/* A value in one line, masked. The text is freed with pv_buf_done. */
static void masked(const struct pv_run *run, const char *key, const json_t *value,
                   struct pv_buf *ret_text)
{
    struct pv_buf text;
    pv_buf_init(&text, (size_t)1024 * 1024);
    pv_buf_init(ret_text, (size_t)1024 * 1024);
    json_t *copy = json_deep_copy(value);
    pv_hide_secrets(copy);
    if (json_is_string(copy) && pv_sounds_secret(key)) {
        json_string_set(copy, "******");
    }
    pv_json_put(&text, copy);
    json_decref(copy);
    pv_mask_text(&run->play.mask, NULL, pv_buf_view(&text), SHOWN_MAX, ret_text);
    pv_buf_done(&text);
}

static void state_line(struct pv_run *run, const char *lead, const char *key, const json_t *value)
{
    struct pv_buf text;
    struct pv_buf shown;
    masked(run, key, value, &text);
    pv_buf_init(&shown, (size_t)1024 * 1024);
    pv_buf_printf(&shown, "%s %s: %.*s", lead, key, PV_STR_ARG(pv_buf_view(&text)));
    if (shows(run)) {
        line(run, "state", PV_TONE_DIM, pv_buf_view(&shown));
    }
    note(run, json_pack("{ss ss%}", "what", "state", "text", shown.ptr != NULL ? shown.ptr : "",
                        shown.len));
    pv_buf_done(&shown);
    pv_buf_done(&text);
}

static void on_state(void *ctx, const json_t *before, const json_t *after)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)before, key, value)
    {
        if (json_object_get(after, key) == NULL) {
            state_line(ctx, "-", key, value);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)after, key, value)
    {
        const json_t *was = json_object_get(before, key);
        if (was == NULL || !json_equal(was, value)) {
            state_line(ctx, was == NULL ? "+" : "~", key, value);
        }
    }
}

static void on_end(void *ctx, struct pv_str step, const char *kind, const char *outcome,
                   struct pv_str text, int64_t ms)
{
    struct pv_run *run = ctx;
    struct pv_buf shown;
    pv_buf_init(&shown, 8192);
    pv_buf_printf(&shown, "in %lld ms%s%.*s", (long long)ms, text.len > 0 ? ": " : "",
                  PV_STR_ARG(text));
    if (shows(run)) {
        line(run, outcome, pv_out_tone(outcome), pv_buf_view(&shown));
    }
    note(run, json_pack("{ss ss% ss ss ss% sI}", "what", "outcome", "step", step.ptr, step.len,
                        "kind", kind, "outcome", outcome, "text", text.ptr != NULL ? text.ptr : "",
                        text.len, "ms", (json_int_t)ms));
    pv_buf_done(&shown);
}

static void on_waits(void *ctx, const char *why, int64_t ms)
{
    struct pv_run *run = ctx;
    char text[80];
    int len = snprintf(text, sizeof(text), "%lld.%lld s (%s)", (long long)(ms / 1000),
                       (long long)(ms % 1000 / 100), why);
    if (shows(run)) {
        line(run, "waits", PV_TONE_DIM, (struct pv_str){text, (size_t)len});
    }
}

/* ---- The end ---- */

static void show_value(struct pv_run *run, const char *title, const json_t *value)
{
    struct pv_buf text;
    masked(run, "", value, &text);
    const struct pv_out *out = &run->cli->out;
    fprintf(out->file, "%s%s%s %.*s\n", pv_out_on(out, PV_TONE_DIM), title,
            pv_out_off(out, PV_TONE_DIM), PV_STR_ARG(pv_buf_view(&text)));
    pv_buf_done(&text);
}

/* A value with its secrets masked, as JSON again. */
static json_t *masked_json(const struct pv_run *run, const json_t *value)
{
    struct pv_buf text;
    masked(run, "", value, &text);
    json_t *json = json_loadb(text.ptr != NULL ? text.ptr : "", text.len, JSON_DECODE_ANY, NULL);
    pv_buf_done(&text);
    return json != NULL ? json : json_null();
}

static void print_report(struct pv_run *run, const struct pv_play_result *result)
{
    json_object_set_new(run->report, "end", json_string(pv_play_end_name(result->end)));
    json_object_set_new(run->report, "outcome", json_string(pv_play_outcome_name(result->outcome)));
    json_object_set_new(run->report, "reason", json_string(result->reason));
    json_object_set_new(run->report, "state", masked_json(run, pv_local_state(&run->local)));
    json_object_set_new(run->report, "result",
                        result->result != NULL ? masked_json(run, result->result) : json_null());
    json_dumpf(run->report, run->cli->out.file, JSON_COMPACT);
    fputc('\n', run->cli->out.file);
}

void pv_run_print_end(struct pv_run *run, const struct pv_play_result *result)
{
    const struct pv_out *out = &run->cli->out;
    const char *end = pv_play_end_name(result->end);
    enum pv_tone tone = result->end == PV_PLAY_DONE ? PV_TONE_GOOD : PV_TONE_BAD;
    if (run->report != NULL) {
        print_report(run, result);
        return;
    }
    fprintf(out->file, "%s%s%s%s", pv_out_on(out, tone), end, pv_out_off(out, tone),
            result->reason[0] != '\0' ? ": " : "");
    pv_text_print(out->file, result->reason);
    fputc('\n', out->file);
    if (result->result != NULL) {
        show_value(run, "result:", result->result);
    }
    if (run->given.query == NULL && !out->quiet) {
        show_value(run, "state: ", pv_local_state(&run->local));
    }
}

struct pv_play_view pv_run_view(struct pv_run *run)
{
    return (struct pv_play_view){.ctx = run,
                                 .begin = on_begin,
                                 .log = on_log,
                                 .progress = on_progress,
                                 .asked = on_asked,
                                 .state = on_state,
                                 .end = on_end,
                                 .waits = on_waits};
}
