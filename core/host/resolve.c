/* SPDX-License-Identifier: Apache-2.0 */
/* The host call `resolve`: one DNS question to given servers, answered as it came, whatever the
 * response code. The answer is parsed here because c-ares refuses referrals. */
#include "core/host/internal.h"

#include "core/base/alloc.h"
#include "core/net/channel.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_MS 5000u
#define RECORDS_MAX 256

enum rr_type {
    RR_A = 1,
    RR_NS = 2,
    RR_CNAME = 5,
    RR_SOA = 6,
    RR_MX = 15,
    RR_TXT = 16,
    RR_AAAA = 28
};

static const struct {
    const char *name;
    int type;
} types[] = {
    {"A", RR_A},   {"AAAA", RR_AAAA}, {"NS", RR_NS},   {"CNAME", RR_CNAME},
    {"MX", RR_MX}, {"TXT", RR_TXT},   {"SOA", RR_SOA},
};

struct question {
    struct pv_wait wait;
    struct pv_timer timer;
    int status; /* ARES_… */
    unsigned char *answer;
    int answer_len;
};

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
    (void)timeouts;
    struct question *question = arg;
    if (question->wait.done) {
        return;
    }
    question->status = status;
    if (status == ARES_SUCCESS && len > 0) {
        question->answer = pv_memory_alloc(&question->wait.call->memory, (size_t)len);
        question->answer_len = len;
        if (question->answer != NULL) {
            memcpy(question->answer, bytes, (size_t)len);
        } else {
            question->status = ARES_ENOMEM;
        }
    }
    pv_timer_stop(question->wait.call->host, &question->timer);
    pv_wait_done(&question->wait, 0);
}

static void on_late(struct pv_timer *timer)
{
    struct question *question = PV_CONTAINER(timer, struct question, timer);
    pv_wait_done(&question->wait, PROVOST_E_TIMEOUT);
}

static void cancel_question(struct pv_wait *wait)
{
    struct question *question = PV_CONTAINER(wait, struct question, wait);
    pv_timer_stop(wait->call->host, &question->timer);
    pv_wait_done(wait, PROVOST_E_CANCELED);
}

/* ---- The answer ---- */

struct message {
    const unsigned char *start;
    int len;
    const unsigned char *at;
};

static int left(const struct message *m)
{
    return m->len - (int)(m->at - m->start);
}

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* A name at p, with its final dot, appended to out. Returns the bytes it takes, or -1. */
static int put_name(const struct message *m, const unsigned char *p, struct pv_buf *out)
{
    char *name = NULL;
    long used = 0;
    if (ares_expand_name(p, m->start, m->len, &name, &used) != ARES_SUCCESS) {
        return -1;
    }
    pv_buf_c(out, name);
    pv_buf_c(out, ".");
    ares_free_string(name);
    return (int)used;
}

static bool put_txt(const unsigned char *p, unsigned len, struct pv_buf *out)
{
    unsigned at = 0;
    while (at < len) {
        unsigned piece = p[at];
        if (at + 1 + piece > len) {
            return false;
        }
        pv_buf_c(out, at > 0 ? " \"" : "\"");
        for (unsigned i = at + 1; i < at + 1 + piece; i++) {
            if (p[i] == '"' || p[i] == '\\') {
                pv_buf_printf(out, "\\%c", p[i]);
            } else if (p[i] < 0x20 || p[i] > 0x7e) {
                pv_buf_printf(out, "\\%03u", p[i]);
            } else {
                pv_buf_char(out, (char)p[i]);
            }
        }
        pv_buf_c(out, "\"");
        at += 1 + piece;
    }
    return true;
}

static bool put_soa(const struct message *m, const unsigned char *p, unsigned len,
                    struct pv_buf *out)
{
    int first = put_name(m, p, out);
    if (first < 0 || (unsigned)first > len) {
        return false;
    }
    pv_buf_c(out, " ");
    int second = put_name(m, p + first, out);
    if (second < 0 || (unsigned)(first + second) + 20 != len) {
        return false;
    }
    for (int i = 0; i < 5; i++) {
        pv_buf_printf(out, " %" PRIu32, get32(p + first + second + 4 * i));
    }
    return true;
}

/* Record data in presentation form; false when it is malformed. */
static bool put_data(const struct message *m, int type, const unsigned char *p, unsigned len,
                     struct pv_buf *out)
{
    char address[INET6_ADDRSTRLEN];
    switch (type) {
    case RR_A:
        return len == 4 && inet_ntop(AF_INET, p, address, sizeof(address)) != NULL &&
               pv_buf_c(out, address) == 0;
    case RR_AAAA:
        return len == 16 && inet_ntop(AF_INET6, p, address, sizeof(address)) != NULL &&
               pv_buf_c(out, address) == 0;
    case RR_NS:
    case RR_CNAME:
        return put_name(m, p, out) == (int)len;
    case RR_MX:
        if (len < 3) {
            return false;
        }
        pv_buf_printf(out, "%u ", get16(p));
        return put_name(m, p + 2, out) == (int)len - 2;
    case RR_TXT:
        return put_txt(p, len, out);
    case RR_SOA:
        return put_soa(m, p, len, out);
    default:
        return false;
    }
}

/* Names without escapes, as hosts and zones have them; a last dot makes no difference. */
static bool same_name(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    a_len -= a_len > 0 && a[a_len - 1] == '.' ? 1 : 0;
    b_len -= b_len > 0 && b[b_len - 1] == '.' ? 1 : 0;
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

/* One record: *ret_text is its data in the memory when it has the wanted type, and the owner `of`
 * if that is not NULL; else NULL. */
static int take_record(struct pv_call *call, struct message *m, int want, const char *of,
                       const char **ret_text)
{
    *ret_text = NULL;
    char *owner = NULL;
    long used = 0;
    if (ares_expand_name(m->at, m->start, m->len, &owner, &used) != ARES_SUCCESS) {
        return PV_ESYNTAX;
    }
    bool other = of != NULL && !same_name(owner, of);
    ares_free_string(owner);
    m->at += used;
    if (left(m) < 10) {
        return PV_ESYNTAX;
    }
    unsigned type = get16(m->at);
    unsigned class = get16(m->at + 2);
    unsigned len = get16(m->at + 8);
    m->at += 10;
    if (left(m) < (int)len) {
        return PV_ESYNTAX;
    }
    const unsigned char *data = m->at;
    m->at += len;
    if (other || class != 1 || type != (unsigned)want) {
        return 0;
    }
    struct pv_buf text;
    pv_buf_init(&text, 256 * 1024);
    bool good = put_data(m, want, data, len, &text);
    int status = good && text.status == 0 ? 0 : PV_ESYNTAX;
    if (status == 0) {
        *ret_text = pv_memory_str(&call->memory, pv_buf_view(&text));
        status = *ret_text != NULL ? 0 : PV_ENOMEM;
    }
    pv_buf_done(&text);
    return status;
}

static int skip_questions(struct message *m, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char *name = NULL;
        long used = 0;
        if (ares_expand_name(m->at, m->start, m->len, &name, &used) != ARES_SUCCESS) {
            return PV_ESYNTAX;
        }
        ares_free_string(name);
        m->at += used;
        if (left(m) < 4) {
            return PV_ESYNTAX;
        }
        m->at += 4;
    }
    return 0;
}

/* Of the authority section only what is about `name` itself: a server that knows nothing of it
 * refers to the servers of a zone further up. */
static int parse(struct pv_call *call, const struct question *question, int want, const char *name,
                 bool authority, struct provost_resolve_result *ret)
{
    struct message m = {question->answer, question->answer_len, question->answer};
    if (m.len < 12) {
        return PV_ESYNTAX;
    }
    ret->rcode = m.start[3] & 0x0f;
    unsigned answers = get16(m.start + 6);
    unsigned authorities = authority ? get16(m.start + 8) : 0;
    m.at += 12;
    const char **texts = pv_memory_alloc(&call->memory, (RECORDS_MAX + 1) * sizeof(*texts));
    if (texts == NULL) {
        return PV_ENOMEM;
    }
    int status = skip_questions(&m, get16(m.start + 4));
    for (unsigned i = 0; status == 0 && i < answers + authorities && ret->count < RECORDS_MAX;
         i++) {
        const char *text = NULL;
        bool answer = i < answers;
        status = take_record(call, &m, answer ? want : RR_NS, answer ? NULL : name, &text);
        if (status == 0 && text != NULL) {
            texts[ret->count] = text;
            ret->count++;
        }
    }
    texts[ret->count] = NULL;
    ret->answers = texts;
    return status;
}

/* ---- The call ---- */

static int send_question(struct pv_call *call, struct pv_channel *channel,
                         const struct provost_resolve_request *req, int type,
                         struct question *question)
{
    unsigned char *packet = NULL;
    int packet_len = 0;
    bool recursion = (req->flags & PROVOST_R_NO_RECURSION) == 0;
    unsigned short id = (unsigned short)pv_rng_below(call->host->rng, 0x10000);
    int code =
        ares_create_query(req->name, 1, type, id, recursion ? 1 : 0, &packet, &packet_len, 0);
    if (code != ARES_SUCCESS) {
        return pv_call_fail(call, code == ARES_ENOMEM ? PROVOST_E_NOMEM : PROVOST_E_INVALID,
                            "resolve %s: %s", req->name, ares_strerror(code));
    }
    ares_send(pv_channel_ares(channel), packet, packet_len, on_answer, question);
    ares_free_string(packet);
    pv_channel_arm(channel);
    return pv_call_wait(call, &question->wait);
}

static int understand(struct pv_call *call, const struct provost_resolve_request *req, int type,
                      const struct question *question, struct provost_resolve_result *ret)
{
    switch (question->status) {
    case ARES_SUCCESS:
        break;
    case ARES_ETIMEOUT:
        return pv_call_fail(call, PROVOST_E_TIMEOUT, "resolve %s: no answer in time", req->name);
    case ARES_ENOMEM:
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    case ARES_ECONNREFUSED:
        return pv_call_fail(call, PROVOST_E_NOT_SENT, "resolve %s: no server can be reached",
                            req->name);
    default:
        return pv_call_fail(call, PROVOST_E_FAILED, "resolve %s: %s", req->name,
                            ares_strerror(question->status));
    }
    bool authority = (req->flags & PROVOST_R_AUTHORITY) != 0;
    int status = parse(call, question, type, req->name, authority, ret);
    if (status != 0) {
        return pv_call_fail(call, status == PV_ENOMEM ? PROVOST_E_NOMEM : PROVOST_E_FAILED,
                            "resolve %s: the answer is %s", req->name, pv_status_text(status));
    }
    return 0;
}

static int type_of(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0) {
            return types[i].type;
        }
    }
    return 0;
}

static void on_channel_closed(void *user)
{
    pv_host_release(user);
}

int pv_call_resolve(struct provost_call *pub, const struct provost_resolve_request *request,
                    struct provost_resolve_result *result)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    int code = pv_call_check(call);
    if (code != 0) {
        return code;
    }
    struct provost_resolve_request req;
    if (!pv_struct_in(&req, sizeof(req), request,
                      offsetof(struct provost_resolve_request, servers)) ||
        result == NULL || req.name == NULL) {
        return pv_call_fail(call, PROVOST_E_INVALID,
                            "resolve: set struct_size and name, and give a result");
    }
    int type = type_of(req.type);
    if (type == 0) {
        return pv_call_fail(call, PROVOST_E_INVALID, "resolve %s: unknown record type %s", req.name,
                            req.type != NULL ? req.type : "NULL");
    }
    uint32_t timeout_ms = pv_call_time_left(call, req.timeout_ms > 0 ? req.timeout_ms : TIMEOUT_MS);
    const struct pv_channel_opts opts = {
        .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .try_ms = (int)(timeout_ms / 3 + 1),
        .tries = 2,
        .servers = req.servers,
        .closed = on_channel_closed,
        .user = call->host,
    };
    struct pv_channel *channel = NULL;
    int status = pv_channel_new(call->host->loop, &opts, &channel);
    if (status != 0) {
        return status == PV_ENOMEM
                   ? pv_call_fail(call, PROVOST_E_NOMEM, "out of memory")
                   : pv_call_fail(call, PROVOST_E_INVALID, "resolve: these are no servers: %s",
                                  req.servers != NULL ? req.servers : "");
    }
    pv_host_hold(call->host); /* until the channel is closed */
    struct question question = {.wait = {.call = call, .cancel = cancel_question},
                                .timer = {.fire = on_late}};
    code = pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    if (pv_timer_start(call->host, &question.timer, pv_host_now(call->host) + timeout_ms) == 0) {
        code = send_question(call, channel, &req, type, &question);
    }
    /* What is still under way calls back now, finds the wait done, and leaves it alone. */
    question.wait.done = true;
    pv_timer_stop(call->host, &question.timer);
    pv_channel_close(channel);
    if (code == PROVOST_E_TIMEOUT) {
        return pv_call_fail(call, code, "resolve %s: no answer in time", req.name);
    }
    if (code != 0) {
        return code;
    }
    struct provost_resolve_result found = {.struct_size = sizeof(found)};
    code = understand(call, &req, type, &question, &found);
    if (code == 0) {
        pv_struct_out(result, result->struct_size, &found, sizeof(found));
    }
    return code;
}
