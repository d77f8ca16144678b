/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of `provost doctor`. Each says what it found and, where that is not well, what to do.
 */
#include "core/cli/doctor.h"

#include "core/api/httptls.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#define TEXT_CAP ((size_t)64 * 1024)
#define DISK_LOW_BYTES ((uint64_t)1024 * 1024 * 1024)
#define DISK_OUT_BYTES ((uint64_t)64 * 1024 * 1024)
#define TEST_WAIT_S 15

enum verdict { FINE, WARN, FAIL };

struct doctor {
    struct pv_cli *cli;
    bool show;
    bool failed;
    json_t *checks;
    struct pv_config *config; /* NULL: it is wrong */
    struct pv_problems problems;
    struct pv_answer status; /* of GET /v1/status; json NULL: there was none */
};

/* ---- findings ---- */

static void show(const struct doctor *doctor, enum verdict verdict, const char *check,
                 const char *text, const char *remedy)
{
    static const enum pv_tone tones[] = {PV_TONE_GOOD, PV_TONE_BUSY, PV_TONE_BAD};
    static const char *const words[] = {"ok", "warn", "FAIL"};
    const struct pv_out *out = &doctor->cli->out;
    fprintf(out->file, "%s%-4s%s  %-13s  ", pv_out_on(out, tones[verdict]), words[verdict],
            pv_out_off(out, tones[verdict]), check);
    pv_text_print(out->file, text);
    fputc('\n', out->file);
    if (remedy != NULL && verdict != FINE) {
        fprintf(out->file, "%21s%s", "", pv_out_on(out, PV_TONE_DIM));
        pv_text_print(out->file, remedy);
        fprintf(out->file, "%s\n", pv_out_off(out, PV_TONE_DIM));
    }
    fflush(out->file);
}

static void find(struct doctor *doctor, enum verdict verdict, const char *check, const char *remedy,
                 const char *fmt, ...) PV_PRINTF(5, 6);
static void find(struct doctor *doctor, enum verdict verdict, const char *check, const char *remedy,
                 const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    struct pv_buf text;
    struct pv_buf clean;
    va_list ap;
    pv_buf_init(&text, TEXT_CAP);
    pv_buf_init(&clean, 4 * TEXT_CAP);
    va_start(ap, fmt);
    pv_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    pv_text_clean(&clean, pv_buf_view(&text));
    const char *said = clean.status == 0 && clean.ptr != NULL ? clean.ptr : "";
    json_t *found =
        json_pack("{s:s s:s s:s}", "check", check, "verdict", words[verdict], "text", said);
    if (found != NULL && remedy != NULL && verdict != FINE) {
        json_object_set_new(found, "remedy", json_string(remedy));
    }
    json_array_append_new(doctor->checks, found);
    doctor->failed = doctor->failed || verdict == FAIL;
    if (doctor->show) {
        show(doctor, verdict, check, said, remedy);
    }
    pv_buf_done(&clean);
    pv_buf_done(&text);
}

/* ---- the configuration ---- */

static void check_config(struct doctor *doctor)
{
    const char *given = pv_cli_text(doctor->cli, "config");
    const char *file = given != NULL ? given : PV_CONFIG_FILE;
    struct pv_err err = {0};
    struct pv_describer *describer = NULL;
    if (pv_describer_new(NULL, &describer, &err) != 0) {
        find(doctor, FAIL, "configuration", "install provost-host beside provost", "%s", err.text);
        return;
    }
    struct pv_describe table = pv_describer_table(describer);
    int status = pv_config_load(file, &table, &doctor->problems, &doctor->config);
    pv_describer_free(describer);
    if (status == 0) {
        status = pv_http_tls_check(&doctor->config->tls, pv_wall_ms(&pv_clock_system),
                                   &doctor->problems);
    }
    for (size_t i = 0; i < doctor->problems.count; i++) {
        struct pv_buf line;
        pv_buf_init(&line, TEXT_CAP);
        if (pv_problem_print(&doctor->problems.items[i], &line) == 0) {
            find(doctor, doctor->problems.items[i].warning ? WARN : FAIL, "configuration",
                 "mend the file; `provost config check` lists everything", "%.*s",
                 PV_STR_ARG(pv_buf_view(&line)));
        }
        pv_buf_done(&line);
    }
    if (status == 0) {
        find(doctor, FINE, "configuration", NULL, "%s: %zu instances, %zu products", file,
             doctor->config->instance_count, doctor->config->product_count);
    }
}

static void check_keys(struct doctor *doctor)
{
    char path[4096];
    struct stat st;
    if (pv_str_to_c(doctor->config->keys, path, sizeof(path)) != 0) {
        return;
    }
    if (stat(path, &st) != 0) {
        find(doctor, errno == ENOENT ? WARN : FAIL, "keys",
             "provostd makes it at its first start; a lost one makes the database unreadable: "
             "restore it from the backup",
             "%s: %s", path, strerror(errno));
    } else if ((st.st_mode & 077) != 0) {
        find(doctor, FAIL, "keys", "chmod 600 it, and rotate the keys if others may have read it",
             "%s may be read by others (mode %04o)", path, (unsigned)st.st_mode & 07777);
    } else {
        find(doctor, FINE, "keys", NULL, "%s is for its owner alone", path);
    }
}

/* ---- the daemon and its store ---- */

static bool ask_status(struct doctor *doctor)
{
    struct pv_err err = {0};
    const struct pv_client_request request = {.path = "/v1/status"};
    if (pv_cli_try(doctor->cli, &request, &doctor->status, &err) != 0) {
        find(doctor, FAIL, "daemon", "systemctl status provostd, or provostd -c FILE", "%s",
             err.text);
        return false;
    }
    if (doctor->status.status != 200) {
        const char *error = pv_json_text(doctor->status.json, "error");
        find(doctor, FAIL, "daemon", "run this as root or as a member of admin_group",
             "it answers %ld: %s", doctor->status.status,
             error != NULL ? error : "and says no more");
        return false;
    }
    return true;
}

static void check_daemon(struct doctor *doctor)
{
    const json_t *status = doctor->status.json;
    const char *version = pv_json_text(status, "version");
    const char *running = pv_json_text(status, "config");
    if (version == NULL || strcmp(version, PV_VERSION) != 0) {
        find(doctor, WARN, "daemon", "restart provostd after an upgrade",
             "version %s runs, this is %s", version != NULL ? version : "unknown", PV_VERSION);
    } else {
        find(doctor, FINE, "daemon", NULL, "version %s runs with %s", version,
             running != NULL ? running : "its configuration");
    }
    json_int_t parked = json_integer_value(pv_json_at(status, "operations.needs_operator"));
    if (parked > 0) {
        find(doctor, WARN, "operations",
             "`provost operation list --state needs_operator`, then `provost explain`",
             "%lld need an operator", (long long)parked);
    } else {
        find(doctor, FINE, "operations", NULL, "none needs an operator");
    }
}

static void check_store(struct doctor *doctor)
{
    const char *store = pv_json_text(doctor->status.json, "store");
    if (store == NULL || strcmp(store, "ok") != 0) {
        find(doctor, FAIL, "store", "see the daemon's log; is the disk full?",
             "the daemon says: %s", store != NULL ? store : "nothing");
    } else {
        find(doctor, FINE, "store", NULL, "the daemon can read it");
    }
}

static void check_database(struct doctor *doctor, const char *path)
{
    int found = 0;
    int wanted = 0;
    struct pv_err err = {0};
    struct stat st;
    if (stat(path, &st) != 0) {
        find(doctor, errno == ENOENT ? WARN : FAIL, "database", "provostd makes it when it starts",
             "%s: %s", path, strerror(errno));
    } else if (pv_sqlite_schema_status(path, &found, &wanted, &err) != 0) {
        find(doctor, FAIL, "database", "is it a database of Provost, and may you read it?", "%s",
             err.text);
    } else if (found != wanted) {
        find(doctor, FAIL, "database",
             found < wanted ? "`provost db migrate`" : "install the newer Provost again",
             "%s has schema version %d, this Provost needs %d", path, found, wanted);
    } else {
        find(doctor, FINE, "database", NULL, "%s: schema version %d, %lld MiB", path, found,
             (long long)st.st_size >> 20);
    }
}

/* The database's folder, or the nearest one above it that is there. */
static void check_disk(struct doctor *doctor, const char *database)
{
    char folder[4096];
    struct statvfs fs;
    snprintf(folder, sizeof(folder), "%s", database);
    int code = -1;
    do {
        char *slash = strrchr(folder, '/');
        if (slash == NULL) {
            snprintf(folder, sizeof(folder), ".");
        } else {
            *(slash == folder ? slash + 1 : slash) = '\0';
        }
        code = statvfs(folder, &fs);
    } while (code != 0 && errno == ENOENT && strlen(folder) > 1);
    if (code != 0) {
        find(doctor, FAIL, "disk",
             "check `store:` in the configuration, and the rights of its folder", "%s: %s", folder,
             strerror(errno));
        return;
    }
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    enum verdict verdict = left < DISK_OUT_BYTES ? FAIL : left < DISK_LOW_BYTES ? WARN : FINE;
    find(doctor, verdict, "disk", "make room: without it events are answered 503 (nothing is lost)",
         "%llu MiB free at %s", (unsigned long long)left >> 20, folder);
}

/* ---- the machine ---- */

static void check_clock(struct doctor *doctor)
{
    struct timex t = {0};
    int state = adjtimex(&t);
    if (state < 0) {
        find(doctor, WARN, "clock", NULL, "its state cannot be read: %s", strerror(errno));
    } else if (state == TIME_ERROR || (t.status & STA_UNSYNC) != 0) {
        find(doctor, WARN, "clock",
             "deadlines, token expiry and webhook signatures go by it: run chrony or "
             "systemd-timesyncd",
             "the kernel's clock is not synchronized");
    } else {
        find(doctor, FINE, "clock", NULL, "synchronized, error at most %ld ms", t.maxerror / 1000);
    }
}

/* What the daemon says the kernel cannot do for the isolation of plugins. */
static void check_kernel(struct doctor *doctor)
{
    const char *lacks = pv_json_text(doctor->status.json, "isolation.lacks");
    if (lacks != NULL) {
        find(doctor, WARN, "kernel", "docs/security.md says what each kernel confines", "%s",
             lacks);
    } else {
        find(doctor, FINE, "kernel", NULL, "has everything that confines plugins");
    }
}

/* ---- instances ---- */

static void check_standing(struct doctor *doctor, const json_t *instance, const char *name)
{
    const char *breaker = pv_json_text(instance, "breaker");
    const char *fault = pv_json_text(instance, "fault");
    if (json_is_true(json_object_get(instance, "paused"))) {
        find(doctor, WARN, "instance", "`provost instance resume`", "%s is paused", name);
    }
    if (breaker != NULL && strcmp(breaker, "closed") != 0) {
        find(doctor, WARN, "instance", "its backend keeps failing; it is tried again by itself",
             "%s has its breaker %s: %s", name, breaker, fault != NULL ? fault : "");
    }
}

static void test_instance(struct doctor *doctor, const char *name)
{
    struct pv_buf path;
    struct pv_buf text;
    struct pv_err err = {0};
    struct pv_answer answer = {0};
    pv_buf_init(&path, 4096);
    pv_buf_init(&text, TEXT_CAP);
    pv_buf_c(&path, "/v1/instances/");
    pv_url_put(&path, name);
    pv_buf_c(&path, "/test");
    const struct pv_client_request request = {
        .method = "POST", .path = path.ptr, .wait_s = TEST_WAIT_S};
    const char *code = NULL;
    if (path.status != 0 || pv_cli_try(doctor->cli, &request, &answer, &err) != 0) {
        find(doctor, FAIL, "instance", NULL, "%s: %s", name, err.text);
        goto out;
    }
    code = pv_json_text(answer.json, "code");
    bool works = json_is_true(json_object_get(answer.json, "ok"));
    pv_view_value(&text, pv_json_at(answer.json, works ? "result.text|result" : "error"),
                  PV_VIEW_TEXT);
    if (answer.status == 404 && code != NULL && strcmp(code, "unknown_query") == 0) {
        find(doctor, FINE, "instance", NULL, "%s: its plugin has no test", name);
    } else if (works) {
        find(doctor, FINE, "instance", NULL, "%s works: %.*s", name,
             PV_STR_ARG(pv_buf_view(&text)));
    } else {
        find(doctor, FAIL, "instance", "look at its settings, and at the backend",
             "%s does not work: %.*s", name, PV_STR_ARG(pv_buf_view(&text)));
    }
out:
    pv_answer_done(&answer);
    pv_buf_done(&text);
    pv_buf_done(&path);
}

static void check_instances(struct doctor *doctor)
{
    const json_t *instances = json_object_get(doctor->status.json, "instances");
    for (size_t i = 0; i < json_array_size(instances); i++) {
        const json_t *instance = json_array_get(instances, i);
        const char *name = pv_json_text(instance, "name");
        if (name != NULL) {
            check_standing(doctor, instance, name);
            test_instance(doctor, name);
        }
    }
}

static void check_files(struct doctor *doctor)
{
    char database[4096];
    if (doctor->config == NULL) {
        return;
    }
    check_keys(doctor);
    if (doctor->config->sqlite_path.len > 0 &&
        pv_str_to_c(doctor->config->sqlite_path, database, sizeof(database)) == 0) {
        check_database(doctor, database);
        check_disk(doctor, database);
    }
}

int pv_doctor(struct pv_cli *cli, bool show, json_t **ret_report)
{
    struct doctor doctor = {.cli = cli, .show = show, .checks = json_array()};
    *ret_report = NULL;
    pv_problems_init(&doctor.problems);
    check_config(&doctor);
    check_files(&doctor);
    check_clock(&doctor);
    if (ask_status(&doctor)) {
        check_daemon(&doctor);
        check_store(&doctor);
        check_kernel(&doctor);
        check_instances(&doctor);
    }
    pv_answer_done(&doctor.status);
    pv_config_free(doctor.config);
    pv_problems_done(&doctor.problems);
    *ret_report = json_pack("{s:b s:o}", "ok", !doctor.failed, "checks", doctor.checks);
    if (*ret_report == NULL) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    return doctor.failed ? PV_EXIT_FAILED : PV_EXIT_OK;
}
