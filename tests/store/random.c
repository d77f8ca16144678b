/* SPDX-License-Identifier: Apache-2.0 */
/* The same random requests, by seed, to every store: each answer and the whole state must agree.
 * PROVOST_SEED runs one seed, PROVOST_SEEDS that many. */
#include "tests/store/harness.h"

#include "core/base/buf.h"
#include "core/base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define SERVICES 5
#define HELD 8
#define STEPS 250

/* One store and what a node holds of it. */
struct side {
    struct fix f;
    struct claim_held {
        struct pv_id service;
        struct pv_id op;
        uint64_t fence;
        int type;
        int observed;
        int intent;
        uint32_t tries;
    } held[HELD];
    size_t held_count;
    struct pv_id ops[STEPS * 2];
    size_t op_count;
    struct pv_buf log; /* what it answered */
};

static struct pv_seeded seed;
static struct pv_rng rng;

static int pick(int bound)
{
    return (int)pv_rng_below(&rng, (uint64_t)bound);
}

static void say_id(struct side *s, struct pv_id id)
{
    char text[33];
    pv_hex(id.b, sizeof(id.b), text);
    pv_buf_printf(&s->log, " %s", text);
}

static void keep(struct side *s, const struct pv_claimed *k)
{
    pv_buf_printf(&s->log,
                  " claimed type %d fence %llu intent %d observed %d residue %d gen %u "
                  "tries %u body %.*s plan %.*s cursor %.*s attrs %.*s comp %.*s docs %zu "
                  "signals %zu",
                  k->type, (unsigned long long)k->fence, k->intent, k->observed, k->residue,
                  k->generation, k->tries, PV_STR_ARG(k->body), PV_STR_ARG(k->plan),
                  PV_STR_ARG(k->cursor), PV_STR_ARG(k->attrs), PV_STR_ARG(k->composition),
                  k->doc_count, k->signal_count);
    if (s->held_count == HELD) {
        return; /* as if its node had forgotten it */
    }
    s->held[s->held_count++] =
        (struct claim_held){k->service, k->op, k->fence, k->type, k->observed, k->intent, k->tries};
}

static void say_ended(struct side *s, const struct pv_ended *ended, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pv_buf_printf(&s->log, " ended %d", ended[i].op_state);
        say_id(s, ended[i].op);
    }
}

/* ---- the requests; every choice is drawn before, so that both sides do the same ---- */

struct choice {
    int what;
    int a;
    int b;
    int c;
    int d;
};

static void do_accept(struct side *s, const struct choice *c)
{
    static const char *const names[SERVICES] = {"1", "2", "3", "4", "5"};
    struct pv_accept_item items[3];
    size_t count = c->d % 5 == 0 ? 3 : 1;
    for (size_t i = 0; i < count; i++) {
        int which = (c->a + (int)i * 7) % 16;
        int type = which < 5 ? PV_OP_CREATE : 1 + which % 7;
        items[i] = item_of(&s->f, names[(c->b + (int)i) % SERVICES], type);
        items[i].claim = c->c % 2 == 0;
        items[i].join = c->c % 5 == 0;
        items[i].has_sequence = c->d % 3 == 0;
        items[i].sequence = c->d % 11;
        items[i].canonical = c->d % 4 ? PV_STR("same") : PV_STR("other");
        if (type == PV_OP_ACTION) {
            items[i].quota = (struct pv_quota_ask){PV_STR("zones"), c->d % 3 - 1, 3};
        }
        if (c->c % 3 == 0) {
            char event[16];
            snprintf(event, sizeof(event), "e%d", c->d % 40);
            item_event(&items[i], event);
        }
        if (type == PV_OP_CREATE && c->a % 2) {
            items[i].plan = PV_STR("plan");
            items[i].composition = PV_STR("composition");
            items[i].lane = PV_STR("lane-b");
        }
    }
    struct pv_accept accept = {.items = items, .count = count, .now_ms = s->f.now_ms};
    pv_req_init(&accept.req, PV_REQ_ACCEPT, NULL, NULL);
    accept.epoch = s->f.store->epoch;
    pv_buf_printf(&s->log, "accept %d", fix_run(&s->f, &accept.req));
    for (size_t i = 0; i < count; i++) {
        pv_buf_printf(&s->log, " verdict %d state %d projected %d used %lld", items[i].verdict,
                      items[i].ret_op_state, items[i].ret_state, (long long)items[i].ret_used);
        say_id(s, items[i].ret_op);
        say_id(s, items[i].ret_poke);
        if (items[i].ret_claimed) {
            keep(s, items[i].ret_claimed);
        }
        if (!accept.req.status && items[i].verdict == PV_ACCEPTED) {
            s->ops[s->op_count++] = items[i].ret_op;
        }
    }
    say_ended(s, accept.ret_ended, accept.ret_ended_count);
    pv_req_done(&accept.req);
}

static void do_claim(struct side *s, const struct choice *c)
{
    static const char *const lanes[] = {"", "lane-a", "lane-b"};
    struct pv_claim claim = {
        .lane = pv_str(lanes[c->a % 3]), .limit = (size_t)(c->b % 3), .now_ms = s->f.now_ms};
    pv_req_init(&claim.req, PV_REQ_CLAIM, NULL, NULL);
    claim.epoch = s->f.store->epoch;
    pv_buf_printf(&s->log, "claim %d next %lld", fix_run(&s->f, &claim.req),
                  (long long)claim.ret_next_due_ms);
    for (size_t i = 0; i < claim.ret_count; i++) {
        keep(s, claim.ret_claimed[i]);
    }
    pv_req_done(&claim.req);
}

static struct pv_claimed as_claimed(const struct claim_held *h)
{
    return (struct pv_claimed){.op = h->op,
                               .service = h->service,
                               .fence = h->fence,
                               .type = h->type,
                               .observed = h->observed,
                               .intent = h->intent,
                               .tries = h->tries};
}

static void do_progress(struct side *s, const struct choice *c)
{
    if (s->held_count == 0) {
        return;
    }
    struct claim_held held = s->held[(size_t)c->a % s->held_count];
    struct pv_claimed k = as_claimed(&held);
    struct pv_step_row row = {.component = PV_STR("site"), .step = PV_STR("s"), .run = 1};
    bool stale = c->d % 17 == 0;
    k.fence -= stale ? 1 : 0;
    enum pv_next next = (enum pv_next)(c->b % 4);
    struct pv_progress p = progress_of(&s->f, &k, next);
    p.row = c->c % 2 ? &row : NULL;
    p.lane = c->c % 3 ? PV_STR("lane-a") : PV_STR("lane-b");
    p.due_ms = s->f.now_ms + c->d;
    p.wait = c->c % 8;
    p.cursor = (struct pv_str){NULL, 0};
    p.reason = next == PV_NEXT_PARK ? PV_STR("why") : (struct pv_str){NULL, 0};
    if (c->d % 3 == 0) {
        p.doc_component = c->d % 2 ? PV_STR("site") : PV_STR("zone");
        p.doc = PV_STR("{\"d\":1}");
        p.drop_doc = c->d % 9 == 0;
    }
    p.drop_all_docs = c->d % 13 == 0;
    p.release = c->d % 7 == 0;
    p.release_run = 1;
    if (next == PV_NEXT_FINISH) {
        static const int ends[] = {PV_OPS_DONE, PV_OPS_DONE, PV_OPS_DONE, PV_OPS_FAILED,
                                   PV_OPS_SUPERSEDED};
        p = c->c % 5 < 3 ? finish_of(&s->f, &k) : p;
        p.op_state = ends[c->c % 5];
        if (p.op_state != PV_OPS_DONE && k.type == PV_OP_CREATE) {
            p.observed = PV_SVC_FAILED;
            p.residue = c->d % 2;
        }
        p.claim_next = c->d % 2;
        p.attrs = PV_STR("attrs");
        p.audit = (struct pv_audit){.actor = PV_STR("engine"), .what = PV_STR("end")};
    }
    pv_buf_printf(&s->log, "progress %d", run_progress(&s->f, &p));
    pv_buf_printf(&s->log, " intent %d", p.ret_intent);
    say_id(s, p.ret_ready);
    say_ended(s, p.ret_ended, p.ret_ended_count);
    assert_true(!stale || p.req.status == PV_EFENCED);
    if (!stale && (p.req.status || next != PV_NEXT_HOLD)) {
        size_t at = (size_t)c->a % s->held_count;
        s->held[at] = s->held[--s->held_count];
    }
    if (p.ret_claimed) {
        keep(s, p.ret_claimed);
    }
    pv_req_done(&p.req);
}

static void do_reserve(struct side *s, const struct choice *c)
{
    static const char *const names[] = {"a", "b", "c"};
    if (s->held_count == 0) {
        return;
    }
    struct pv_claimed k = as_claimed(&s->held[(size_t)c->a % s->held_count]);
    struct pv_reserve r = reserve_of(&s->f, &k, 1 + c->b % 9, names[c->c % 3]);
    r.pool = PV_STR("pool");
    r.range = (struct pv_pool_range){c->d % 2, 6, 20};
    r.run = 1 + (uint32_t)(c->d % 2);
    r.scope = c->d % 2;
    r.erase = c->d % 5 == 0;
    r.number = (uint64_t)(c->d % 3);
    r.limit = 4;
    r.text = c->c % 2 ? PV_STR("text") : PV_STR("other");
    pv_buf_printf(&s->log, "reserve %d", run_reserve(&s->f, &r));
    pv_buf_printf(&s->log, " %llu %.*s", (unsigned long long)r.ret_number, PV_STR_ARG(r.ret_value));
    pv_req_done(&r.req);
}

static void do_signal(struct side *s, const struct choice *c)
{
    if (s->op_count == 0) {
        return;
    }
    struct pv_signal sig = {.op = s->ops[(size_t)c->a % s->op_count],
                            .name = c->b % 2 ? PV_STR("one") : PV_STR("two"),
                            .body = PV_STR("1"),
                            .now_ms = s->f.now_ms};
    pv_req_init(&sig.req, PV_REQ_SIGNAL, NULL, NULL);
    pv_buf_printf(&s->log, "signal %d", fix_run(&s->f, &sig.req));
    pv_buf_printf(&s->log, " %d %.*s", sig.ret_ready, PV_STR_ARG(sig.ret_lane));
    pv_req_done(&sig.req);
}

static void do_intervene(struct side *s, const struct choice *c)
{
    if (s->op_count == 0) {
        return;
    }
    struct pv_intervene in;
    int status = intervene(&s->f, &in, s->ops[(size_t)c->a % s->op_count], 1 + c->b % 5);
    pv_buf_printf(&s->log, "intervene %d %s ready %d poke %d state %d", status, in.req.err.text,
                  in.ret_ready, in.ret_poke, in.ret_op_state);
    say_id(s, in.ret_ready_op);
    say_ended(s, in.ret_ended, in.ret_ended_count);
    pv_req_done(&in.req);
}

/* ---- the whole state, as text ---- */

static void say_op(struct side *s, struct pv_id id)
{
    struct pv_get get;
    assert_int_equal(get_op(&s->f, &get, id), 0);
    const struct pv_op_row *o = &get.ret_op;
    pv_buf_printf(&s->log,
                  "\n op type %d state %d wait %d intent %d due %lld lane %.*s tries %u gen %u "
                  "fence %llu finished %lld reason %.*s plan %.*s steps %zu",
                  o->type, o->state, o->wait, o->intent, (long long)o->due_ms, PV_STR_ARG(o->lane),
                  o->tries, o->generation, (unsigned long long)o->fence, (long long)o->finished_ms,
                  PV_STR_ARG(o->reason), PV_STR_ARG(o->plan), get.ret_step_count);
    pv_req_done(&get.req);
}

static void say_state(struct side *s)
{
    struct pv_stats stats = stats_of(&s->f);
    pv_buf_printf(&s->log, "\nunfinished %llu ready %llu parked %llu queued %llu services %llu",
                  (unsigned long long)stats.ret_unfinished, (unsigned long long)stats.ret_ready,
                  (unsigned long long)stats.ret_parked, (unsigned long long)stats.ret_queued,
                  (unsigned long long)stats.ret_services);
    struct pv_list_req list = {.what = PV_LIST_SERVICES, .state = -1, .limit = 100};
    pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
    assert_int_equal(fix_run(&s->f, &list.req), 0);
    for (size_t i = 0; i < list.ret_count; i++) {
        char name[32];
        const struct pv_service_row *r = &list.ret_services[i];
        assert_int_equal(pv_str_to_c(r->external_id, name, sizeof(name)), 0);
        pv_buf_printf(&s->log, "\n service %s gen %u observed %d desired %d residue %d waiting %u",
                      name, r->generation, r->observed, r->desired, r->residue, r->waiting);
        /* Nothing waits behind nothing. */
        assert_true(!pv_id_is_zero(r->active_op) || r->waiting == 0);
        struct pv_get get;
        assert_int_equal(get_service(&s->f, &get, name), 0);
        pv_buf_printf(&s->log, " docs %zu quota %lld", get.ret_doc_count,
                      get.ret_quota_count ? (long long)get.ret_quotas[0].used : 0);
        pv_req_done(&get.req);
    }
    pv_req_done(&list.req);
    for (size_t i = 0; i < s->op_count; i++) {
        say_op(s, s->ops[i]);
    }
    pv_buf_printf(&s->log, "\n audit %llu", (unsigned long long)audit_verify(&s->f));
}

static void step(struct side *s, const struct choice *c)
{
    pv_buf_clear(&s->log);
    if (c->what < 30) {
        do_accept(s, c);
    } else if (c->what < 45) {
        do_claim(s, c);
    } else if (c->what < 70) {
        do_progress(s, c);
    } else if (c->what < 85) {
        do_reserve(s, c);
    } else if (c->what < 90) {
        do_signal(s, c);
    } else if (c->what < 97) {
        do_intervene(s, c);
    } else if (c->what < 98) {
        fix_restart(&s->f);
        s->held_count = 0;
    } else {
        s->f.now_ms += c->a * 10;
    }
    say_state(s);
    assert_int_equal(s->log.status, 0);
}

static void run_seed(uint64_t number)
{
    static struct side sides[2];
    seed.state = number;
    rng = pv_rng_seeded(&seed);
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){.held_count = 0};
        pv_buf_init(&sides[i].log, 16 * 1024 * 1024);
    }
    fix_open(&sides[0].f, STORE_SQLITE);
    fix_open_as(&sides[1].f, sides[0].f.deployment);
    for (int i = 0; i < STEPS; i++) {
        struct choice c = {pick(100), pick(1000), pick(1000), pick(1000), pick(1000)};
        step(&sides[0], &c);
        step(&sides[1], &c);
        if (!pv_str_eq(pv_buf_view(&sides[0].log), pv_buf_view(&sides[1].log))) {
            fail_msg("seed %llu, step %d (%d %d %d %d %d)\nsqlite: %s\nmem: %s",
                     (unsigned long long)number, i, c.what, c.a, c.b, c.c, c.d, sides[0].log.ptr,
                     sides[1].log.ptr);
        }
    }
    for (int i = 0; i < 2; i++) {
        pv_buf_done(&sides[i].log);
        fix_close(&sides[i].f);
    }
}

static void stores_agree(void **state)
{
    (void)state;
    const char *one = getenv("PROVOST_SEED");
    const char *many = getenv("PROVOST_SEEDS");
    if (one) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    uint64_t count = many ? strtoull(many, NULL, 10) : 8;
    for (uint64_t i = 1; i <= count; i++) {
        run_seed(i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
