/* SPDX-License-Identifier: Apache-2.0 */
/* Every frame survives the way there and back; broken, cut and garbled ones are refused; and every
 * allocation may fail. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/wire/page.h"
#include "core/wire/wire.h"

#include <string.h>

static const struct pv_wire_hello a_hello = {
    .version = PV_WIRE_VERSION,
    .instance = {"pdns-1", 6},
    .module = {"/usr/lib/provost/plugins/dns.so", 31},
    .data_dir = {"/var/lib/provost/pdns-1", 23},
    .settings = {"{\"url\":\"http://127.0.0.1\"}", 26},
    .callback_base = {"https://p.example/", 18},
    .max_in_flight = 1000,
    .describe = 1,
};

static const struct pv_wire_step a_step = {
    .slot = 7,
    .kind = PV_CALL_UNDO,
    .is_action = 1,
    .timeout_ms = 60000,
    .run = 1,
    .attempt = 3,
    .generation = 2,
    .op = {{1, 2, 3}},
    .service = {{9, 8, 7}},
    .operation = {"create", 6},
    .component = {"site", 4},
    .step = {"allocate", 8},
    .external_id = {"12345", 5},
    .ref = {"sabcdefghijklmnopqrs", 20},
    .input = {"{}", 2},
    .state = {"{\"a\":1}", 7},
    .signal_key = {"0123456789abcdef", 16},
    .trace = {"00-1-2-01", 9},
};

static const struct pv_wire_query a_query = {
    .slot = 4095,
    .timeout_ms = 10000,
    .of_service = 1,
    .generation = 1,
    .service = {{5}},
    .name = {"view", 4},
    .component = {"site", 4},
    .external_id = {"1", 1},
    .ref = {"s", 1},
    .input = {"{}", 2},
    .state = {"{}", 2},
};

static const struct pv_wire_outcome an_outcome = {
    .code = PV_OUT_NO_STEP,
    .touched = 1,
    .state_changed = 1,
    .retry_after_ms = -1,
    .text = {"done", 4},
    .state = {"{}", 2},
    .result = {"[1]", 3},
};

static const struct pv_wire_ask an_ask = {
    .ask = 3,
    .kind = PV_ASK_SECRET_NEW,
    .scope = 1,
    .flag = 1,
    .number = UINT64_MAX,
    .name = {"password", 8},
    .pool = {"ports", 5},
    .text = {"s3cret", 6},
};

static const struct pv_wire_answer an_answer = {
    .ask = 3, .status = PV_EEXHAUSTED, .number = 77, .value = {"none left", 9}};

#define LEASE_MS 123456789012

/* One of each, indexed; the fields that a test reads back are in the constants above. */
enum { FRAMES = 13 };

static void put_frame(struct pv_buf *out, size_t which)
{
    switch (which) {
    case 0:
        pv_wire_put_hello(out, &a_hello);
        break;
    case 1:
        pv_wire_put_step(out, 42, &a_step);
        break;
    case 2:
        pv_wire_put_query(out, 43, &a_query);
        break;
    case 3:
        pv_wire_put_outcome(out, 44, &an_outcome);
        break;
    case 4:
        pv_wire_put_ask(out, 45, &an_ask);
        break;
    case 5:
        pv_wire_put_answer(out, 46, &an_answer);
        break;
    case 6:
        pv_wire_put_lease(out, LEASE_MS);
        break;
    case 7:
        pv_wire_put_text(out, PV_F_READY, PV_STR("{\"name\":\"dns\"}"));
        break;
    case 8:
        pv_wire_put_text(out, PV_F_FAULT, PV_STR("no such file"));
        break;
    case 9:
        pv_wire_put_progress(out, 47, -1, PV_STR("copying"));
        break;
    case 10:
        pv_wire_put_log(out, 48, PV_WARN, PV_STR("hm"));
        break;
    case 11:
        pv_wire_put_empty(out, PV_F_CANCEL, UINT64_MAX);
        break;
    default:
        pv_wire_put_empty(out, PV_F_STOP, 0);
        break;
    }
}

/* Decodes a frame by its type. */
static int decode(const struct pv_frame *f)
{
    switch (f->type) {
    case PV_F_HELLO: {
        struct pv_wire_hello v;
        return pv_wire_get_hello(f, &v);
    }
    case PV_F_STEP: {
        struct pv_wire_step v;
        return pv_wire_get_step(f, &v);
    }
    case PV_F_QUERY: {
        struct pv_wire_query v;
        return pv_wire_get_query(f, &v);
    }
    case PV_F_OUTCOME: {
        struct pv_wire_outcome v;
        return pv_wire_get_outcome(f, &v);
    }
    case PV_F_ASK: {
        struct pv_wire_ask v;
        return pv_wire_get_ask(f, &v);
    }
    case PV_F_ANSWER: {
        struct pv_wire_answer v;
        return pv_wire_get_answer(f, &v);
    }
    case PV_F_LEASE: {
        int64_t v;
        return pv_wire_get_lease(f, &v);
    }
    case PV_F_READY:
    case PV_F_FAULT: {
        struct pv_str v;
        return pv_wire_get_text(f, &v);
    }
    case PV_F_PROGRESS: {
        int32_t percent;
        struct pv_str v;
        return pv_wire_get_progress(f, &percent, &v);
    }
    case PV_F_LOG: {
        uint8_t level;
        struct pv_str v;
        return pv_wire_get_log(f, &level, &v);
    }
    default:
        return f->payload.len == 0 ? 0 : PV_ESYNTAX;
    }
}

static struct pv_frame only_frame(const struct pv_buf *buf)
{
    struct pv_frame frame = {0};
    size_t used = 0;
    assert_int_equal(pv_frame_next(pv_buf_view(buf), &frame, &used), 1);
    assert_int_equal(used, buf->len);
    return frame;
}

#define assert_str(a, b) assert_true(pv_str_eq((a), (b)))

static void hello_and_step_come_back(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, PV_FRAME_MAX);
    put_frame(&buf, 0);
    struct pv_frame frame = only_frame(&buf);
    struct pv_wire_hello hello;
    assert_int_equal(pv_wire_get_hello(&frame, &hello), 0);
    assert_int_equal(hello.version, a_hello.version);
    assert_int_equal(hello.max_in_flight, a_hello.max_in_flight);
    assert_int_equal(hello.describe, a_hello.describe);
    assert_str(hello.instance, a_hello.instance);
    assert_str(hello.module, a_hello.module);
    assert_str(hello.data_dir, a_hello.data_dir);
    assert_str(hello.settings, a_hello.settings);
    assert_str(hello.callback_base, a_hello.callback_base);

    pv_buf_clear(&buf);
    put_frame(&buf, 1);
    frame = only_frame(&buf);
    assert_int_equal(frame.call, 42);
    struct pv_wire_step step;
    assert_int_equal(pv_wire_get_step(&frame, &step), 0);
    assert_int_equal(step.slot, a_step.slot);
    assert_int_equal(step.kind, a_step.kind);
    assert_int_equal(step.is_action, a_step.is_action);
    assert_int_equal(step.timeout_ms, a_step.timeout_ms);
    assert_int_equal(step.run, a_step.run);
    assert_int_equal(step.attempt, a_step.attempt);
    assert_int_equal(step.generation, a_step.generation);
    assert_true(pv_id_eq(step.op, a_step.op));
    assert_true(pv_id_eq(step.service, a_step.service));
    assert_str(step.operation, a_step.operation);
    assert_str(step.component, a_step.component);
    assert_str(step.step, a_step.step);
    assert_str(step.external_id, a_step.external_id);
    assert_str(step.ref, a_step.ref);
    assert_str(step.input, a_step.input);
    assert_str(step.state, a_step.state);
    assert_str(step.signal_key, a_step.signal_key);
    assert_str(step.trace, a_step.trace);
    pv_buf_done(&buf);
}

static void query_and_outcome_come_back(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, PV_FRAME_MAX);
    put_frame(&buf, 2);
    struct pv_frame frame = only_frame(&buf);
    struct pv_wire_query query;
    assert_int_equal(pv_wire_get_query(&frame, &query), 0);
    assert_int_equal(query.slot, a_query.slot);
    assert_int_equal(query.timeout_ms, a_query.timeout_ms);
    assert_int_equal(query.of_service, a_query.of_service);
    assert_int_equal(query.generation, a_query.generation);
    assert_true(pv_id_eq(query.service, a_query.service));
    assert_str(query.name, a_query.name);
    assert_str(query.component, a_query.component);
    assert_str(query.external_id, a_query.external_id);
    assert_str(query.ref, a_query.ref);
    assert_str(query.input, a_query.input);
    assert_str(query.state, a_query.state);

    pv_buf_clear(&buf);
    put_frame(&buf, 3);
    frame = only_frame(&buf);
    struct pv_wire_outcome outcome;
    assert_int_equal(pv_wire_get_outcome(&frame, &outcome), 0);
    assert_int_equal(outcome.code, an_outcome.code);
    assert_int_equal(outcome.touched, 1);
    assert_int_equal(outcome.state_changed, 1);
    assert_int_equal(outcome.retry_after_ms, -1);
    assert_str(outcome.text, an_outcome.text);
    assert_str(outcome.state, an_outcome.state);
    assert_str(outcome.result, an_outcome.result);
    pv_buf_done(&buf);
}

static void asks_and_answers_come_back(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, PV_FRAME_MAX);
    put_frame(&buf, 4);
    struct pv_frame frame = only_frame(&buf);
    struct pv_wire_ask ask;
    assert_int_equal(pv_wire_get_ask(&frame, &ask), 0);
    assert_int_equal(ask.ask, 3);
    assert_int_equal(ask.kind, an_ask.kind);
    assert_int_equal(ask.scope, 1);
    assert_int_equal(ask.flag, 1);
    assert_true(ask.number == an_ask.number);
    assert_str(ask.name, an_ask.name);
    assert_str(ask.pool, an_ask.pool);
    assert_str(ask.text, an_ask.text);

    pv_buf_clear(&buf);
    put_frame(&buf, 5);
    frame = only_frame(&buf);
    struct pv_wire_answer answer;
    assert_int_equal(pv_wire_get_answer(&frame, &answer), 0);
    assert_int_equal(answer.ask, 3);
    assert_int_equal(answer.status, PV_EEXHAUSTED);
    assert_int_equal(answer.number, 77);
    assert_str(answer.value, an_answer.value);
    pv_buf_done(&buf);
}

static void small_frames_come_back(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, PV_FRAME_MAX);
    put_frame(&buf, 6);
    struct pv_frame frame = only_frame(&buf);
    int64_t lease = 0;
    assert_int_equal(pv_wire_get_lease(&frame, &lease), 0);
    assert_true(lease == LEASE_MS);

    pv_buf_clear(&buf);
    put_frame(&buf, 8);
    frame = only_frame(&buf);
    struct pv_str text;
    assert_int_equal(pv_wire_get_text(&frame, &text), 0);
    assert_true(pv_str_eq_c(text, "no such file"));

    pv_buf_clear(&buf);
    put_frame(&buf, 9);
    frame = only_frame(&buf);
    int32_t percent = 0;
    assert_int_equal(pv_wire_get_progress(&frame, &percent, &text), 0);
    assert_int_equal(percent, -1);
    assert_true(pv_str_eq_c(text, "copying"));

    pv_buf_clear(&buf);
    put_frame(&buf, 10);
    frame = only_frame(&buf);
    uint8_t level = 0;
    assert_int_equal(pv_wire_get_log(&frame, &level, &text), 0);
    assert_int_equal(level, PV_WARN);
    assert_true(pv_str_eq_c(text, "hm"));

    pv_buf_clear(&buf);
    put_frame(&buf, 11);
    frame = only_frame(&buf);
    assert_int_equal(frame.type, PV_F_CANCEL);
    assert_true(frame.call == UINT64_MAX);
    assert_int_equal(frame.payload.len, 0);
    pv_buf_done(&buf);
}

/* A stream that arrives byte by byte gives the same frames, none early. */
static void frames_are_found_in_a_stream(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, PV_FRAME_MAX);
    for (size_t i = 0; i < FRAMES; i++) {
        put_frame(&buf, i);
    }
    assert_int_equal(buf.status, 0);
    size_t at = 0;
    size_t found = 0;
    for (size_t end = 0; end <= buf.len; end++) {
        struct pv_frame frame;
        size_t used = 0;
        int got = pv_frame_next((struct pv_str){buf.ptr + at, end - at}, &frame, &used);
        assert_true(got == 0 || got == 1);
        if (got == 1) {
            assert_int_equal(at + used, end);
            assert_int_equal(decode(&frame), 0);
            at = end;
            found++;
        }
    }
    assert_int_equal(found, FRAMES);
    assert_int_equal(at, buf.len);
    pv_buf_done(&buf);
}

/* Cutting a payload anywhere, or adding a byte to it, is an error and never a read beyond. */
static void wrong_lengths_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < FRAMES; i++) {
        struct pv_buf buf;
        pv_buf_init(&buf, PV_FRAME_MAX);
        put_frame(&buf, i);
        struct pv_frame frame = only_frame(&buf);
        for (size_t len = 0; len < frame.payload.len; len++) {
            char *exact = len > 0 ? test_malloc(len) : NULL;
            if (len > 0) {
                memcpy(exact, frame.payload.ptr, len);
            }
            struct pv_frame cut = frame;
            cut.payload = (struct pv_str){exact, len};
            assert_int_equal(decode(&cut), PV_ESYNTAX);
            if (exact != NULL) {
                test_free(exact);
            }
        }
        pv_buf_put(&buf, "\0", 1);
        struct pv_frame longer = frame;
        longer.payload = (struct pv_str){buf.ptr + PV_FRAME_HEADER, frame.payload.len + 1};
        assert_int_equal(decode(&longer), PV_ESYNTAX);
        pv_buf_done(&buf);
    }
}

/* Any byte may be anything: the decoders answer 0 or PV_ESYNTAX and read nothing beyond. */
static void garbled_bytes_are_survived(void **state)
{
    (void)state;
    struct pv_seeded seed = {7};
    struct pv_rng rng = pv_rng_seeded(&seed);
    for (int round = 0; round < 20000; round++) {
        struct pv_buf buf;
        pv_buf_init(&buf, PV_FRAME_MAX);
        put_frame(&buf, pv_rng_below(&rng, FRAMES));
        for (uint64_t n = pv_rng_below(&rng, 4) + 1; n > 0; n--) {
            buf.ptr[pv_rng_below(&rng, buf.len)] = (char)pv_rng_below(&rng, 256);
        }
        struct pv_frame frame;
        size_t used = 0;
        int got = pv_frame_next(pv_buf_view(&buf), &frame, &used);
        assert_true(got == 0 || got == 1 || got == PV_ESYNTAX || got == PV_ETOOBIG);
        if (got == 1) {
            assert_true(used <= buf.len);
            int status = decode(&frame);
            assert_true(status == 0 || status == PV_ESYNTAX);
        }
        pv_buf_done(&buf);
    }
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    struct pv_frame frame;
    size_t used = 0;
    const char unknown[PV_FRAME_HEADER] = {0, 0, 0, 0, 99};
    assert_int_equal(pv_frame_next((struct pv_str){unknown, sizeof(unknown)}, &frame, &used),
                     PV_ESYNTAX);
    const char reserved[PV_FRAME_HEADER] = {0, 0, 0, 0, PV_F_STOP, 0, 1};
    assert_int_equal(pv_frame_next((struct pv_str){reserved, sizeof(reserved)}, &frame, &used),
                     PV_ESYNTAX);
    const char huge[PV_FRAME_HEADER] = {1, 0, 0x40, 0, PV_F_LOG};
    assert_int_equal(pv_frame_next((struct pv_str){huge, sizeof(huge)}, &frame, &used), PV_ETOOBIG);
}

static void bad_enums_are_refused(void **state)
{
    (void)state;
    struct pv_wire_step step = a_step;
    struct pv_buf buf;
    pv_buf_init(&buf, PV_FRAME_MAX);
    step.slot = PV_PAGE_SLOTS;
    pv_wire_put_step(&buf, 1, &step);
    struct pv_frame frame = only_frame(&buf);
    assert_int_equal(decode(&frame), PV_ESYNTAX);
    pv_buf_clear(&buf);
    step = a_step;
    step.kind = PV_CALL_UNDO + 1;
    pv_wire_put_step(&buf, 1, &step);
    frame = only_frame(&buf);
    assert_int_equal(decode(&frame), PV_ESYNTAX);
    pv_buf_clear(&buf);
    struct pv_wire_outcome outcome = an_outcome;
    outcome.code = PV_OUT_NO_STEP + 1;
    pv_wire_put_outcome(&buf, 1, &outcome);
    frame = only_frame(&buf);
    assert_int_equal(decode(&frame), PV_ESYNTAX);
    pv_buf_clear(&buf);
    struct pv_wire_ask ask = an_ask;
    ask.kind = 0;
    pv_wire_put_ask(&buf, 1, &ask);
    frame = only_frame(&buf);
    assert_int_equal(decode(&frame), PV_ESYNTAX);
    pv_buf_clear(&buf);
    pv_wire_put_log(&buf, 1, PV_ERROR + 1, PV_STR("x"));
    frame = only_frame(&buf);
    assert_int_equal(decode(&frame), PV_ESYNTAX);
    pv_buf_clear(&buf);
    pv_wire_put_progress(&buf, 1, 101, PV_STR("x"));
    frame = only_frame(&buf);
    assert_int_equal(decode(&frame), PV_ESYNTAX);
    pv_buf_clear(&buf);
    struct pv_wire_answer answer = an_answer;
    answer.status = 1;
    pv_wire_put_answer(&buf, 1, &answer);
    frame = only_frame(&buf);
    assert_int_equal(decode(&frame), PV_ESYNTAX);
    pv_buf_done(&buf);
}

/* A decoder refuses a frame of another type. */
static void types_are_not_mixed_up(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, PV_FRAME_MAX);
    for (size_t i = 0; i < FRAMES; i++) {
        pv_buf_clear(&buf);
        put_frame(&buf, i);
        struct pv_frame frame = only_frame(&buf);
        struct pv_wire_hello hello;
        struct pv_wire_step step;
        struct pv_wire_query query;
        assert_int_equal(pv_wire_get_hello(&frame, &hello) == 0, frame.type == PV_F_HELLO);
        assert_int_equal(pv_wire_get_step(&frame, &step) == 0, frame.type == PV_F_STEP);
        assert_int_equal(pv_wire_get_query(&frame, &query) == 0, frame.type == PV_F_QUERY);
    }
    pv_buf_done(&buf);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < FRAMES; i++) {
        for (unsigned long n = 1;; n++) {
            struct pv_buf buf;
            pv_buf_init(&buf, PV_FRAME_MAX);
            pv_alloc_fail_at(n, 0);
            put_frame(&buf, i);
            unsigned long made = pv_alloc_count();
            pv_alloc_fail_at(0, 0);
            int status = buf.status;
            pv_buf_done(&buf);
            if (made < n) {
                assert_int_equal(status, 0);
                assert_true(n > 1);
                break;
            }
            assert_int_equal(status, PV_ENOMEM);
        }
    }
}

static void too_big_a_payload_is_refused(void **state)
{
    (void)state;
    struct pv_buf text;
    pv_buf_init(&text, PV_FRAME_MAX);
    assert_non_null(pv_buf_reserve(&text, PV_FRAME_MAX));
    memset(text.ptr, 'x', PV_FRAME_MAX);
    struct pv_buf buf;
    pv_buf_init(&buf, 2 * PV_FRAME_MAX);
    pv_wire_put_text(&buf, PV_F_READY, (struct pv_str){text.ptr, PV_FRAME_MAX});
    assert_int_equal(buf.status, PV_ETOOBIG);
    pv_buf_clear(&buf);
    pv_wire_put_text(&buf, PV_F_READY, (struct pv_str){text.ptr, PV_FRAME_MAX - 4});
    assert_int_equal(buf.status, 0);
    pv_buf_done(&buf);
    pv_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_and_step_come_back),
        cmocka_unit_test(query_and_outcome_come_back),
        cmocka_unit_test(asks_and_answers_come_back),
        cmocka_unit_test(small_frames_come_back),
        cmocka_unit_test(frames_are_found_in_a_stream),
        cmocka_unit_test(wrong_lengths_are_refused),
        cmocka_unit_test(garbled_bytes_are_survived),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_enums_are_refused),
        cmocka_unit_test(types_are_not_mixed_up),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(too_big_a_payload_is_refused),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
