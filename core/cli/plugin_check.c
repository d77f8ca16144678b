/* SPDX-License-Identifier: Apache-2.0 */
/* provost plugin check: the table of checks, and the report. */
#include "core/cli/plugin_tools.h"

#include "core/base/alloc.h"
#include "core/cli/kit.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct check {
    const char *name;
    const char *meaning;
    const char *hint;
    pv_kit_check_fn run;
    bool alone;        /* does not need a life */
    const char *after; /* says nothing where this one has failed */
};

static const struct check checks[] = {
    {.name = "declared",
     .meaning = "settings that are secrets are flagged so, create has an undo, and there is a "
                "terminate",
     .hint = "put PROVOST_F_SECRET on passwords and tokens; give create an undo",
     .run = pv_check_declared,
     .alone = true},
    {.name = "life",
     .meaning = "create, suspend, unsuspend, renew, upgrade and terminate end done, and leave "
                "nothing",
     .hint = "see what happens with `provost plugin run`",
     .run = pv_check_life,
     .alone = true},
    {.name = "double-create",
     .meaning = "a create whose steps are called again makes nothing twice",
     .hint = "name the object by ref and look for it in `lookup`, or send an Idempotency-Key; only "
             "then is a step PROVOST_S_REPEATABLE",
     .run = pv_check_double_create},
    {.name = "lost-answer",
     .meaning = "a request that was carried out and whose answer got lost is not repeated blindly",
     .hint = "return PROVOST_UNKNOWN where a request may have been carried out, and give the step "
             "a `lookup`",
     .run = pv_check_lost_answer,
     .after = "double-create"},
    {.name = "rate-limit",
     .meaning = "429 is temporary, and Retry-After is passed on",
     .hint = "classify with provost_classify_http, or return PROVOST_TEMPORARY with retry_after_ms",
     .run = pv_check_rate_limit},
    {.name = "denied",
     .meaning = "401 is a fault of the instance",
     .hint = "classify with provost_classify_http, or return PROVOST_INSTANCE_FAULT",
     .run = pv_check_denied},
    {.name = "server-error",
     .meaning = "500 with an HTML page neither ends an operation for good nor breaks it",
     .hint = "an outage is never PROVOST_PERMANENT: return PROVOST_UNKNOWN or PROVOST_TEMPORARY",
     .run = pv_check_server_error,
     .after = "double-create"},
    {.name = "garbage",
     .meaning = "answers that make no sense (cut off, of other types, HTML, 100 MiB) do no harm",
     .hint = "check what you read: a member may be missing or of another type",
     .run = pv_check_garbage,
     .after = "double-create"},
    {.name = "terminate-twice",
     .meaning = "terminate of what has been terminated is done",
     .hint = "what is not there any more is as good as deleted: 404 is PROVOST_OK",
     .run = pv_check_terminate_twice},
    {.name = "terminate-absent",
     .meaning = "terminate of what was never created is done",
     .hint = "an empty state document is no error: look for the ref, and nothing there is done",
     .run = pv_check_terminate_absent},
    {.name = "suspend-twice",
     .meaning = "suspend of what is suspended, unsuspend of what is active, are done",
     .hint = "set a state and do not toggle it; “is so already” is PROVOST_OK",
     .run = pv_check_suspend_twice},
    {.name = "unknown-plan",
     .meaning = "a plan whose name the plugin has never heard of is no accident",
     .hint = "take what a plan means from `values`, never from its name",
     .run = pv_check_unknown_plan},
    {.name = "upgrade",
     .meaning = "upgrades to every plan and back end done or are refused for good, and their undo "
                "leaves what is there",
     .hint = "set the plan's values; what is so already is PROVOST_OK",
     .run = pv_check_upgrade},
    {.name = "ref",
     .meaning = "two services with the same external id do not meet at the backend",
     .hint = "name objects by call->ref, and by nothing else",
     .run = pv_check_ref},
    {.name = "undo",
     .meaning = "undo leaves things as they were before, also where nothing was made",
     .hint = "undo looks for the ref and deletes what it finds; nothing there is PROVOST_OK",
     .run = pv_check_undo},
    {.name = "actions",
     .meaning = "an action that is called again, refused, canceled, undone or killed, or whose "
                "answer is lost "
                "or nonsense, does its work once",
     .hint = "a step of an action is repeated as those of operations are: let it set a state, send "
             "an Idempotency-Key, or give it a `lookup`; leave refusals to provost_classify_http, "
             "and check what you read",
     .run = pv_check_actions,
     .after = "double-create"},
    {.name = "kill",
     .meaning = "a host that is killed at any moment costs a repetition, and nothing else",
     .hint = "keep between steps only what is in the state document; one effect a step; `lookup` "
             "finds out the whole of it",
     .run = pv_check_kill,
     .after = "double-create"},
    {.name = "cancel",
     .meaning = "a canceled call ends soon",
     .hint = "after PROVOST_E_CANCELED return PROVOST_CANCELED: every later host call fails too",
     .run = pv_check_cancel},
    {.name = "idempotency-key",
     .meaning = "a repeated request has the key of the first, another request another key",
     .hint = "use idempotency_label, with a label of its own for each request of a step",
     .run = pv_check_idempotency_key},
    {.name = "state-size",
     .meaning = "answers too large for the state document do not lose what was made",
     .hint = "keep ids and not answers, and look at what provost_set_state returns",
     .run = pv_check_state_size,
     .after = "double-create"},
    {.name = "secrets",
     .meaning = "no secret in logs, progress, reasons, views, URLs; none of the settings in the "
                "state document",
     .hint = "register secrets that a backend gives with host->secret; send tokens in headers; "
             "views refer to `reveal`",
     .run = pv_check_secrets},
};
#define CHECKS (sizeof(checks) / sizeof(checks[0]))

struct report {
    struct pv_cli *cli;
    struct pv_kit kit;
    struct pv_finding findings[CHECKS];
    bool asked[CHECKS]; /* with --only */
    const char *unplayable;
};

static const char *const verdicts[] = {"pass", "FAIL", "n/a"};

/* ---- Choosing ---- */

static size_t find_check(const char *name)
{
    for (size_t i = 0; i < CHECKS; i++) {
        if (strcmp(checks[i].name, name) == 0) {
            return i;
        }
    }
    return CHECKS;
}

static int unknown_check(struct pv_cli *cli, const char *name)
{
    const char *names[CHECKS];
    for (size_t i = 0; i < CHECKS; i++) {
        names[i] = checks[i].name;
    }
    const char *near = pv_str_nearest(pv_str(name), names, CHECKS);
    return pv_cli_fail(cli, PV_EXIT_USAGE, "--only: there is no check “%s”%s%s%s", name,
                       near != NULL ? "; did you mean “" : " (see --list)",
                       near != NULL ? near : "", near != NULL ? "”?" : "");
}

static int choose(struct report *r)
{
    bool any = false;
    for (size_t i = 0; i < r->cli->args.given_count; i++) {
        const struct pv_cli_given *given = &r->cli->args.given[i];
        if (strcmp(given->option->name, "only") == 0) {
            size_t found = find_check(given->value);
            if (found == CHECKS) {
                return unknown_check(r->cli, given->value);
            }
            r->asked[found] = any = true;
        }
    }
    for (size_t i = 0; i < CHECKS && !any; i++) {
        r->asked[i] = true;
    }
    return PV_EXIT_OK;
}

/* ---- The check file ---- */

/* --file, or where one is looked for: beside the module, then below the present folder. */
static const char *find_file(const struct report *r, char out[PATH_MAX + 32])
{
    const char *given = pv_cli_text(r->cli, "file");
    const char *module = r->kit.job.module;
    const char *slash = strrchr(module, '/');
    size_t folder = slash != NULL ? (size_t)(slash - module) + 1 : 0;
    size_t len = strlen(module);
    if (given != NULL) {
        snprintf(out, PATH_MAX + 32, "%s", given);
        return out;
    }
    snprintf(out, PATH_MAX + 32, "%.*s.check.yaml",
             (int)(len > 3 && strcmp(module + len - 3, ".so") == 0 ? len - 3 : len), module);
    if (access(out, R_OK) == 0) {
        return out;
    }
    snprintf(out, PATH_MAX + 32, "%.*scheck.yaml", (int)folder, module);
    if (access(out, R_OK) == 0) {
        return out;
    }
    snprintf(out, PATH_MAX + 32, "test/check.yaml");
    return access(out, R_OK) == 0 ? out : NULL;
}

/* ---- Running ---- */

static void print_finding(struct report *r, size_t i)
{
    const struct pv_out *out = &r->cli->out;
    const struct pv_finding *f = &r->findings[i];
    static const enum pv_tone tones[] = {PV_TONE_GOOD, PV_TONE_BAD, PV_TONE_DIM};
    if (out->json || (out->quiet && f->verdict != PV_FAIL)) {
        return;
    }
    fprintf(out->file, "%s%-4s%s %-17s%s\n", pv_out_on(out, tones[f->verdict]),
            verdicts[f->verdict], pv_out_off(out, tones[f->verdict]), checks[i].name,
            checks[i].meaning);
    size_t k = 0;
    json_t *sentence = NULL;
    json_array_foreach(f->evidence, k, sentence)
    {
        fprintf(out->file, "       ");
        pv_text_print(out->file, json_string_value(sentence));
        fputc('\n', out->file);
    }
    if (f->failures > json_array_size(f->evidence)) {
        fprintf(out->file, "       and %zu more\n", f->failures - json_array_size(f->evidence));
    }
    if (f->verdict == PV_FAIL) {
        fprintf(out->file, "       remedy: %s\n", checks[i].hint);
    }
    fflush(out->file);
}

/* Where a line of progress stands it is written over. */
static void progress(const struct report *r, size_t i)
{
    if (r->cli->out.terminal && !r->cli->out.json && !r->cli->out.quiet) {
        fprintf(r->cli->out.errors, "\r\033[K%zu/%zu %s …\r", i + 1, CHECKS, checks[i].name);
        fflush(r->cli->out.errors);
    }
}

static void run_check(struct report *r, size_t i)
{
    struct pv_finding *f = &r->findings[i];
    const struct check *check = &checks[i];
    size_t before = check->after != NULL ? find_check(check->after) : CHECKS;
    f->evidence = json_array();
    if (r->unplayable != NULL && strcmp(check->name, "declared") != 0) {
        bool first = strcmp(check->name, "life") == 0;
        pv_kit_skip(f, "%s", first ? r->unplayable : "see `life`");
    } else if (!check->alone && !r->kit.lived) {
        pv_kit_skip(f, "a whole life does not work yet (check `life`)");
    } else if (before < CHECKS && r->findings[before].verdict == PV_FAIL) {
        pv_kit_skip(f, "follows from `%s`: put that right first", check->after);
    } else {
        check->run(&r->kit, f);
        if (f->verdict == PV_PASS && f->played == 0) {
            pv_kit_skip(f, "nothing was there to be played");
        }
    }
}

/* --only needs the life of the plugin too, and the check that its own comes after. */
static bool needed(const struct report *r, size_t i)
{
    bool needed = r->asked[i];
    for (size_t k = 0; k < CHECKS && !needed; k++) {
        needed = r->asked[k] &&
                 ((i == find_check("life") && !checks[k].alone) ||
                  (checks[k].after != NULL && strcmp(checks[k].after, checks[i].name) == 0));
    }
    return needed;
}

static void run_all(struct report *r)
{
    for (size_t i = 0; i < CHECKS && !pv_play_interrupted(); i++) {
        if (!needed(r, i)) {
            continue;
        }
        progress(r, i);
        run_check(r, i);
        if (r->asked[i] || r->findings[i].verdict == PV_FAIL) {
            r->asked[i] = true;
            print_finding(r, i);
        }
    }
}

/* ---- Reporting ---- */

static int sum_up(struct report *r)
{
    size_t counts[3] = {0};
    json_t *list = json_array();
    for (size_t i = 0; i < CHECKS; i++) {
        const struct pv_finding *f = &r->findings[i];
        if (!r->asked[i] || f->evidence == NULL) {
            continue;
        }
        counts[f->verdict]++;
        json_t *item = json_pack("{ss ss ss sO}", "check", checks[i].name, "verdict",
                                 f->verdict == PV_PASS   ? "pass"
                                 : f->verdict == PV_FAIL ? "fail"
                                                         : "not_applicable",
                                 "meaning", checks[i].meaning, "evidence", f->evidence);
        if (f->verdict == PV_FAIL) {
            json_object_set_new(item, "remedy", json_string(checks[i].hint));
        }
        json_array_append_new(list, item);
    }
    static const char *const witnesses[] = {"none", "inventory", "keys", "command", "ledger"};
    if (r->cli->out.json) {
        json_t *whole = json_pack(
            "{sO sI sI sI ss sI}", "checks", list, "passed", (json_int_t)counts[PV_PASS], "failed",
            (json_int_t)counts[PV_FAIL], "not_applicable", (json_int_t)counts[PV_NOT_APPLICABLE],
            "witness", witnesses[r->kit.witness], "plays", (json_int_t)r->kit.plays);
        json_dumpf(whole, r->cli->out.file, JSON_COMPACT);
        fputc('\n', r->cli->out.file);
        json_decref(whole);
    } else {
        fprintf(r->cli->out.file, "%zu passed, %zu failed, %zu not applicable\n", counts[PV_PASS],
                counts[PV_FAIL], counts[PV_NOT_APPLICABLE]);
        if (r->kit.lived && r->kit.witness == PV_WITNESS_NONE) {
            fprintf(r->cli->out.file, "nothing shows what is left behind (no `inventory`, no "
                                      "`witness`): judged by how operations end\n");
        }
    }
    json_decref(list);
    if (pv_play_interrupted()) {
        return PV_EXIT_CANCELED;
    }
    return counts[PV_FAIL] > 0     ? PV_EXIT_FAILED
           : r->unplayable != NULL ? PV_EXIT_UNFINISHED
                                   : PV_EXIT_OK;
}

static int list(struct pv_cli *cli)
{
    json_t *all = json_array();
    for (size_t i = 0; i < CHECKS; i++) {
        json_array_append_new(
            all, json_pack("{ss ss}", "check", checks[i].name, "meaning", checks[i].meaning));
        if (!cli->out.json) {
            fprintf(cli->out.file, "%-17s%s\n", checks[i].name, checks[i].meaning);
        }
    }
    if (cli->out.json) {
        json_dumpf(all, cli->out.file, JSON_COMPACT);
        fputc('\n', cli->out.file);
    }
    json_decref(all);
    return PV_EXIT_OK;
}

static void on_signal(int number)
{
    (void)number;
    pv_play_interrupt();
}

static int check(struct report *r)
{
    char path[PATH_MAX + 32];
    struct pv_err err = {0};
    const struct sigaction interrupt = {.sa_handler = on_signal};
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    const char *file = find_file(r, path);
    char reason[sizeof(err.text) + 200];
    int opened = pv_kit_open(&r->kit, file, &err);
    if (opened != 0 && file != NULL) {
        return pv_cli_fail(r->cli, PV_EXIT_USAGE, "%s", err.text);
    }
    if (opened != 0) {
        snprintf(reason, sizeof(reason),
                 "the plugin cannot be played without a check file (--file, see "
                 "docs/plugin-testing.md): %s",
                 err.text);
        r->unplayable = reason;
    }
    run_all(r);
    return sum_up(r);
}

int pv_cli_plugin_check(struct pv_cli *cli)
{
    if (pv_cli_on(cli, "list")) {
        return list(cli);
    }
    if (pv_cli_arg(cli, 0) == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "say which MODULE, or --list");
    }
    struct report *r = pv_calloc(1, sizeof(*r));
    if (r == NULL) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    r->cli = cli;
    r->kit.cli = cli;
    int status = choose(r);
    if (status == PV_EXIT_OK) {
        status = pv_job_init(cli, &r->kit.job, pv_cli_arg(cli, 0));
        if (status == PV_EXIT_OK) {
            status = check(r);
            pv_kit_close(&r->kit);
        }
        pv_job_done(&r->kit.job);
    }
    for (size_t i = 0; i < CHECKS; i++) {
        json_decref(r->findings[i].evidence);
    }
    pv_free(r);
    return status;
}

const struct pv_cli_option pv_cli_plugin_check_options[] = {
    {.name = "file",
     .letter = 'f',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "the check file (MODULE.check.yaml or check.yaml beside the module, test/check.yaml)"},
    {.name = "only",
     .value = "CHECK",
     .type = PV_OPTION_TEXT,
     .help = "this check alone; may be repeated"},
    {.name = "list", .help = "say which checks there are"},
    PV_CLI_GRANT_OPTIONS,
    {0},
};
