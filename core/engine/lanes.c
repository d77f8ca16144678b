/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: how much each instance is asked at once, when it is left alone, and claims of its work.
 *
 *   breaker:  closed --fault, or N failures in a row--> open --time--> half-open --good--> closed
 *                                                        ^---------failure---------'  (twice as
 * long)
 */
#include "core/engine/internal.h"

#include <string.h>

#define DEFAULT_IN_FLIGHT 1000u
#define CLAIM_AT_ONCE 256u
#define LONGEST_TIMER_MS 60000

static void read_limits(struct pv_lane *lane)
{
    struct pv_engine *engine = lane->engine;
    struct pv_instance_limits limits = {0};
    lane->missing = false;
    if (lane->name[0] == '\0') {
        limits.max_in_flight = UINT32_MAX;
    } else if (engine->o.planner.limits(engine->o.planner.ctx, pv_str(lane->name), &limits)) {
        lane->missing = true;
        memset(&limits, 0, sizeof(limits));
    }
    if (limits.max_in_flight == 0) {
        limits.max_in_flight = DEFAULT_IN_FLIGHT;
    }
    if (limits.rate > 0 && limits.burst == 0) {
        limits.burst = 1;
    }
    if (limits.breaker_open_ms <= 0) {
        limits.breaker_open_ms = 1000;
    }
    if (limits.breaker_open_cap_ms < limits.breaker_open_ms) {
        limits.breaker_open_cap_ms = limits.breaker_open_ms;
    }
    lane->limits = limits;
    if (lane->tokens > limits.burst) {
        lane->tokens = limits.burst;
    }
}

struct pv_lane *pv_lane_get(struct pv_engine *engine, struct pv_str name)
{
    struct pv_map_node *node = pv_map_get(&engine->lanes, name);
    if (node) {
        return PV_CONTAINER(node, struct pv_lane, node);
    }
    struct pv_lane *lane = pv_calloc(1, sizeof(*lane));
    if (!lane) {
        return NULL;
    }
    lane->engine = engine;
    lane->next_due_ms = PV_NEVER;
    lane->tokens_at_ms = pv_engine_mono(engine);
    if (pv_str_to_c(name, lane->name, sizeof(lane->name)) ||
        pv_map_add(&engine->lanes, &lane->node, pv_str(lane->name))) {
        pv_free(lane);
        return NULL;
    }
    read_limits(lane);
    lane->tokens = lane->limits.burst;
    lane->next = engine->lane_list;
    engine->lane_list = lane;
    return lane;
}

void pv_lanes_free(struct pv_engine *engine)
{
    struct pv_lane *lane = engine->lane_list;
    while (lane) {
        struct pv_lane *next = lane->next;
        pv_map_remove(&engine->lanes, &lane->node);
        pv_free(lane->spare);
        pv_free(lane);
        lane = next;
    }
    engine->lane_list = NULL;
    engine->unpinned = NULL;
}

/* ---- rate and breaker ---- */

static void refill(struct pv_lane *lane)
{
    int64_t now = pv_engine_mono(lane->engine);
    double gained = (double)(now - lane->tokens_at_ms) * lane->limits.rate / 1000.0;
    lane->tokens_at_ms = now;
    lane->tokens += gained > 0 ? gained : 0;
    if (lane->tokens > lane->limits.burst) {
        lane->tokens = lane->limits.burst;
    }
}

/* Milliseconds until there is a token. */
static int64_t token_wait(const struct pv_lane *lane)
{
    return 1 + (int64_t)((1.0 - lane->tokens) * 1000.0 / lane->limits.rate);
}

static int check_breaker(struct pv_lane *lane, int64_t *ret_due_ms)
{
    int64_t now = pv_engine_mono(lane->engine);
    if (lane->breaker == PV_BREAKER_CLOSED) {
        return 0;
    }
    if (lane->breaker == PV_BREAKER_OPEN && now >= lane->open_until_ms) {
        return 0;
    }
    int64_t left = lane->open_until_ms > now ? lane->open_until_ms - now : 0;
    *ret_due_ms = pv_engine_wall(lane->engine) + left;
    return PV_WAIT_BREAKER;
}

static int check_rate(struct pv_lane *lane, int64_t *ret_due_ms)
{
    if (lane->limits.rate <= 0) {
        return 0;
    }
    refill(lane);
    if (lane->tokens >= 1.0) {
        return 0;
    }
    *ret_due_ms = pv_engine_wall(lane->engine) + token_wait(lane);
    return PV_WAIT_CAPACITY;
}

static void spend(struct pv_lane *lane)
{
    if (lane->limits.rate > 0) {
        lane->tokens -= 1.0;
    }
    if (lane->breaker == PV_BREAKER_OPEN) {
        lane->breaker = PV_BREAKER_HALF_OPEN;
    }
}

int pv_lane_again(struct pv_lane *lane, int64_t *ret_due_ms)
{
    if (lane->paused) {
        *ret_due_ms = pv_engine_wall(lane->engine); /* READY in a lane that is not claimed from */
        return PV_WAIT_PAUSED;
    }
    int wait = check_breaker(lane, ret_due_ms);
    if (!wait) {
        wait = check_rate(lane, ret_due_ms);
    }
    if (!wait) {
        spend(lane);
    }
    return wait;
}

int pv_lane_take(struct pv_lane *lane, int64_t *ret_due_ms)
{
    if (lane->in_flight >= lane->limits.max_in_flight) {
        *ret_due_ms = pv_engine_wall(lane->engine);
        return PV_WAIT_CAPACITY;
    }
    int wait = pv_lane_again(lane, ret_due_ms);
    if (!wait) {
        lane->in_flight++;
    }
    return wait;
}

void pv_lane_give(struct pv_lane *lane, uint32_t slots)
{
    lane->in_flight -= slots;
}

static void open_breaker(struct pv_lane *lane, struct pv_str why)
{
    int64_t next = lane->open_ms > 0 ? lane->open_ms * 2 : lane->limits.breaker_open_ms;
    lane->open_ms =
        next > lane->limits.breaker_open_cap_ms ? lane->limits.breaker_open_cap_ms : next;
    lane->open_until_ms = pv_engine_mono(lane->engine) + lane->open_ms;
    lane->breaker = PV_BREAKER_OPEN;
    size_t len = why.len < sizeof(lane->fault) - 1 ? why.len : sizeof(lane->fault) - 1;
    if (len > 0) {
        memcpy(lane->fault, why.ptr, len);
    }
    lane->fault[len] = '\0';
    pv_log(PV_WARN, (pv_lf_c("instance", lane->name)), "breaker open for %lld ms: %s",
           (long long)lane->open_ms, lane->fault);
}

void pv_lane_health(struct pv_lane *lane, enum pv_health health, struct pv_str why)
{
    switch (health) {
    case PV_HEALTH_GOOD:
        if (lane->breaker != PV_BREAKER_CLOSED) {
            pv_log(PV_INFO, (pv_lf_c("instance", lane->name)), "breaker closed");
        }
        lane->breaker = PV_BREAKER_CLOSED;
        lane->failures = 0;
        lane->open_ms = 0;
        lane->fault[0] = '\0';
        break;
    case PV_HEALTH_FAULT:
        if (lane->breaker != PV_BREAKER_OPEN) {
            open_breaker(lane, why);
        }
        break;
    case PV_HEALTH_FAILURE:
        lane->failures++;
        if (lane->breaker == PV_BREAKER_HALF_OPEN ||
            (lane->breaker == PV_BREAKER_CLOSED && lane->limits.breaker_failures > 0 &&
             lane->failures >= lane->limits.breaker_failures)) {
            open_breaker(lane, why);
        }
        break;
    default:
        if (lane->breaker == PV_BREAKER_HALF_OPEN) {
            lane->breaker = PV_BREAKER_OPEN; /* the probe said nothing: another may go at once */
        }
        break;
    }
}

/* ---- claims ---- */

void pv_lane_announce(struct pv_lane *lane, int64_t due_ms)
{
    if (due_ms > pv_engine_wall(lane->engine)) {
        lane->next_due_ms = due_ms < lane->next_due_ms ? due_ms : lane->next_due_ms;
        return;
    }
    lane->backlog = true;
    lane->claim_again = lane->claiming;
}

static uint32_t room_of(struct pv_lane *lane)
{
    struct pv_engine *engine = lane->engine;
    if (lane->paused || engine->stopping || engine->active >= engine->o.max_active ||
        lane->in_flight >= lane->limits.max_in_flight) {
        return 0;
    }
    uint32_t room = lane->limits.max_in_flight - lane->in_flight;
    int64_t due = 0;
    if (check_breaker(lane, &due) || check_rate(lane, &due)) {
        return 0;
    }
    if (lane->breaker != PV_BREAKER_CLOSED) {
        return 1;
    }
    if (lane->limits.rate > 0 && lane->tokens < room) {
        room = (uint32_t)lane->tokens;
    }
    size_t free_active = engine->o.max_active - engine->active;
    room = free_active < room ? (uint32_t)free_active : room;
    return room < CLAIM_AT_ONCE ? room : CLAIM_AT_ONCE;
}

static void drop_spares(struct pv_lane *lane, uint32_t from)
{
    for (uint32_t i = from; i < lane->claim_room; i++) {
        pv_active_free(lane->spare[i]);
    }
    lane->engine->active -= lane->claim_room - from;
}

static void claim_done(struct pv_req *req)
{
    struct pv_lane *lane = req->user;
    struct pv_engine *engine = lane->engine;
    struct pv_claim *claim = &lane->claim;
    uint32_t count = req->status ? 0 : (uint32_t)claim->ret_count;
    lane->claiming = false;
    engine->requests--;
    drop_spares(lane, count);
    pv_lane_give(lane, lane->claim_room);
    if (req->status) {
        engine->stalled_until_ms = pv_engine_mono(engine) + PV_STALL_MS;
        lane->backlog = true;
    } else {
        bool more = claim->ret_next_due_ms <= pv_engine_wall(engine) || lane->claim_again;
        lane->backlog = more;
        lane->next_due_ms = claim->ret_next_due_ms;
    }
    lane->claim_again = false;
    struct pv_active **spare = lane->spare;
    lane->spare = NULL;
    for (uint32_t i = 0; i < count; i++) {
        int64_t due = 0;
        bool takes = lane != engine->unpinned && !pv_lane_take(lane, &due);
        pv_active_begin(spare[i], claim->ret_claimed[i], takes ? lane : NULL);
    }
    pv_free(spare);
    pv_req_done(req);
    pv_engine_pump(engine);
    pv_engine_check_stopped(engine);
}

static void submit_claim(struct pv_lane *lane, uint32_t room)
{
    struct pv_engine *engine = lane->engine;
    struct pv_active **spare = pv_calloc(room, sizeof(struct pv_active *));
    uint32_t made = 0;
    while (spare && made < room) {
        spare[made] = pv_active_new(engine);
        if (!spare[made]) {
            break;
        }
        made++;
    }
    if (made == 0) {
        pv_free(spare);
        engine->stalled_until_ms = pv_engine_mono(engine) + PV_STALL_MS;
        return;
    }
    memset(&lane->claim, 0, sizeof(lane->claim));
    pv_req_init(&lane->claim.req, PV_REQ_CLAIM, claim_done, lane);
    lane->claim.lane = pv_str(lane->name);
    lane->claim.limit = made;
    lane->claim.now_ms = pv_engine_wall(engine);
    lane->claim.epoch = engine->o.store->epoch;
    lane->spare = spare;
    lane->claim_room = made;
    if (pv_store_submit(engine->o.store, &lane->claim.req)) {
        for (uint32_t i = 0; i < made; i++) {
            pv_active_free(spare[i]);
        }
        pv_free(spare);
        lane->spare = NULL;
        return;
    }
    lane->claiming = true;
    lane->in_flight += made;
    engine->active += made;
    engine->requests++;
}

/* When the lane may have something to do, on the monotonic clock; INT64_MAX: when it is told. */
static int64_t wake_at(struct pv_lane *lane, int64_t mono, int64_t wall)
{
    if (lane->paused || lane->claiming) {
        return INT64_MAX;
    }
    int64_t at = INT64_MAX;
    if (lane->next_due_ms != PV_NEVER) {
        at = mono + (lane->next_due_ms > wall ? lane->next_due_ms - wall : 0);
    }
    if (lane->backlog) {
        at = mono;
    }
    if (at == INT64_MAX) {
        return at;
    }
    if (lane->breaker == PV_BREAKER_OPEN && lane->open_until_ms > at) {
        at = lane->open_until_ms;
    }
    if (lane->limits.rate > 0) {
        refill(lane);
        if (lane->tokens < 1.0 && mono + token_wait(lane) > at) {
            at = mono + token_wait(lane);
        }
    }
    /* No room: told when a slot is given back. */
    bool full = lane->in_flight >= lane->limits.max_in_flight ||
                lane->engine->active >= lane->engine->o.max_active ||
                lane->breaker == PV_BREAKER_HALF_OPEN;
    return full ? INT64_MAX : at;
}

static void arm(struct pv_engine *engine)
{
    int64_t mono = pv_engine_mono(engine);
    int64_t wall = pv_engine_wall(engine);
    int64_t at = INT64_MAX;
    for (struct pv_lane *lane = engine->lane_list; lane && !engine->stopping; lane = lane->next) {
        int64_t wake = wake_at(lane, mono, wall);
        at = wake < at ? wake : at;
    }
    if (engine->unread || !pv_list_empty(&engine->stalled) ||
        (at <= mono && engine->stalled_until_ms > mono)) {
        at = engine->stalled_until_ms > mono ? engine->stalled_until_ms : mono;
    }
    /* The wall clock may jump: due times are looked at again every minute. */
    if (at != INT64_MAX && at > mono + LONGEST_TIMER_MS) {
        at = mono + LONGEST_TIMER_MS;
    }
    if (at != INT64_MAX && at != engine->armed_ms) {
        engine->armed_ms = at;
        engine->o.arm(engine->o.arm_ctx, at);
    }
}

void pv_engine_pump(struct pv_engine *engine)
{
    int64_t wall = pv_engine_wall(engine);
    bool stalled = engine->stalled_until_ms > pv_engine_mono(engine);
    for (struct pv_lane *lane = engine->lane_list; lane && !engine->stopping && !stalled;
         lane = lane->next) {
        bool due = lane->backlog || lane->next_due_ms <= wall;
        uint32_t room = due && !lane->claiming ? room_of(lane) : 0;
        if (room > 0) {
            submit_claim(lane, room);
        }
    }
    arm(engine);
}

void pv_engine_set_paused(struct pv_engine *engine, struct pv_str instance, bool paused)
{
    struct pv_lane *lane = pv_lane_get(engine, instance);
    if (lane) {
        lane->paused = paused;
        lane->backlog = lane->backlog || !paused;
        pv_engine_pump(engine);
    }
}

void pv_engine_reconfigured(struct pv_engine *engine)
{
    for (struct pv_lane *lane = engine->lane_list; lane; lane = lane->next) {
        read_limits(lane);
        if (lane->breaker == PV_BREAKER_OPEN) {
            lane->open_until_ms = pv_engine_mono(engine); /* the fault may be mended: probe now */
        }
        lane->backlog = true;
    }
    pv_engine_pump(engine);
}

int pv_engine_instance(struct pv_engine *engine, struct pv_str instance,
                       struct pv_instance_status *ret)
{
    struct pv_map_node *node = pv_map_get(&engine->lanes, instance);
    if (!node) {
        return PV_ENOTFOUND;
    }
    const struct pv_lane *lane = PV_CONTAINER(node, struct pv_lane, node);
    *ret = (struct pv_instance_status){.in_flight = lane->in_flight,
                                       .max_in_flight = lane->limits.max_in_flight,
                                       .paused = lane->paused,
                                       .breaker = (int)lane->breaker,
                                       .breaker_until_mono_ms = lane->open_until_ms};
    memcpy(ret->fault, lane->fault, sizeof(ret->fault));
    return PV_OK;
}
