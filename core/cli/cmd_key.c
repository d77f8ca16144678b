/* SPDX-License-Identifier: Apache-2.0 */
/* provost key: the keys that the database is sealed with. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include <string.h>
#include <time.h>

#define POLL_MS 300

static const struct pv_view list_views[] = {
    {"KEY", "id", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"STATE", "state", PV_VIEW_TEXT, 0},
    {0},
};

static long long number_at(const json_t *json, const char *path)
{
    return (long long)json_integer_value(pv_json_at(json, path));
}

static void say_left(const struct pv_cli *cli, const json_t *json)
{
    const char *error = pv_json_text(json, "resealing.error");
    long long unreadable = number_at(json, "resealing.unreadable");
    bool done = json_is_true(pv_json_at(json, "resealing.done"));
    if (!done) {
        fprintf(cli->out.file, "sealing again with the newest key: %lld values so far%s%s\n",
                number_at(json, "resealing.resealed"),
                error != NULL ? "; it does not get on: " : "", error != NULL ? error : "");
    }
    if (done && json_array_size(json_object_get(json, "keys")) > 1) {
        fprintf(cli->out.file, "every value is sealed with the newest key. The lines of the others "
                               "in the keys file are needed only for backups from before.\n");
    }
    if (unreadable > 0) {
        fprintf(cli->out.file, "%lld values are opened by no key, and are left as they are\n",
                unreadable);
    }
}

static int show_keys(struct pv_cli *cli)
{
    struct pv_answer answer;
    int status = pv_cli_call(cli, &(struct pv_client_request){.path = "/v1/keys"}, &answer);
    if (status != PV_EXIT_OK) {
        return status;
    }
    const json_t *keys = json_object_get(answer.json, "keys");
    if (cli->out.quiet) {
        for (size_t i = 0; i < json_array_size(keys); i++) {
            fprintf(cli->out.file, "%lld\n", number_at(json_array_get(keys, i), "id"));
        }
    } else if (!cli->out.json) {
        if (pv_view_table(&cli->out, keys, list_views) != 0) {
            status = pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
        }
        say_left(cli, answer.json);
    }
    pv_answer_done(&answer);
    return status;
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static void show_progress(const struct pv_cli *cli, const json_t *json, long long *shown)
{
    long long resealed = number_at(json, "resealing.resealed");
    if (resealed != *shown && !cli->out.quiet) {
        fprintf(cli->out.errors, "%lld values sealed again\n", resealed);
        *shown = resealed;
    }
}

/* Takes the answer over; leaves the last one. */
static int wait_for_end(struct pv_cli *cli, struct pv_answer *answer)
{
    long long shown = -1;
    show_progress(cli, answer->json, &shown);
    while (!json_is_true(pv_json_at(answer->json, "resealing.done"))) {
        const char *error = pv_json_text(answer->json, "resealing.error");
        if (error != NULL) {
            return pv_cli_fail(cli, PV_EXIT_BUSY,
                               "the new key seals, but sealing again does not get on: %s. provostd "
                               "tries again by itself: see `provost key list`",
                               error);
        }
        pause_ms(POLL_MS);
        struct pv_answer next;
        int status = pv_cli_ask(cli, &(struct pv_client_request){.path = "/v1/keys"}, &next);
        if (status != PV_EXIT_OK) {
            return status;
        }
        pv_answer_done(answer);
        *answer = next;
        show_progress(cli, answer->json, &shown);
    }
    return PV_EXIT_OK;
}

static int rotate(struct pv_cli *cli)
{
    struct pv_answer answer;
    int status =
        pv_cli_ask(cli,
                   &(struct pv_client_request){
                       .method = "POST", .path = "/v1/keys/rotate", .body = "{}", .body_len = 2},
                   &answer);
    if (status != PV_EXIT_OK) {
        return status;
    }
    const json_t *keys = json_object_get(answer.json, "keys");
    long long id = number_at(json_array_get(keys, json_array_size(keys) - 1), "id");
    if (!cli->out.json && !cli->out.quiet) {
        fprintf(cli->out.file,
                "key %lld seals from now on: copy the keys file to where its copy "
                "is kept\n",
                id);
    }
    if (!pv_cli_on(cli, "no-wait")) {
        status = wait_for_end(cli, &answer);
    }
    if (cli->out.json) {
        fprintf(cli->out.file, "%s\n", answer.text);
    } else if (cli->out.quiet) {
        fprintf(cli->out.file, "%lld\n", id);
    } else if (status == PV_EXIT_OK) {
        say_left(cli, answer.json);
    }
    pv_answer_done(&answer);
    return status;
}

static const struct pv_cli_option rotate_options[] = {
    {.name = "no-wait", .help = "do not wait until everything is sealed with the new key"},
    {0},
};

const struct pv_cli_command pv_cli_key[] = {
    {.name = "list",
     .args = "",
     .summary = "keys: which one seals, and whether the others are still needed",
     .details = "`sealing` is the newest key. `opening`: values may still be sealed with it. "
                "`unused`: nothing in the database is; its line in the keys file is needed only "
                "for backups from before.",
     .run = show_keys},
    {.name = "rotate",
     .args = "",
     .summary = "add a key to the keys file, and seal the whole database with it",
     .details = "The daemon goes on meanwhile, and takes it up again after a restart. Interrupting "
                "the command stops only the waiting. No key is ever deleted.",
     .options = rotate_options,
     .run = rotate},
    {0},
};
