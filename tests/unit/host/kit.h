/* SPDX-License-Identifier: Apache-2.0 */
/* A host in this process with a plugin of the test, and the daemon's side of it: sends steps,
 * answers asks, collects what comes back. */
#ifndef PV_TESTS_HOST_KIT_H
#define PV_TESTS_HOST_KIT_H

#include "tests/unit/unit.h"

#include "core/host/host.h"

#define KIT_CALLS 4096
#define KIT_TEXT 2048

struct kit_outcome {
    bool there;
    uint8_t code;
    bool touched;
    bool state_changed;
    int64_t retry_after_ms;
    char text[KIT_TEXT];
    char state[KIT_TEXT];
    char result[KIT_TEXT];
};

struct kit {
    uv_loop_t loop;
    uv_idle_t poke; /* runs while there is output to look at */
    struct pv_host *host;
    struct pv_page page;
    struct pv_buf in;
    struct kit_outcome outcomes[KIT_CALLS]; /* by call number */
    size_t outcome_count;
    char ready[16384];
    char fault[KIT_TEXT];
    char log[65536]; /* "level text" lines */
    size_t log_lines;
    char progress[KIT_TEXT];
    bool ended;
    bool closed;
    int exit_status;
    /* Fills in the answer to an ask; NULL: no answer comes. */
    bool (*answer)(struct kit *kit, uint64_t call, const struct pv_wire_ask *ask,
                   struct pv_wire_answer *ret);
    struct pv_wire_ask last_ask; /* strings are gone; see the ones below */
    char ask_name[KIT_TEXT];
    char ask_text[KIT_TEXT];
    char ask_pool[KIT_TEXT];
};

/* Not NULL: the next host is guarded and has this reach. */
extern const struct pv_reach *kit_reach;
/* Not NULL: the next host goes by it. */
extern const struct pv_clock *kit_clock;

/* A host with this plugin that waits for its HELLO. */
void kit_new(struct kit *kit, const struct provost_plugin *plugin);
/* Starts one and feeds HELLO. settings NULL: "{}". */
void kit_start(struct kit *kit, const struct provost_plugin *plugin, const char *settings);
void kit_start_hello(struct kit *kit, const struct provost_plugin *plugin,
                     const struct pv_wire_hello *hello);
/* The HELLO that kit_start feeds. */
struct pv_wire_hello kit_hello(const char *settings);
/* Stops the host, closes it and the loop; checks that nothing is left. */
void kit_stop(struct kit *kit);
void kit_feed(struct kit *kit, struct pv_buf *frames);

/* A step frame with usual values; change what the test is about, then kit_send. */
#define KIT_SIGNAL_KEY "00112233445566778899aabbccddeeff"
struct pv_wire_step kit_step(const char *step, const char *input);
void kit_send(struct kit *kit, uint64_t call, const struct pv_wire_step *step);
void kit_query(struct kit *kit, uint64_t call, bool of_service, const char *name,
               const char *input);
void kit_cancel(struct kit *kit, uint64_t call);
void kit_lease(struct kit *kit, int64_t mono_ms);
/* Turns the loop until the call has its outcome. */
const struct kit_outcome *kit_wait(struct kit *kit, uint64_t call);
/* Sends `run` of step `step` of create as call 1, 2, …, waits, and gives the outcome. */
const struct kit_outcome *kit_run(struct kit *kit, const char *step, const char *input);
void kit_turn(struct kit *kit); /* one turn of the loop */

#define assert_contains(text, part) assert_non_null(strstr((text), (part)))

#endif
