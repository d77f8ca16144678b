/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the API share: one call from its request to its answer, and the tools of
 * routes. Loop thread. A call frees itself when it is answered; every route answers exactly once.
 */
#ifndef PV_API_INTERNAL_H
#define PV_API_INTERNAL_H

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/event.h"
#include "core/api/httpd.h"
#include "core/api/limits.h"
#include "core/base/alloc.h"
#include "core/config/config.h"
#include "core/engine/engine.h"
#include "core/engine/outbox.h"

#include <uv.h>

#define PV_API_BODY_MAX (1024u * 1024)
#define PV_API_PUBLIC_BODY_MAX (64u * 1024) /* of a call that nobody has to prove himself for */
#define PV_API_ANSWER_MAX (64u * 1024 * 1024)
#define PV_API_WAIT_MAX_S 60
#define PV_API_PAGE 100      /* rows of a page when nothing is asked for */
#define PV_API_PAGE_MAX 1000 /* and at most */
#define PV_API_QUERY_MS 10000

struct pv_call;
struct pv_holder;
struct pv_route;
struct pv_session;

/* The streams that are open, and what is read once for all of them (stream.c). */
struct pv_streams {
    struct pv_link all;
    size_t count;
    size_t max;
    struct pv_watch watch;
    struct pv_feed feed;
    uint64_t n; /* read up to here, when `known` */
    bool known; /* some stream is as far as that */
    bool reading;
    bool dirty;        /* there is more */
    unsigned failures; /* reads in a row */
    uv_timer_t beat;
    uv_timer_t expiry; /* of the token or session that is over first */
};

/* Until when sessions of services were ended: pv_session_ends_… */
struct pv_session_ends {
    struct pv_recent recent; /* int64_t wall clock in ms, by struct pv_id of the service */
};

struct pv_api {
    struct pv_api_options o;
    struct pv_httpd *httpd;
    struct pv_token_cache tokens;
    struct pv_session_ends ends;
    struct pv_limits limits;   /* calls, by token */
    struct pv_limits failures; /* tokens that were none, by address */
    struct pv_link calls;      /* struct pv_call.link */
    struct pv_map holders;     /* pv_hold_… */
    int64_t public_ms;         /* token bucket of public queries: when it was last filled */
    double public_tokens;
    struct pv_heap waits; /* struct pv_call.wait.deadline */
    uv_timer_t timer;     /* the first of them */
    struct pv_streams streams;
    int port;
    bool closing;
    int parts; /* of closing: what is still open */
    void (*closed)(void *user);
    void *closed_user;
};

/* Who calls. */
struct pv_who {
    struct pv_str source; /* of the token; none: any source (the admin) */
    unsigned scopes;
    int64_t expires_ms; /* of the token and the session, wall clock; 0: never */
    char actor[80];     /* "token:tok_…", "uid:0", "customer:7" */
    bool by_token;
    struct pv_hash hash; /* of its text */
    struct pv_id token;  /* of a session, too: that it was made with; zero: none */
    char source_text[PV_MAX_NAME + 1];
};

/* Waiting for an operation to end. */
struct pv_call_wait {
    struct pv_watch watch;
    struct pv_heap_node deadline;
    bool on;
    bool any; /* each change counts, not only the end */
    /* state: enum pv_op_state as it is now, 0 when the time is up or the client has gone. */
    void (*done)(struct pv_call *call, int state);
};

struct pv_call {
    struct pv_link link;
    struct pv_api *api;
    struct pv_http_request *http;
    const struct pv_route *route;
    const struct pv_session *session; /* of a customer; NULL: the caller is none */
    struct pv_str args[4];            /* what stood for each '*' of the route, decoded */
    struct pv_who who;
    struct pv_arena arena;   /* lives as long as the call */
    struct pv_buf out;       /* the answer */
    struct pv_json_doc body; /* when the route has parsed it */
    struct pv_call_wait wait;
    struct pv_holder *holder; /* counts it as one that lasts; NULL: nobody */
    int held;                 /* enum pv_hold */
    void *state;              /* the route's, in the arena */
    json_t *json;             /* the route's, freed with the call */
    struct pv_buf scratch;    /* the same */
    char location[64];
    char allow[32];
    struct pv_limit_state limit; /* of the caller */
    int64_t retry_s;             /* of a 429; 0: as usual */
    bool wait_applied;
    bool at_head;   /* the body has not come: who calls is found out, and no more */
    bool preflight; /* answered as a browser's question what it may send */
    bool req_used;  /* `r` holds a request whose results must be freed */
    union {
        struct pv_req req;
        struct pv_accept accept;
        struct pv_get get;
        struct pv_list_req list;
        struct pv_token_req token;
        struct pv_sessions sessions;
        struct pv_intervene intervene;
        struct pv_signal signal;
        struct pv_pause pause;
        struct pv_note note;
        struct pv_stats stats;
    } r;
};

#define PV_ROUTE_PUBLIC (1u << 0)  /* no token is asked for */
#define PV_ROUTE_QUERY (1u << 1)   /* a query of an instance: it depends on what the plugin says */
#define PV_ROUTE_SIGNAL (1u << 2)  /* ?key= may stand for the token */
#define PV_ROUTE_SESSION (1u << 3) /* a customer's session may come here; of its own service */

struct pv_route {
    const char *method;
    const char *pattern; /* '*' is one segment */
    unsigned scope;      /* enum pv_scope; 0 with PV_ROUTE_PUBLIC */
    unsigned flags;
    void (*handle)(struct pv_call *call);
    int detail; /* the route's own */
};

/* Tables of routes, each ended by a method of NULL. */
extern const struct pv_route pv_routes_events[];
extern const struct pv_route pv_routes_services[];
extern const struct pv_route pv_routes_operations[];
extern const struct pv_route pv_routes_queries[];
extern const struct pv_route pv_routes_info[];
extern const struct pv_route pv_routes_stream[];
extern const struct pv_route pv_routes_webhooks[];
extern const struct pv_route pv_routes_metrics[];
extern const struct pv_route pv_routes_admin[];
extern const struct pv_route pv_routes_keys[];
extern const struct pv_route pv_routes_explain[];
extern const struct pv_route pv_routes_verify[];
extern const struct pv_route pv_routes_compat[];
extern const struct pv_route pv_routes_sessions[];

/* ---- streams (stream.c) ---- */

/* Each ends streams with a sentence that says why: all of them; those of a token and of sessions
 * that it made; those of a service's sessions that were made until then. */
void pv_streams_end(struct pv_api *api, const char *why);
void pv_streams_end_token(struct pv_api *api, struct pv_id token);
void pv_streams_end_sessions(struct pv_api *api, struct pv_id service, int64_t ended_ms);
/* A part of the API that a close waits for is closed. */
void pv_api_part_closed(struct pv_api *api);
/* Frees a call whose request was answered otherwise. */
void pv_call_free(struct pv_call *call);

/* ---- answering (call.c): each ends the call ---- */

void pv_call_send(struct pv_call *call, unsigned status);
void pv_call_send_type(struct pv_call *call, unsigned status, const char *type);
void pv_call_fail(struct pv_call *call, unsigned status, const char *code, const char *fmt, ...)
    PV_PRINTF(4, 5);
/* For a status of the store, engine or runner: 404, 409, 503 with Retry-After, … `what` is what was
 * not found ("service"). err may hold no text. */
void pv_call_fail_status(struct pv_call *call, int status, const struct pv_err *err,
                         const char *what);
void pv_call_fail_faults(struct pv_call *call, unsigned status, struct pv_faults *faults);

/* ---- reading the request (call.c) ---- */

bool pv_call_is_admin(const struct pv_call *call);
/* A parameter of the query, decoded; none: it is not there. */
struct pv_str pv_call_param(struct pv_call *call, const char *name);

/* The header traceparent where it is valid, else none. */
struct pv_str pv_call_trace(const struct pv_call *call);
/* A JSON object with `trace` as its first member "traceparent": what the planner reads it from. The
 * object itself without a trace; none: out of memory. */
struct pv_str pv_call_traced(struct pv_call *call, struct pv_str object, struct pv_str trace);

/* Decodes %XX (and '+' when `plus`) into the arena. PV_EINVAL: malformed, NUL or not UTF-8. */
int pv_call_decode(struct pv_call *call, struct pv_str text, bool plus,
                   struct pv_str *ret_text) PV_MUST_CHECK;
/* Parses the body into call->body; an empty one is `{}` when `optional`. false: it has failed the
 * call. */
bool pv_call_parse(struct pv_call *call, bool optional);
/* The same, and it must be an object with no other keys than these. NULL: it has failed the call.
 */
const struct pv_json *pv_call_object(struct pv_call *call, const char *const *keys, size_t count);
/* A member that must be a string if it is there, of at most `max` bytes. false: it has failed the
 * call. */
bool pv_call_text(struct pv_call *call, const struct pv_json *object, const char *key, size_t max,
                  bool required, struct pv_str *ret_text);
/* An argument of the path as an id. false: it has failed the call with 404. */
bool pv_call_id(struct pv_call *call, size_t arg, const char *prefix, struct pv_id *ret_id);
/* The seconds of `Prefer: wait=N`, at most 60; 0: not asked. */
int pv_call_prefer_wait(const struct pv_call *call);
/* limit and after of a list, which takes the parameter `source` and those of `own` (up to a NULL)
 * besides. Anything else is refused: a filter with a slip in its name would show everything. false:
 * it has failed the call. */
bool pv_call_page(struct pv_call *call, const char *const *own, size_t *ret_limit,
                  struct pv_str *ret_after);
/* The source to look at: the token's; for the admin ?source= or none. false: it has failed the
 * call. */
bool pv_call_source(struct pv_call *call, struct pv_str *ret_source);

/* The array "scopes" of a body; 0: it has failed the call (routes_admin.c). */
unsigned pv_call_scopes(struct pv_call *call, const struct pv_json *object);

/* ---- the store (call.c) ---- */

/* Readies call->r.req (the caller has zeroed nothing and fills in the rest after it). */
void pv_call_req(struct pv_call *call, enum pv_req_kind kind, void (*done)(struct pv_req *req));
/* Submits call->r.req; fails the call when that cannot be done. */
void pv_call_submit(struct pv_call *call);
static inline struct pv_call *pv_call_of(const struct pv_req *req)
{
    return req->user;
}
/* Frees the results of call->r.req, so that it can be used again. */
void pv_call_req_done(struct pv_call *call);

/* ---- waiting (wait.c) ---- */

/* Calls done once: when the operation ends or parks, the time is up, or nobody waits any more. */
void pv_call_wait(struct pv_call *call, struct pv_id op, int seconds,
                  void (*done)(struct pv_call *call, int state));
/* The same, also when it goes on: when it is taken up, at a step that is completed, at progress
 * that a step tells of, and when it begins to wait. until_ms: mono. */
void pv_call_wait_change(struct pv_call *call, struct pv_id op, int64_t until_ms,
                         void (*done)(struct pv_call *call, int state));
/* Waits no longer; done is not called. Legal when it does not wait. */
void pv_call_wait_stop(struct pv_call *call);
/* Ends the waits of every call: the API is closing. */
void pv_api_end_waits(struct pv_api *api);
void pv_api_wait_timer(uv_timer_t *timer);

/* ---- why an operation waits (explain.c) ---- */

struct pv_op_wait {
    int why;            /* enum pv_wait */
    int64_t until_ms;   /* wall; 0, PV_NEVER: no time is known */
    uint64_t busy_with; /* operations, as many as the engine takes at once; 0: that is not it */
};

/* What a ready operation waits for. Nothing is written of one that has not begun: the engine of
 * this process knows what keeps it. */
struct pv_op_wait pv_op_wait_of(const struct pv_api *api, const struct pv_op_row *op);

/* ---- showing (show.c): members are appended with a comma before each ---- */

void pv_show_text(struct pv_buf *out, const char *key, struct pv_str text); /* none: null */
void pv_show_c(struct pv_buf *out, const char *key, const char *text);
void pv_show_id(struct pv_buf *out, const char *key, const char *prefix, struct pv_id id);
void pv_show_i64(struct pv_buf *out, const char *key, int64_t value);
void pv_show_bool(struct pv_buf *out, const char *key, bool value);
void pv_show_time(struct pv_buf *out, const char *key, int64_t wall_ms); /* 0 and PV_NEVER: null */
void pv_show_raw(struct pv_buf *out, const char *key, struct pv_str json); /* none or "": null */
void pv_show_receipt(struct pv_buf *out, struct pv_id op, struct pv_id service, int state,
                     bool duplicate);
void pv_show_service(struct pv_buf *out, const struct pv_service_row *row);
/* A customer's session is not told why it did not go well. */
void pv_show_op(const struct pv_call *call, struct pv_buf *out, const struct pv_op_row *row,
                const struct pv_op_wait *wait);
/* With steps, plan and progress; of a full get. */
void pv_show_op_full(struct pv_call *call, struct pv_buf *out, const struct pv_get *get,
                     const struct pv_op_wait *wait);
void pv_show_audit(struct pv_buf *out, const struct pv_audit_row *row);
void pv_show_scopes(struct pv_buf *out, unsigned scopes); /* "scopes": […] */
void pv_show_token(struct pv_buf *out, const struct pv_token_row *row);
/* ends a list: ],"next":…} */
void pv_show_list_end(struct pv_buf *out, bool more, const char *next);
const char *pv_show_outcome(int outcome);
const char *pv_show_kind(int kind);

/* ---- shared by routes ---- */

/* Product, plan and params of a create or an upgrade against the configuration; what is wrong goes
 * to `faults`. PV_ENOMEM. */
int pv_event_check_config(const struct pv_config *config, const struct pv_json_doc *doc,
                          const struct pv_event *event, struct pv_faults *faults) PV_MUST_CHECK;

/* Answers for an operation that is in `state` now: waits if that was asked for; 200 with all of it
 * when it is over, else 202 with a receipt. service may be zero: not known. */
void pv_call_follow(struct pv_call *call, struct pv_id op, struct pv_id service, int state,
                    bool duplicate);
/* The same after an accept of one item that went well. */
void pv_call_accepted(struct pv_call *call, const struct pv_accept_item *item);
/* The faults of an accept that was refused. `path_of_id`: what an id is called ("/id"). */
void pv_accept_faults(const struct pv_accept *accept, struct pv_faults *faults,
                      const char *path_of_id, unsigned *ret_status);
/* One sentence for a refused item; the code too. */
const char *pv_accept_sentence(const struct pv_accept_item *item, char *out, size_t size);
/* Fills in an action from call->r.get (full): finds it, checks `form` (a raw JSON object or none).
 * false: it has failed the call. */
struct pv_accept_item *pv_action_item(struct pv_call *call, struct pv_str name, struct pv_str body,
                                      struct pv_str form);

/* ---- queries (query.c) ---- */

/* One query of one component or instance. */
struct pv_ask_query {
    struct pv_query query;
    struct pv_call *call;
    struct pv_str component;
    struct pv_str instance;
    int status;           /* 0, or it was not asked: PV_EINVAL, the parameters are wrong; … */
    int code;             /* enum pv_outcome_code */
    struct pv_str text;   /* why not */
    struct pv_str result; /* JSON */
    struct pv_buf input;
};

struct pv_ask {
    struct pv_ask_query *items;
    size_t count;
    size_t pending;
    void (*done)(struct pv_call *call, struct pv_ask *ask);
};

/* Asks the service's components that have this query, all at once; only `component` when it is
 * given. get is full and stays as it is until done, which runs when all have answered, also when
 * there is none (then from within). params: a JSON object, borrowed, or NULL. */
void pv_ask_service(struct pv_call *call, const struct pv_get *get, const char *query,
                    struct pv_str component, const json_t *params,
                    void (*done)(struct pv_call *call, struct pv_ask *ask));
/* The same for one query of an instance; `declared` is one of its plugin's. */
void pv_ask_instance(struct pv_call *call, const struct pv_config_instance *instance,
                     const struct pv_plugin_query *declared, const json_t *params,
                     void (*done)(struct pv_call *call, struct pv_ask *ask));
/* Ends the call with why a query was not answered. */
void pv_ask_fail(struct pv_call *call, const struct pv_ask_query *item);

/* ---- signals (routes_operations.c) ---- */

/* Is ?key= the one of the operation that the path names (not decoded yet)? Asks no store. */
bool pv_signal_key_fits(struct pv_call *call);

/* ---- queries of instances (routes_queries.c) ---- */

/* The route at which configured aliases end, with args instance and query. */
extern const struct pv_route pv_route_instance_query;
/* May anybody ask this (args as above)? */
bool pv_query_is_public(const struct pv_call *call);

#endif
