/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin's author is shown of the external calls: one debug line each, masked as every log
 * line is. Only where the host was started with trace on. */
#include "core/host/internal.h"

#include <stdio.h>

static void tell(struct provost_call *pub, const char *what, const char *about, int code,
                 int64_t begun_ms)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL || !call->host->opts.trace) {
        return;
    }
    char text[700];
    char shown[401];
    int64_t ms = pv_host_now(call->host) - begun_ms;
    if (code >= 0) {
        snprintf(shown, sizeof(shown), "%s", about != NULL ? about : "");
        pv_call_trim(call, shown, sizeof(shown));
        snprintf(text, sizeof(text), "%s: %s: %d in %lld ms", what, shown, code, (long long)ms);
    } else {
        snprintf(text, sizeof(text), "%s: %s in %lld ms", what, call->error, (long long)ms);
    }
    pv_host_log(call, PROVOST_LOG_DEBUG, text);
}

static int64_t begin(struct provost_call *pub)
{
    struct pv_call *call = pv_call_of(pub);
    return call != NULL ? pv_host_now(call->host) : 0;
}

int pv_trace_exec(struct provost_call *call, const struct provost_exec_request *request,
                  struct provost_exec_result *result)
{
    int64_t begun_ms = begin(call);
    int code = pv_call_exec(call, request, result);
    bool named = request != NULL && request->argv != NULL;
    tell(call, "exec", named ? request->argv[0] : NULL, code == 0 ? result->exit_status : code,
         begun_ms);
    return code;
}

int pv_trace_resolve(struct provost_call *call, const struct provost_resolve_request *request,
                     struct provost_resolve_result *result)
{
    int64_t begun_ms = begin(call);
    int code = pv_call_resolve(call, request, result);
    char about[300] = "";
    if (request != NULL) {
        snprintf(about, sizeof(about), "%.250s %.10s", request->name != NULL ? request->name : "",
                 request->type != NULL ? request->type : "");
    }
    tell(call, "resolve", about, code == 0 ? result->rcode : code, begun_ms);
    return code;
}

int pv_trace_sleep(struct provost_call *call, uint32_t ms)
{
    int64_t begun_ms = begin(call);
    int code = pv_call_sleep(call, ms);
    tell(call, "sleep", "", code, begun_ms);
    return code;
}
