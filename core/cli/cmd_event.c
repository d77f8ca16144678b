/* SPDX-License-Identifier: Apache-2.0 */
/* provost event: sends what a billing system would send. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include "core/base/alloc.h"

#include <string.h>

#define EVENT_MAX (1024u * 1024)

static int send(struct pv_cli *cli)
{
    struct pv_err err = {0};
    char *body = NULL;
    size_t len = 0;
    if (pv_cli_read(pv_cli_arg(cli, 0), EVENT_MAX, &body, &len, &err) != 0) {
        return pv_cli_fail_err(cli, &err);
    }
    struct pv_buf path;
    pv_buf_init(&path, 4096);
    pv_buf_c(&path, "/v1/events");
    const char *source = pv_cli_text(cli, "source");
    if (source != NULL) {
        pv_buf_c(&path, "?source=");
        pv_url_put(&path, source);
    }
    struct pv_answer answer;
    int status =
        path.status != 0
            ? pv_cli_fail(cli, PV_EXIT_USAGE, "--source: too long")
            : pv_cli_call(cli,
                          &(struct pv_client_request){
                              .method = "POST", .path = path.ptr, .body = body, .body_len = len},
                          &answer);
    pv_buf_done(&path);
    pv_free(body);
    if (status != PV_EXIT_OK) {
        return status;
    }
    status = pv_cli_receipts(cli, answer.json);
    pv_answer_done(&answer);
    return status;
}

static const struct pv_cli_option send_options[] = {
    {.name = "source",
     .letter = 's',
     .value = "NAME",
     .type = PV_OPTION_TEXT,
     .help = "who sends it: the source that the service belongs to"},
    PV_CLI_WAIT_OPTION,
    {0},
};

const struct pv_cli_command pv_cli_event[] = {
    {.name = "send",
     .args = "FILE",
     .summary = "send an event, or an array of them; - reads standard input",
     .details =
         "The file holds the JSON that `POST /v1/events` takes. An array is accepted as a whole or "
         "refused as a whole, with every problem listed. An event that was sent before is answered "
         "with the operation it became then.\n\n"
         "  provost event send create.json --source shop --wait 30s",
     .options = send_options,
     .run = send},
    {0},
};
