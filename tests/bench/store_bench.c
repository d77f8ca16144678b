/* SPDX-License-Identifier: Apache-2.0 */
/* What the SQLite store can do on this machine: durable accepts, and accept → one step → done, with
 * many in flight, beside the rate of fdatasync; fresh, and with finished operations loaded. Prints
 * one JSON object. usage: store_bench [--folder DIR] [--ops N] [--in-flight N] [--loaded N]
 * [--rounds N] [--array N] [--only accept]. --array: events in each accept of what is accepted
 * only; --only accept: nothing else is measured. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define MAX_ARRAY 1000

struct bench {
    uv_loop_t loop;
    struct pv_store *store;
    struct pv_keyring *keyring;
    char path[512];
    size_t in_flight;
    size_t array;  /* events in a request, where they are only accepted */
    size_t target; /* operations of the present round */
    size_t started;
    size_t ended;
    bool finish; /* run each to its end, not only accept it */
    uint64_t serial;
};

/* One of the operations in flight, used again and again. */
struct one {
    struct bench *bench;
    struct pv_accept accept;
    struct pv_accept_item items[MAX_ARRAY];
    struct pv_progress progress;
    struct pv_step_row row;
    char external_ids[MAX_ARRAY][24];
};

static const char body[] =
    "{\"id\":\"evt-0000000000\",\"type\":\"service.create\",\"service\":{\"id\":\"0000000000\","
    "\"product\":\"wordpress\",\"plan\":\"basic\",\"params\":{\"domain\":\"customer.example.com\"}}"
    ","
    "\"customer\":{\"id\":\"4711\",\"email\":\"customer@example.com\",\"firstname\":\"Ada\","
    "\"lastname\":\"Lovelace\"}}";
static char plan[600];

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "store_bench: %s: %s\n", what, why);
    exit(1);
}

static void check(const struct pv_req *req)
{
    if (req->status) {
        die("request", req->err.text);
    }
}

static void start(struct one *one);

static void next(struct one *one)
{
    pv_req_done(&one->accept.req);
    one->bench->ended += one->accept.count;
    if (one->bench->started < one->bench->target) {
        start(one);
    }
}

static void progressed(struct pv_req *req)
{
    struct one *one = req->user;
    check(req);
    pv_req_done(req);
    next(one);
}

static void finish(struct one *one, const struct pv_claimed *k)
{
    one->row = (struct pv_step_row){
        .component = PV_STR("site"),
        .step = PV_STR("allocate"),
        .instance = PV_STR("support"),
        .run = 1,
        .attempt = 1,
        .started_ms = one->accept.now_ms,
        .ended_ms = one->accept.now_ms,
    };
    one->progress = (struct pv_progress){
        .service = k->service,
        .op = k->op,
        .fence = k->fence,
        .epoch = one->bench->store->epoch,
        .now_ms = one->accept.now_ms,
        .cursor = PV_STR("cursor-of-forty-bytes-or-so-............"),
        .row = &one->row,
        .audit = {.actor = PV_STR("engine"),
                  .what = PV_STR("operation.done"),
                  .source = PV_STR("shop"),
                  .service = k->service,
                  .op = k->op},
        .doc_component = PV_STR("site"),
        .doc = PV_STR("{\"key\":\"ABCD-EFGH-IJKL\",\"tier\":\"gold\",\"email\":\"a@example.com\"}"),
        .next = PV_NEXT_FINISH,
        .op_state = PV_OPS_DONE,
        .observed = PV_SVC_ACTIVE,
        .attrs = PV_STR("{\"customer\":{\"id\":\"4711\",\"email\":\"customer@example.com\"}}"),
        .claim_next = true,
    };
    pv_req_init(&one->progress.req, PV_REQ_PROGRESS, progressed, one);
    if (pv_store_submit(one->bench->store, &one->progress.req)) {
        die("submit", "refused");
    }
}

static void accepted(struct pv_req *req)
{
    struct one *one = req->user;
    check(req);
    if (one->bench->finish) {
        finish(one, one->items[0].ret_claimed);
    } else {
        next(one);
    }
}

static void fill_item(struct one *one, size_t i)
{
    struct bench *b = one->bench;
    char *text = one->external_ids[i];
    int len = snprintf(text, sizeof(one->external_ids[i]), "%llu", (unsigned long long)++b->serial);
    struct pv_str external_id = {text, (size_t)len};
    const struct pv_str parts[] = {PV_STR("event"), external_id};
    one->items[i] = (struct pv_accept_item){
        .op = pv_id_new(&pv_clock_system, &pv_rng_system),
        .service = pv_service_id(b->store->deployment, PV_STR("shop"), external_id),
        .source = PV_STR("shop"),
        .external_id = external_id,
        .idem_key = pv_id_of_parts(parts, 2),
        .canonical = {body, sizeof(body) - 1},
        .type = PV_OP_CREATE,
        .claim = b->finish,
        .product = PV_STR("wordpress"),
        .plan_name = PV_STR("basic"),
        .body = {body, sizeof(body) - 1},
        .plan = {plan, sizeof(plan)},
        .composition = {plan, sizeof(plan) / 2},
        .lane = PV_STR("support"),
        .quota = {.limit = -1},
        .actor = PV_STR("token:tok_00000000000000000000000000"),
    };
}

static void start(struct one *one)
{
    struct bench *b = one->bench;
    size_t count = b->finish ? 1 : b->array;
    b->started += count;
    for (size_t i = 0; i < count; i++) {
        fill_item(one, i);
    }
    one->accept = (struct pv_accept){.items = one->items, .count = count};
    pv_req_init(&one->accept.req, PV_REQ_ACCEPT, accepted, one);
    one->accept.now_ms = pv_wall_ms(&pv_clock_system);
    one->accept.epoch = b->store->epoch;
    if (pv_store_submit(b->store, &one->accept.req)) {
        die("submit", "refused");
    }
}

/* Operations a second. */
static double run_round(struct bench *b, size_t ops, bool finish_them)
{
    struct one *ones = pv_calloc(b->in_flight, sizeof(*ones));
    if (!ones) {
        die("memory", "none left");
    }
    b->target = ops;
    b->started = 0;
    b->ended = 0;
    b->finish = finish_them;
    double begin = now_s();
    for (size_t i = 0; i < b->in_flight && b->started < ops; i++) {
        ones[i].bench = b;
        start(&ones[i]);
    }
    while (b->ended < ops) {
        uv_run(&b->loop, UV_RUN_ONCE);
    }
    double took = now_s() - begin;
    pv_free(ones);
    return (double)ops / took;
}

static double sync_rate(const char *folder)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/sync", folder);
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        die(path, "cannot be made");
    }
    char page[4096];
    memset(page, 'x', sizeof(page));
    double begin = now_s();
    size_t count = 0;
    while (now_s() - begin < 1.0) {
        if (pwrite(fd, page, sizeof(page), (off_t)(count % 1024) * 4096) != sizeof(page) ||
            fdatasync(fd) != 0) {
            die(path, "cannot be written");
        }
        count++;
    }
    double rate = (double)count / (now_s() - begin);
    close(fd);
    unlink(path);
    return rate;
}

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size = 0;
    long resident = 0;
    if (f) {
        if (fscanf(f, "%ld %ld", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(f);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Bytes this process has written, to files and pipes. */
static double written(void)
{
    FILE *f = fopen("/proc/self/io", "r");
    char line[80];
    double bytes = 0;
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "wchar: ", 7) == 0) {
            bytes = strtod(line + 7, NULL);
        }
    }
    if (f) {
        fclose(f);
    }
    return bytes;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void stopped(void *user)
{
    *(bool *)user = true;
}

static void open_store(struct bench *b, const char *folder, const char *name)
{
    snprintf(b->path, sizeof(b->path), "%s/%s.db", folder, name);
    struct pv_sqlite_options options = {.path = b->path, .keyring = b->keyring, .migrate = true};
    struct pv_err err = {0};
    if (pv_sqlite_open(&b->loop, &options, &b->store, &err)) {
        die("open", err.text);
    }
}

static void close_store(struct bench *b)
{
    bool done = false;
    b->store->ops->close(b->store, stopped, &done);
    while (!done) {
        uv_run(&b->loop, UV_RUN_ONCE);
    }
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < 4; i++) {
        char path[600];
        snprintf(path, sizeof(path), "%s%s", b->path, endings[i]);
        unlink(path);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

struct settings {
    const char *folder;
    size_t ops;
    size_t in_flight;
    size_t loaded;
    size_t rounds;
    size_t array;
    bool only_accept;
};

static struct settings parse(int argc, char **argv)
{
    struct settings s = {"/tmp", 20000, 256, 100000, 5, 1, false};
    for (int i = 1; i + 1 < argc; i += 2) {
        size_t number = (size_t)strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--folder") == 0) {
            s.folder = argv[i + 1];
        } else if (strcmp(argv[i], "--ops") == 0) {
            s.ops = number;
        } else if (strcmp(argv[i], "--in-flight") == 0) {
            s.in_flight = number;
        } else if (strcmp(argv[i], "--loaded") == 0) {
            s.loaded = number;
        } else if (strcmp(argv[i], "--rounds") == 0) {
            s.rounds = number;
        } else if (strcmp(argv[i], "--array") == 0) {
            s.array = number;
        } else if (strcmp(argv[i], "--only") == 0 && strcmp(argv[i + 1], "accept") == 0) {
            s.only_accept = true;
        } else {
            die(argv[i], "no such option");
        }
    }
    if (s.rounds < 1 || s.rounds > 100) {
        die("--rounds", "from 1 to 100");
    }
    if (s.array < 1 || s.array > MAX_ARRAY) {
        die("--array", "from 1 to 1000");
    }
    return s;
}

/* Accepts in a database of their own: their rate, and processor time of each. */
static double accept_round(struct bench *b, const struct settings *s, double *ret_cpu_us)
{
    open_store(b, s->folder, "fresh");
    double before = cpu_s();
    double rate = run_round(b, s->ops, false);
    *ret_cpu_us = (cpu_s() - before) * 1e6 / (double)s->ops;
    close_store(b);
    return rate;
}

static void only_accept(struct bench *b, const struct settings *s)
{
    double rates[100];
    double cpu_us[100];
    for (size_t i = 0; i < s->rounds; i++) {
        rates[i] = accept_round(b, s, &cpu_us[i]);
    }
    printf("{\"accept_per_s\": %.0f, \"array\": %zu, \"in_flight\": %zu, "
           "\"cpu_us_per_accept\": %.1f}\n",
           median(rates, s->rounds), s->array, s->in_flight, median(cpu_us, s->rounds));
}

int main(int argc, char **argv)
{
    struct settings s = parse(argc, argv);
    static const uint8_t keys[64] = {9};
    struct bench fresh = {.in_flight = s.in_flight, .array = s.array};
    struct bench full = {.in_flight = s.in_flight, .array = 1, .serial = 1u << 30};
    memset(plan, 'p', sizeof(plan));
    if (pv_base_init() || pv_keyring_fixed(keys, &fresh.keyring) || uv_loop_init(&fresh.loop) ||
        uv_loop_init(&full.loop)) {
        die("start", "cannot");
    }
    full.keyring = fresh.keyring;
    if (s.only_accept) {
        only_accept(&fresh, &s);
        uv_run(&fresh.loop, UV_RUN_DEFAULT);
        pv_keyring_free(fresh.keyring);
        return 0;
    }
    double syncs = sync_rate(s.folder);
    open_store(&full, s.folder, "loaded");
    run_round(&full, 10000, true);
    long early_kib = resident_kib();
    if (s.loaded) {
        run_round(&full, s.loaded, true);
    }
    long late_kib = resident_kib();
    double accepts[100];
    double accept_cpu_us[100];
    double done[100];
    double done_full[100];
    double bytes[2] = {0};
    double cpu[2] = {0};
    for (size_t i = 0; i < s.rounds; i++) {
        accepts[i] = accept_round(&fresh, &s, &accept_cpu_us[i]);
        open_store(&fresh, s.folder, "fresh");
        double bytes_before = written();
        double cpu_before = cpu_s();
        done[i] = run_round(&fresh, s.ops, true);
        bytes[0] += written() - bytes_before;
        cpu[0] += cpu_s() - cpu_before;
        close_store(&fresh);
        bytes_before = written();
        cpu_before = cpu_s();
        done_full[i] = run_round(&full, s.ops, true);
        bytes[1] += written() - bytes_before;
        cpu[1] += cpu_s() - cpu_before;
    }
    close_store(&full);
    double all = (double)(s.ops * s.rounds);
    double flat = median(done_full, s.rounds) / median(done, s.rounds);
    printf(
        "{\"fdatasync_per_s\": %.0f, \"in_flight\": %zu, \"accept_per_s\": %.0f, "
        "\"done_per_s\": %.0f, \"done_per_s_loaded\": %.0f, \"loaded\": %zu, \"flat\": %.3f, "
        "\"resident_kib_10k\": %ld, \"resident_kib_loaded\": %ld, "
        "\"bytes_per_op\": %.0f, \"bytes_per_op_loaded\": %.0f, "
        "\"cpu_us_per_accept\": %.1f, \"cpu_us_per_op\": %.1f, \"cpu_us_per_op_loaded\": %.1f}\n",
        syncs, s.in_flight, median(accepts, s.rounds), median(done, s.rounds),
        median(done_full, s.rounds), s.loaded, flat, early_kib, late_kib, bytes[0] / all,
        bytes[1] / all, median(accept_cpu_us, s.rounds), cpu[0] * 1e6 / all, cpu[1] * 1e6 / all);
    uv_run(&fresh.loop, UV_RUN_DEFAULT);
    uv_run(&full.loop, UV_RUN_DEFAULT);
    uv_loop_close(&fresh.loop);
    uv_loop_close(&full.loop);
    pv_keyring_free(fresh.keyring);
    return 0;
}
