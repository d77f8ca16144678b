/* SPDX-License-Identifier: Apache-2.0 */
/* W3C Trace Context (https://www.w3.org/TR/trace-context/): the trace of a request stays with its
 * operation, in what is kept of the event, so that it survives until the last step. */
#include "core/api/cloudevent.h"
#include "core/api/internal.h"

#include <string.h>

struct pv_str pv_call_trace(const struct pv_call *call)
{
    struct pv_str header = pv_http_header(call->http, "traceparent");
    return pv_traceparent_valid(header) ? header : (struct pv_str){NULL, 0};
}

struct pv_str pv_call_traced(struct pv_call *call, struct pv_str object, struct pv_str trace)
{
    if (trace.len == 0 || object.len < 2) {
        return object;
    }
    struct pv_buf out;
    pv_buf_init(&out, object.len + trace.len + 32);
    size_t rest = 1 + strspn(object.ptr + 1, " \t\r\n");
    pv_buf_c(&out, "{\"traceparent\":");
    pv_buf_json(&out, trace);
    pv_buf_c(&out, object.ptr[rest] == '}' ? "" : ",");
    pv_buf_put(&out, object.ptr + rest, object.len - rest);
    struct pv_str copy = {NULL, 0};
    if (out.status == 0) {
        copy = pv_arena_copy(&call->arena, pv_buf_view(&out));
    }
    pv_buf_done(&out);
    return copy;
}
