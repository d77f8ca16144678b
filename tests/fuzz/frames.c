/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of frames, as either side gets it. What can be decoded can be said again, and comes back
 * as the same bytes from then on. */
#include "core/wire/wire.h"
#include "tests/fuzz/fuzz.h"

#define SAID_MAX (2u * PV_FRAME_MAX)

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const struct pv_str text = {"{\"a\":1}", 7};
    switch (n) {
    case 0:
        pv_wire_put_hello(out, &(struct pv_wire_hello){.version = PV_WIRE_VERSION,
                                                       .instance = text,
                                                       .module = text,
                                                       .settings = text,
                                                       .max_in_flight = 1000});
        return true;
    case 1:
        pv_wire_put_step(out, 7,
                         &(struct pv_wire_step){.slot = 1,
                                                .kind = PV_CALL_UNDO,
                                                .run = 1,
                                                .attempt = 1,
                                                .operation = text,
                                                .component = text,
                                                .step = text,
                                                .input = text,
                                                .state = text,
                                                .signal_key = text});
        return true;
    case 2:
        pv_wire_put_query(
            out, 8,
            &(struct pv_wire_query){.slot = 2, .of_service = 1, .name = text, .state = text});
        return true;
    case 3:
        pv_wire_put_outcome(
            out, 7,
            &(struct pv_wire_outcome){
                .code = PV_OUT_TEMPORARY, .retry_after_ms = -1, .text = text, .result = text});
        return true;
    case 4:
        pv_wire_put_ask(out, 7,
                        &(struct pv_wire_ask){.ask = 1, .kind = PV_ASK_POOL_TAKE, .pool = text});
        return true;
    case 5:
        pv_wire_put_answer(out, 7, &(struct pv_wire_answer){.ask = 1, .value = text});
        return true;
    case 6:
        pv_wire_put_lease(out, 123456);
        pv_wire_put_empty(out, PV_F_CANCEL, 7);
        pv_wire_put_text(out, PV_F_READY, text);
        pv_wire_put_progress(out, 7, 50, text);
        pv_wire_put_log(out, 7, 1, text);
        pv_wire_put_empty(out, PV_F_STOP, 0);
        return true;
    default:
        return false;
    }
}

/* Decodes a frame and says it again; false: it is refused. */
static bool say_again(const struct pv_frame *frame, struct pv_buf *out)
{
    union {
        struct pv_wire_hello hello;
        struct pv_wire_step step;
        struct pv_wire_query query;
        struct pv_wire_outcome outcome;
        struct pv_wire_ask ask;
        struct pv_wire_answer answer;
        int64_t lease_ms;
        struct pv_str text;
        struct {
            int32_t percent;
            struct pv_str text;
        } progress;
        struct {
            uint8_t level;
            struct pv_str text;
        } log;
    } u;
    switch (frame->type) {
    case PV_F_HELLO:
        if (pv_wire_get_hello(frame, &u.hello) != PV_OK) {
            return false;
        }
        pv_wire_put_hello(out, &u.hello);
        return true;
    case PV_F_STEP:
        if (pv_wire_get_step(frame, &u.step) != PV_OK) {
            return false;
        }
        pv_wire_put_step(out, frame->call, &u.step);
        return true;
    case PV_F_QUERY:
        if (pv_wire_get_query(frame, &u.query) != PV_OK) {
            return false;
        }
        pv_wire_put_query(out, frame->call, &u.query);
        return true;
    case PV_F_OUTCOME:
        if (pv_wire_get_outcome(frame, &u.outcome) != PV_OK) {
            return false;
        }
        pv_wire_put_outcome(out, frame->call, &u.outcome);
        return true;
    case PV_F_ASK:
        if (pv_wire_get_ask(frame, &u.ask) != PV_OK) {
            return false;
        }
        pv_wire_put_ask(out, frame->call, &u.ask);
        return true;
    case PV_F_ANSWER:
        if (pv_wire_get_answer(frame, &u.answer) != PV_OK) {
            return false;
        }
        pv_wire_put_answer(out, frame->call, &u.answer);
        return true;
    case PV_F_LEASE:
        if (pv_wire_get_lease(frame, &u.lease_ms) != PV_OK) {
            return false;
        }
        pv_wire_put_lease(out, u.lease_ms);
        return true;
    case PV_F_READY:
    case PV_F_FAULT:
        if (pv_wire_get_text(frame, &u.text) != PV_OK) {
            return false;
        }
        pv_wire_put_text(out, frame->type, u.text);
        return true;
    case PV_F_PROGRESS:
        if (pv_wire_get_progress(frame, &u.progress.percent, &u.progress.text) != PV_OK) {
            return false;
        }
        pv_wire_put_progress(out, frame->call, u.progress.percent, u.progress.text);
        return true;
    case PV_F_LOG:
        if (pv_wire_get_log(frame, &u.log.level, &u.log.text) != PV_OK) {
            return false;
        }
        pv_wire_put_log(out, frame->call, u.log.level, u.log.text);
        return true;
    default:
        return false;
    }
}

/* What was said once is decoded, and said again as the same bytes. */
static void check_stable(struct pv_str said)
{
    struct pv_frame frame;
    size_t used = 0;
    FUZZ_CHECK(pv_frame_next(said, &frame, &used) == 1 && used == said.len);
    struct pv_buf again;
    pv_buf_init(&again, SAID_MAX);
    FUZZ_CHECK(say_again(&frame, &again));
    FUZZ_CHECK(again.status == PV_OK && pv_str_eq(pv_buf_view(&again), said));
    pv_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_str stream = {(const char *)data, size};
    struct pv_frame frame;
    size_t used = 0;
    while (pv_frame_next(stream, &frame, &used) == 1) {
        FUZZ_CHECK(used >= PV_FRAME_HEADER && used <= stream.len);
        struct pv_buf said;
        pv_buf_init(&said, SAID_MAX);
        if (say_again(&frame, &said)) {
            FUZZ_CHECK(said.status == PV_OK);
            check_stable(pv_buf_view(&said));
        }
        pv_buf_done(&said);
        stream = (struct pv_str){stream.ptr + used, stream.len - used};
    }
    return 0;
}
