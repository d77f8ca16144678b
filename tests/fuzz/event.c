/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of events. What is refused has a fault, and the answer that tells it is JSON; what is
 * accepted has what its type needs. */
#include "core/api/event.h"
#include "core/engine/types.h"
#include "tests/fuzz/fuzz.h"

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "{\"id\":\"e\",\"type\":\"service.create\",\"time\":\"2026-11-20T10:14:00.5+01:00\","
        "\"service\":{\"id\":\"1\",\"product\":\"p\",\"plan\":\"q\",\"sequence\":7,\"params\":{}},"
        "\"customer\":{\"id\":\"c\",\"email\":\"a@b.c\",\"firstname\":\"\",\"lastname\":\"D\"},"
        "\"reason\":\"paid\"}",
        "{\"id\":\"e\",\"type\":\"service.upgrade\",\"service\":{\"id\":\"1\",\"plan\":\"q\"}}",
        "{\"idd\":1,\"type\":\"service.suspent\",\"service\":[],\"a/b~c\":null}",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == PV_OK;
}

static void check_refusal(struct pv_faults *faults)
{
    struct pv_buf answer;
    struct pv_json_doc doc = {0};
    struct pv_err err = {0};
    size_t offset = 0;
    FUZZ_CHECK(faults->count > 0 && faults->first[0] != '\0' && faults->code[0] != '\0');
    pv_buf_init(&answer, 1u << 20);
    FUZZ_CHECK(pv_faults_write(faults, &answer) == PV_OK);
    FUZZ_CHECK(pv_json_parse(&doc, pv_buf_view(&answer), &offset, &err) == PV_OK);
    pv_json_done(&doc);
    pv_buf_done(&answer);
}

static void check_event(const struct pv_event *event)
{
    FUZZ_CHECK(event->id.len > 0 && event->external_id.len > 0);
    FUZZ_CHECK(event->external_id.len <= PV_MAX_EXTERNAL_ID);
    FUZZ_CHECK(event->type >= PV_OP_CREATE && event->type <= PV_OP_RENEW);
    FUZZ_CHECK(event->type != PV_OP_CREATE || (event->product.len > 0 && event->plan.len > 0));
    FUZZ_CHECK(event->type != PV_OP_UPGRADE || event->plan.len > 0);
    FUZZ_CHECK(!event->has_sequence || event->sequence >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_str source = {(const char *)data, size};
    struct pv_json_doc doc = {0};
    struct pv_err err = {0};
    size_t offset = 0;
    if (pv_json_parse(&doc, source, &offset, &err) != PV_OK) {
        return 0;
    }
    struct pv_faults faults;
    struct pv_event event;
    pv_faults_init(&faults, source, true);
    if (pv_event_check(&doc, &doc.values[0], 0, &faults, &event)) {
        FUZZ_CHECK(faults.count == 0);
        check_event(&event);
    } else {
        check_refusal(&faults);
    }
    pv_faults_done(&faults);
    pv_json_done(&doc);
    return 0;
}
